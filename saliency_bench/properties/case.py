"""An explainer under test: bound to a model once, its maps and what it left behind."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import USUAL, checked
from saliency_bench.protocols import Bound, Explainer, Floats, Ints, Output
from saliency_bench.randomize import image_keys

Maps = NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """The variables that make the scores: kernel `[..., K]` and bias `[K]`."""

    kernel: Any
    bias: Any


@dataclass(frozen=True)
class Case:
    """An explainer, a model, images `[N, H, W, C]` and targets `[N]`."""

    explainer: Explainer
    model: Any
    images: NDArray[np.float32]
    targets: NDArray[np.int64]

    @staticmethod
    def of(explainer: Explainer, model: Any, images: Floats, targets: Ints) -> Case:
        """A case of checked data.

        Raises:
            ValueError: if images or targets have a wrong shape, type or value.
        """
        return Case(explainer, model, *checked(images, targets))

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        """Seeds of each image's noise."""
        return image_keys(self.images)

    @cached_property
    def promises(self) -> frozenset[str]:
        """What the explainer says holds for it; one that is not ours promises what most do."""
        return frozenset(getattr(self.explainer, "promises", USUAL))

    @cached_property
    def first(self) -> tuple[Bound, Maps, list[str]]:
        """The bound explainer, its maps, and what binding and calling it changed."""
        before = _state(self.model)
        bound = self.explainer.bind(self.model)
        maps = bound(self.images, self.targets, keys=self.keys)
        after = _state(self.model)
        return bound, maps, [name for name in before if before[name] != after.get(name)]

    @property
    def maps(self) -> Maps:
        """Of all images, as explained the first time."""
        return self.first[1]

    def again(self, rows: Ints | slice = slice(None), *, shift: int = 0, keys: int = 0) -> Maps:
        """Maps of some images, of the next classes, or with other noise."""
        targets = (self.targets[rows] + shift) % max(self.classes, 1)
        return self.first[0](self.images[rows], targets, keys=self.keys[rows] + keys)

    @property
    def output(self) -> Output:
        """What is explained; the logit if the explainer does not say."""
        named: Output = getattr(self.explainer, "output", "logit")
        return named

    @cached_property
    def outputs(self) -> NDArray[np.float32]:
        """What is explained: `[N, K]` scores."""
        return network.Kernel(self.model, lambda traced: traced.scores, self.output)(self.images)

    @property
    def classes(self) -> int:
        """K."""
        return int(self.outputs.shape[1])

    @cached_property
    def head(self) -> Head | None:
        """The last layer, if it makes the scores by a kernel and a bias; else None."""
        if self.output != "logit":
            return None
        variables = network.blocks(self.model)[0].variables
        kernels = [v for v in variables if len(v.shape) >= 2 and v.shape[-1] == self.classes]
        biases = [v for v in variables if tuple(v.shape) == (self.classes,)]
        one = len(variables) == len(kernels) + len(biases) == 2 and len(kernels) == 1
        return Head(kernels[0], biases[0]) if one else None

    @contextmanager
    def changed(self, values: Mapping[int, Any]) -> Iterator[None]:
        """The model with other values in some variables, by position; they come back."""
        variables = [self.model.variables[position] for position in values]
        with network.swapped(self.model, variables, list(values.values())):
            yield

    def position(self, variable: Any) -> int:
        """A variable's place in `model.variables`."""
        return next(i for i, own in enumerate(self.model.variables) if own is variable)

    def deviation(self, found: Floats, expected: Floats) -> float:
        """The largest difference, in units of the largest absolute value."""
        if np.shape(found) != np.shape(expected):
            return float("inf")
        found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
        size = max(float(np.abs(expected).max(initial=0)), float(np.abs(found).max(initial=0)))
        worst = float(np.abs(found - expected).max(initial=0))
        return worst / size if size > 0 else (0.0 if worst == 0 else float("inf"))


def _state(model: Any) -> dict[str, Any]:
    """All that an explainer must leave as it was."""
    import keras

    layers = model._flatten_layers()
    return {
        "weights": [variable.numpy().tobytes() for variable in model.variables],
        "trainable": [(layer.trainable, sorted(layer.__dict__)) for layer in layers],
        "Python's random state": random.getstate(),
        "NumPy's random state": str(np.random.get_state()),  # noqa: NPY002
        "Keras's settings": (keras.config.floatx(), keras.config.dtype_policy().name),
    }
