"""An explainer under test: bound to a model once, its maps and what it left behind."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import USUAL, Function, Method, checked
from saliency_bench.protocols import Bound, Explainer, Floats, Ints, Output
from saliency_bench.randomize import image_keys

Maps = NDArray[np.float32]


@runtime_checkable
class Binds(Protocol):
    """What can be bound to a model, whatever else it says of itself."""

    def bind(self, model: Any) -> Bound:
        """Compile for `model`."""
        ...


@dataclass(frozen=True)
class Bare(Method):
    """A function whose maps come as they are: what is wrong with them is for a property to say."""

    function: Callable[[Any, Floats, Ints], Floats]

    def bind(self, model: Any) -> Bound:
        """The function with its model."""

        def bound(images: Floats, targets: Ints, *, keys: Ints | None = None) -> Maps:
            maps = np.asarray(self.function(model, images, targets), np.float32)
            return maps[..., None] if maps.ndim == 3 else maps

        return bound


@dataclass(frozen=True)
class Head:
    """A last layer that makes the scores.

    Attributes:
        kernel: its variable `[..., K]`; one unit behind a sigmoid makes the scores of two classes.
        bias: its variable `[K]`.
        scores: images to the scores.
    """

    kernel: Any
    bias: Any
    scores: network.Kernel


@dataclass(frozen=True)
class Case:
    """An explainer, a model, images `[N, H, W, C]` and targets `[N]`.

    Attributes:
        explainer: what is tested.
        model: any built Keras model.
        images: `[N, H, W, C]`.
        targets: `[N]`.
        before: all that must be left alone, as it was before binding.
        bound: the explainer, bound before anything was changed.
    """

    explainer: Explainer
    model: Any
    images: NDArray[np.float32]
    targets: NDArray[np.int64]
    before: Mapping[str, Any]
    bound: Bound

    @staticmethod
    def of(explainer: Explainer, model: Any, images: Floats, targets: Ints) -> Case:
        """A case of checked data.

        Raises:
            NotApplicable: if the explainer cannot serve the model.
            ValueError: if images or targets have a wrong shape, type or value, or the model has
                no output that the explainer could explain.
        """
        images, targets = checked(images, targets)
        if len(images) < 2:
            raise ValueError(f"images must be at least 2; got {len(images)}")
        before = _state(model, images, targets)
        case = Case(explainer, model, images, targets, before, explainer.bind(model))
        if case.outputs is not None and case.targets.max() >= case.classes:
            raise ValueError(f"targets must lie in 0..{case.classes - 1}; got {case.targets.max()}")
        return case

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        """Seeds of each image's noise."""
        return image_keys(self.images)

    @cached_property
    def promises(self) -> frozenset[str]:
        """What the explainer says holds for it; one that is not ours promises what most do."""
        return frozenset(getattr(self.explainer, "promises", USUAL))

    @cached_property
    def first(self) -> tuple[Maps, list[str]]:
        """The maps of all images, and what binding and calling changed."""
        maps = self.bound(self.images, self.targets, keys=self.keys)
        after = _state(self.model, self.images, self.targets)
        return maps, [name for name, value in self.before.items() if value != after[name]]

    @property
    def maps(self) -> Maps:
        """Of all images, as explained the first time."""
        return self.first[0]

    def again(self, rows: Ints | slice = slice(None), *, shift: int = 0, keys: int = 0) -> Maps:
        """Maps of some images, of the next classes, or with other noise."""
        targets = self.targets[rows]
        targets = (targets + shift) % self.classes if shift else targets
        return self.bound(self.images[rows], targets, keys=self.keys[rows] + keys)

    @property
    def output(self) -> Output:
        """What is explained; the logit if the explainer does not say."""
        return _named_output(self.explainer) or "logit"

    @cached_property
    def scores(self) -> network.Kernel | None:
        """Images to what is explained, `[N, K]`; None if nobody says which output that is."""
        try:
            return network.Kernel(self.model, lambda traced: traced.scores, self.output)
        except ValueError:
            if _named_output(self.explainer) is not None:
                raise
            return None

    @cached_property
    def outputs(self) -> NDArray[np.float32] | None:
        """What is explained: `[N, K]` scores."""
        return None if self.scores is None else self.scores(self.images)

    @property
    def classes(self) -> int:
        """K; 0 if it is not known."""
        return 0 if self.outputs is None else int(self.outputs.shape[1])

    @cached_property
    def head(self) -> Head | None:
        """The last layer, if it has a kernel and a bias of the scores' size; else None."""
        if self.output != "logit" or self.scores is None:
            return None
        units = {self.classes, 1} if self.classes == 2 else {self.classes}
        variables = network.blocks(self.model)[0].variables
        kernels = [v for v in variables if len(v.shape) >= 2 and v.shape[-1] in units]
        biases = [v for v in variables if len(v.shape) == 1 and v.shape[0] in units]
        one = len(variables) == 2 and len(kernels) == len(biases) == 1
        return Head(kernels[0], biases[0], self.scores) if one else None

    @contextmanager
    def changed(self, values: Mapping[int, Any]) -> Iterator[None]:
        """The model with other values in some variables, by position; they come back."""
        variables = [self.model.variables[position] for position in values]
        with network.swapped(self.model, variables, list(values.values())):
            yield

    def position(self, variable: Any) -> int:
        """A variable's place in `model.variables`."""
        return next(i for i, own in enumerate(self.model.variables) if own is variable)


