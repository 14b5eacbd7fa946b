"""What all adapters share: the model for the library, batches, seeds, and checks of maps."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import Method
from saliency_bench.explainers.foreign import ForeignMaps
from saliency_bench.protocols import Bound, Floats, Ints, Output
from saliency_bench.randomize import image_keys, stream

Settings = Mapping[str, Any]
"""Keyword arguments of the other library's function."""

Explain = Callable[[NDArray[np.float32], NDArray[np.int64]], Any]
"""From images `[N, H, W, C]` and targets `[N]` to maps."""


@dataclass(frozen=True)
class Adapter(Method):
    """An explainer of another library: its raw maps, in batches.

    Its maps count as signed and class specific, since the library does not declare it.

    Attributes:
        settings: keyword arguments of the library's own function.
        output: what is explained.
    """

    axioms: ClassVar[frozenset[str]] = frozenset({"noise", "weights", "shift_invariance"})

    settings: Settings = field(default_factory=dict, kw_only=True)
    output: Output = field(default="logit", kw_only=True)

    @property
    def library_seed(self) -> int | None:
        """Seed of the random numbers that the library draws; None if it draws none."""
        return None

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        """Whether the library draws random numbers."""
        return self.library_seed is not None

    @abstractmethod
    def explain(self, scores: Any) -> Explain:
        """The library's function from images and targets to maps.

        Args:
            scores: a Keras model that ends in logits `[N, K]`.
        """

    def bind(self, model: Any) -> Bound:
        """Import the library and pass it the model.

        Raises:
            NotApplicable: if the method cannot serve the model.
            ValueError: if the library is not installed, or has no such method or setting.
        """
        scores = network.ends_in_scores(model, self.output)
        explain_batch = self.explain(scores)
        check = ForeignMaps(self, model)
        # An image has noise of its own only if it is explained alone.
        rows = 1 if self.stochastic else network.rows_at_once()

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            images, classes = np.asarray(images, np.float32), np.asarray(targets, np.int64)
            _require_classes(classes, scores.output_shape[-1])
            seeds = image_keys(images) if keys is None else keys
            maps = []
            for start in range(0, len(images), rows):
                part = slice(start, start + rows)
                with self._seeded_by(int(seeds[start])):
                    batch = explain_batch(images[part], classes[part])
                maps.append(check.in_shape(batch, images[part]))
            return check.finite(np.concatenate(maps))

        return explain

    def _seeded_by(self, key: int) -> AbstractContextManager[None]:
        """A block in which the library's random numbers depend on `key`, if it draws any."""
        if self.library_seed is None:
            return nullcontext()
        return seed_globally(int(stream("adapters", self.library_seed, key).integers(2**32)))


@contextmanager
def seed_globally(seed: int) -> Iterator[None]:
    """Seed NumPy and TensorFlow inside the block.

    Afterwards NumPy's state is as before; TensorFlow's starts anew from its former seed. Inside the
    block TensorFlow functions run eagerly, as a compiled one would keep the seed of its first run.
    """
    import tensorflow as tf
    from tensorflow.python.eager.context import global_seed

    numpy_state, tensorflow_seed = np.random.get_state(), global_seed()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    tf.random.set_seed(seed)
    try:
        with network.inlined():
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        tf.random.set_seed(tensorflow_seed)


def library(name: str, package: str) -> Any:
    """Import a module of another library.

    Args:
        name: the module.
        package: the name under which pip installs it.

    Raises:
        ValueError: if it is not installed; the message names the package.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = f" ({error})" if name.partition(".")[0] not in str(error) else ""
        raise ValueError(f"{package} must be installed: pip install {package}{missing}") from error


def class_of(module: Any, name: str, package: str) -> Any:
    """A class of another library.

    Args:
        module: where it is defined.
        name: its name.
        package: the library, for an error message.

    Raises:
        ValueError: if there is no such class; the message suggests similar names.
    """
    known = {n: value for n, value in vars(module).items() if n[0].isupper() and callable(value)}
    if name not in known:
        raise ValueError(
            f"method must be one of {package}'s ({network.near(name, known)}); got {name!r}"
        )
    return known[name]


def _require_classes(targets: NDArray[np.int64], classes: int) -> None:
    wrong = targets[(targets < 0) | (targets >= classes)]
    if len(wrong):
        raise ValueError(f"targets must lie in 0..{classes - 1}; got {wrong[0]}")
