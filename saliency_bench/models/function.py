"""A user's own function as an architecture that is trained here."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from saliency_bench.datasets.content import digest
from saliency_bench.models import fingerprint
from saliency_bench.models.base import LoadedModel, one_line, outputs_of
from saliency_bench.models.trainer import Trainer
from saliency_bench.models.training import Training
from saliency_bench.protocols import Dataset


@dataclass(frozen=True)
class Function:
    """A function that returns a Keras model, called anew for every network that is trained.

    The model may be Sequential, Functional, nested or subclassed, and end in logits or in
    probabilities. If it is compiled, its own optimizer and loss are not used: `training` decides.

    Attributes:
        build: returns the model, not trained; where it takes a `seed` it is given another one for
            every network. What Keras draws by itself differs from network to network without.
        training: how the networks are trained.
    """

    trains: ClassVar[bool] = True

    build: Callable[..., Any]
    training: Training = field(default_factory=Training)

    def load(self, dataset: Dataset, *, seed: int, cache: Path) -> LoadedModel:
        """The network trained on the dataset, or found in `cache`."""
        return Trainer(self, dataset, seed=seed, cache=cache).load()

    def fingerprint(self) -> str:
        """Hash of the function's source, its arguments and the training."""
        return digest(
            {
                "model": "function",
                "build": list(fingerprint.of_function(self.build)),
                **asdict(self.training),
            }
        )

    def network(self, shape: tuple[int, ...], n_classes: int, *, seed: int) -> Any:
        """The untrained network for images `[H, W, C]`; its classes are its own.

        Raises:
            ValueError: if the function raises, or its model does not take such images.
            TypeError: if it returns no Keras model.
        """
        import keras

        model = self._called(seed)
        if not isinstance(model, keras.Model):
            raise TypeError(f"{self.name} must return a Keras model, got {type(model).__name__}")
        # Builds what is not yet built.
        outputs_of(model, np.zeros((1, *shape), np.float32), name=self.name)
        return model

    @property
    def name(self) -> str:
        """Of the function."""
        build = self.build
        while isinstance(build, functools.partial):
            build = build.func
        return str(getattr(build, "__name__", type(build).__name__))

    def _called(self, seed: int) -> Any:
        try:
            takes_seed = "seed" in inspect.signature(self.build).parameters
            return self.build(seed=seed) if takes_seed else self.build()
        except Exception as error:  # a function of the user's may raise anything
            raise ValueError(
                f"{self.name} must return a Keras model, it raised {type(error).__name__}: "
                f"{one_line(error)}"
            ) from error
