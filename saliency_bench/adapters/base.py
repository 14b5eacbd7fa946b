"""What all adapters share: the model they hand over, batches, seeds, and the checks of maps."""

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
from saliency_bench.explainers.base import ForeignMaps, Method
from saliency_bench.protocols import Bound, Floats, Ints, Output
from saliency_bench.randomize import image_keys, stream

Settings = Mapping[str, Any]
"""Keyword arguments of the other library's function."""

Explain = Callable[[NDArray[np.float32], NDArray[np.int64]], Any]
"""Images `[N, H, W, C]` and targets `[N]` to maps."""


@dataclass(frozen=True)
class Adapter(Method):
    """An explainer of another library: its raw maps, in batches.

    What its maps are cannot be known, so they are taken as signed and as class specific.

    Attributes:
        settings: keyword arguments of the library's own function.
        output: what is explained.
    """

    axioms: ClassVar[frozenset[str]] = frozenset({"noise", "weights", "shift_invariance"})

    settings: Settings = field(default_factory=dict, kw_only=True)
    output: Output = field(default="logit", kw_only=True)

    @property
    def drawn(self) -> int | None:
        """Seed of the random numbers that the library draws; None if it draws none."""
        return None

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        """Whether the library draws random numbers."""
        return self.drawn is not None

    @abstractmethod
    def explain(self, scores: Any) -> Explain:
        """Images and targets to maps, for a Keras model `scores` that ends in logits `[N, K]`."""

    def bind(self, model: Any) -> Bound:
        """Import the library and hand it the model.

        Raises:
            NotApplicable: if it cannot serve the model.
            ValueError: if it is not installed, or has no such method or setting.
        """
        scores = network.ends_in_scores(model, self.output)
        explain = self.explain(scores)
        foreign = ForeignMaps(self, model)
        # Noise is an image's own only if each is explained by itself.
        rows = 1 if self.stochastic else network.rows_at_once()

        def bound(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            images, wanted = np.asarray(images, np.float32), np.asarray(targets, np.int64)
            _require_classes(wanted, scores.output_shape[-1])
            seeds = image_keys(images) if keys is None else keys
            found = []
            for start in range(0, len(images), rows):
                part = slice(start, start + rows)
                with self._drawing(int(seeds[start])):
                    maps = explain(images[part], wanted[part])
                found.append(foreign.in_shape(maps, images[part]))
            return foreign.finite(np.concatenate(found))

        return bound

    def _drawing(self, key: int) -> AbstractContextManager[None]:
        """The library's random numbers are those of an image, if it draws any."""
        if self.drawn is None:
            return nullcontext()
        return seeded(int(stream("adapters", self.drawn, key).integers(2**32)))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Global random states at `seed`; afterwards NumPy's is what it was, TensorFlow's at its seed.

    Functions of TensorFlow run step by step inside: a compiled one keeps the seed it was made with.
    """
    import tensorflow as tf
    from tensorflow.python.eager.context import global_seed

    numpys, tensorflows = np.random.get_state(), global_seed()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    tf.random.set_seed(seed)
    try:
        with network.inlined():
            yield
    finally:
        np.random.set_state(numpys)  # noqa: NPY002
        tf.random.set_seed(tensorflows)


def library(name: str, package: str) -> Any:
    """A module of another library.

    Raises:
        ValueError: if it is not there, with what to install.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = f" ({error})" if name.partition(".")[0] not in str(error) else ""
        raise ValueError(f"{package} must be installed: pip install {package}{missing}") from error


def named(module: Any, name: str, package: str) -> Any:
    """A class of another library.

    Raises:
        ValueError: if there is none of this name, with those that look like it.
    """
    known = {n: thing for n, thing in vars(module).items() if n[0].isupper() and callable(thing)}
    if name not in known:
        raise ValueError(
            f"method must be one of {package}'s ({network.near(name, known)}); got {name!r}"
        )
    return known[name]


def _require_classes(targets: NDArray[np.int64], classes: int) -> None:
    wrong = targets[(targets < 0) | (targets >= classes)]
    if len(wrong):
        raise ValueError(f"targets must lie in 0..{classes - 1}; got {wrong[0]}")
