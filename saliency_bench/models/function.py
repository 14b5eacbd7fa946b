"""A user's function as an architecture that this package trains."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np

from saliency_bench.datasets.content import as_value_error, digest
from saliency_bench.models.base import outputs_of
from saliency_bench.models.learned import Learned
from saliency_bench.models.training import Training
from saliency_bench.protocols import one_line, with_class
from saliency_bench.storage.fingerprint import function_content, function_name


@dataclass(frozen=True)
class Function(Learned):
    """A function that returns a Keras model; it is called for every network to train.

    The model may be Sequential, Functional, nested or subclassed, and end in logits or
    probabilities. A compiled model's optimizer and loss are not used: `training` decides.

    Attributes:
        build: returns the untrained model. If it has a parameter `seed`, every network gets
            another seed. Keras's own initialisers differ between networks in any case.
        training: how the networks are trained.
    """

    kind: ClassVar[str] = "function"

    build: Callable[..., Any]
    training: Training = field(default_factory=Training)

    def fingerprint(self) -> str:
        """Hash of the function's source, its arguments and the training."""
        return digest(
            {
                "model": self.kind,
                "build": list(function_content(self.build)),
                **asdict(self.training),
            }
        )

    def network(self, shape: tuple[int, ...], n_classes: int, *, seed: int) -> Any:
        """Build the untrained network; the function itself decides the number of classes.

        Args:
            shape: `(H, W, C)` of an image.
            n_classes: not used.
            seed: for the function's parameter `seed`, if it has one.

        Raises:
            ValueError: if the function raises, or its model does not accept such images.
            TypeError: if it returns no Keras model.
        """
        import keras

        model = self._call(seed)
        if not isinstance(model, keras.Model):
            raise TypeError(f"{self.name} must return a Keras model, got {type(model).__name__}")
        # The first call builds layers that are not built yet.
        outputs_of(model, np.zeros((1, *shape), np.float32), name=self.name)
        return model

    @property
    def name(self) -> str:
        """The function's name."""
        return function_name(self.build)

    def _call(self, seed: int) -> Any:
        with as_value_error(f"{self.name} must return a Keras model", _raised):
            takes_seed = "seed" in inspect.signature(self.build).parameters
            return self.build(seed=seed) if takes_seed else self.build()


def _raised(error: BaseException) -> str:
    return one_line(error) if isinstance(error, SystemExit) else f"it raised {with_class(error)}"