def under_test(explainer: Explainer | Callable[[Any, Floats, Ints], Floats]) -> Explainer:
    """An explainer as it is; a function, or one that was made an explainer, bare."""
    found: Any = explainer.function if isinstance(explainer, Function) else explainer
    return found if isinstance(found, Binds) else Bare(found)  # type: ignore[return-value]


def restored(model: Any) -> AbstractContextManager[None]:
    """On leaving, all weights are what they were on entering, whoever moved them."""
    values = [variable.numpy().copy() for variable in model.variables]
    return network.swapped(model, model.variables, values)


def deviation(found: Floats, expected: Floats) -> float:
    """The largest difference of rows `[N, ...]`, in units of the largest absolute value of each."""
    if np.shape(found) != np.shape(expected):
        return float("inf")
    found = np.asarray(found, np.float64).reshape(len(found), -1)
    expected = np.asarray(expected, np.float64).reshape(len(expected), -1)
    size = np.maximum(np.abs(found).max(axis=1), np.abs(expected).max(axis=1))
    worst = np.abs(found - expected).max(axis=1)
    rows = np.divide(worst, size, out=np.zeros(len(size)), where=size != 0)
    return float(np.nan_to_num(rows, nan=np.inf).max(initial=0))


def _named_output(explainer: Any) -> Output | None:
    """What an explainer says it explains, or the one that it wraps; None if neither does."""
    named: Output | None = getattr(explainer, "output", None)
    base = getattr(explainer, "base", None)
    return named if named is not None or base is None else _named_output(base)


def _state(model: Any, images: Maps, targets: NDArray[np.int64]) -> dict[str, Any]:
    """All that an explainer must leave as it was."""
    import keras
    from tensorflow.python.eager import context

    layers = model._flatten_layers()
    return {
        "weights": network.fingerprint(model),
        "layers": [(layer.trainable, sorted(vars(layer)), _settings(layer)) for layer in layers],
        "images": images.tobytes(),
        "targets": targets.tobytes(),
        "Python's random state": random.getstate(),
        "NumPy's random state": str(np.random.get_state()),  # noqa: NPY002
        "TensorFlow's seed": context.global_seed(),
        "Keras's settings": (keras.config.floatx(), keras.config.dtype_policy().name),
    }


def _settings(layer: Any) -> dict[str, Any]:
    """A layer's functions, such as its activation, and its plain values; Keras's own notes not."""
    plain = (bool, int, float, str)
    return {
        name: value
        for name, value in vars(layer).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, plain))
    }
