"""An explainer under test: bound to a model once, with its maps and its side effects."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.explainers.base import USUAL, Method, validate
from saliency_bench.explainers.foreign import Function
from saliency_bench.protocols import Bound, Explainer, Floats, Ints, Output
from saliency_bench.randomize import image_keys

Maps = NDArray[np.float32]


@runtime_checkable
class Bindable(Protocol):
    """Anything with a `bind`, whatever attributes it declares."""

    def bind(self, model: Any) -> Bound:
        """Compile for `model`."""
        ...


@dataclass(frozen=True)
class UncheckedFunction(Method):
    """A function whose maps are not checked here: the properties report what is wrong."""

    axioms: ClassVar[frozenset[str]] = USUAL - {"confinement"}

    function: Callable[[Any, Floats, Ints], Floats]

    def bind(self, model: Any) -> Bound:
        """Return the function with its model."""

        def explain(images: Floats, targets: Ints, *, keys: Ints | None = None) -> Maps:
            maps = np.asarray(self.function(model, images, targets), np.float32)
            return maps[..., None] if maps.ndim == 3 else maps

        return explain


@dataclass(frozen=True)
class Head:
    """The last layer, which computes the scores.

    Attributes:
        kernel: its variable `[..., K]`; K is 1 for a sigmoid unit, which scores two classes.
        bias: its variable `[K]`.
        scores: from images to scores.
    """

    kernel: Any
    bias: Any
    scores: network.Kernel


@dataclass(frozen=True)
class TestedExplainer:
    """An explainer with the model, images and targets that it is tested on.

    Attributes:
        explainer: what is tested.
        model: any built Keras model.
        images: `[N, H, W, C]`.
        targets: `[N]`.
        before: the state that must not change, taken before binding.
        bound: the explainer, bound to the unchanged model.
    """

    explainer: Explainer
    model: Any
    images: NDArray[np.float32]
    targets: NDArray[np.int64]
    before: Mapping[str, Any]
    bound: Bound

    @staticmethod
    def of(explainer: Explainer, model: Any, images: Floats, targets: Ints) -> TestedExplainer:
        """Validate the data and bind the explainer.

        Args:
            explainer: what is tested.
            model: any built Keras model.
            images: `[N, H, W, C]` float, model units; at least 2.
            targets: `[N]` int, the class to explain in each image.

        Raises:
            NotApplicable: if the explainer cannot serve the model.
            ValueError: if images or targets have a wrong shape, type or value, or the model has
                no output that the explainer can explain.
        """
        images, targets = validate(images, targets, model)
        if len(images) < 2:
            raise ValueError(f"images must be at least 2; got {len(images)}")
        before = _snapshot(model, images, targets)
        subject = TestedExplainer(explainer, model, images, targets, before, explainer.bind(model))
        worst = int(subject.targets.max())
        if subject.outputs is not None and worst >= subject.classes:
            raise ValueError(f"targets must lie in 0..{subject.classes - 1}; got {worst}")
        return subject

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        """Seeds of each image's noise."""
        return image_keys(self.images)

    @cached_property
    def axioms(self) -> frozenset[str]:
        """Names of the axioms that the explainer claims; those of most methods if it names none."""
        return frozenset(getattr(self.explainer, "axioms", USUAL - {"confinement"}))

    def reach(self, height: int, width: int) -> float:
        """The explainer's own `reach`; 0 if it declares none."""
        own = getattr(self.explainer, "reach", None)
        return 0.0 if own is None else float(own(height, width))

    @cached_property
    def first(self) -> tuple[Maps, list[str]]:
        """The maps of all images, and the names of what binding and calling changed."""
        maps = self.bound(self.images, self.targets, keys=self.keys)
        after = _snapshot(self.model, self.images, self.targets)
        return maps, [name for name, value in self.before.items() if value != after[name]]

    @property
    def maps(self) -> Maps:
        """The maps of all images, from the first call."""
        return self.first[0]

    def explain(self, rows: Ints | slice = slice(None), *, shift: int = 0, keys: int = 0) -> Maps:
        """Explain some images once more, for other classes or with other noise.

        Args:
            rows: which images.
            shift: is added to each target, modulo the number of classes.
            keys: is added to the seed of each image's noise.
        """
        targets = self.targets[rows]
        targets = (targets + shift) % self.classes if shift else targets
        return self.bound(self.images[rows], targets, keys=self.keys[rows] + keys)

    def behind_a_crop(self, frame: int) -> Maps:
        """The maps of the images in a frame of other images, which the network cuts off again.

        Args:
            frame: its width in pixels.
        """
        import keras

        sides = [(0, 0), (frame, frame), (frame, frame), (0, 0)]
        framed = np.pad(self.images, sides, mode="constant")
        others = np.pad(np.roll(self.images, 1, axis=0), sides, mode="symmetric")
        hidden = np.pad(np.zeros(self.images.shape, bool), sides, constant_values=True)
        images = np.where(hidden, others, framed)
        crop = keras.layers.Cropping2D(frame)
        model = keras.Sequential([keras.Input(images.shape[1:]), crop, self.model])
        return self.explainer.bind(model)(images, self.targets, keys=self.keys)

    @property
    def output(self) -> Output:
        """The explained output; the logit if the explainer does not say."""
        return _declared_output(self.explainer) or "logit"

    @cached_property
    def scores(self) -> network.Kernel | None:
        """From images to the explained output `[N, K]`; None if it is not known."""
        try:
            return network.Kernel(self.model, lambda traced: traced.scores, self.output)
        except ValueError:
            if _declared_output(self.explainer) is not None:
                raise
            return None

    @cached_property
    def outputs(self) -> NDArray[np.float32] | None:
        """The explained output of all images, `[N, K]`; None if it is not known."""
        return None if self.scores is None else self.scores(self.images)

    @property
    def classes(self) -> int:
        """Number of classes; 0 if it is not known."""
        return 0 if self.outputs is None else int(self.outputs.shape[1])

    @cached_property
    def head(self) -> Head | None:
        """The last layer, if it is one kernel and one bias of the scores' size; else None."""
        if self.output != "logit" or self.scores is None:
            return None
        units = {self.classes, 1} if self.classes == 2 else {self.classes}
        variables = network.blocks(self.model)[0].variables
        kernels = [v for v in variables if len(v.shape) >= 2 and v.shape[-1] in units]
        biases = [v for v in variables if len(v.shape) == 1 and v.shape[0] in units]
        one = len(variables) == 2 and len(kernels) == len(biases) == 1
        return Head(kernels[0], biases[0], self.scores) if one else None

    @contextmanager
    def change(self, values: Mapping[int, Any]) -> Iterator[None]:
        """Set variables, by position, inside the block; the old values come back afterwards."""
        variables = [self.model.variables[position] for position in values]
        with network.swapped(self.model, variables, list(values.values())):
            yield

    def position(self, variable: Any) -> int:
        """A variable's index in `model.variables`."""
        return next(i for i, own in enumerate(self.model.variables) if own is variable)


def as_explainer(explainer: Explainer | Callable[[Any, Floats, Ints], Floats]) -> Explainer:
    """Wrap a function, without the checks of `Function`; return any other explainer as it is."""
    given: Any = explainer.function if isinstance(explainer, Function) else explainer
    return given if isinstance(given, Bindable) else UncheckedFunction(given)  # type: ignore[return-value]


@contextmanager
def restored(model: Any) -> Iterator[None]:
    """A block after which weights and layers are as before it, whatever changed them."""
    state = network.ModelState(model)
    try:
        yield
    finally:
        state.put_back()


def deviation(actual: Floats, expected: Floats) -> float:
    """Largest difference between rows `[N, ...]`, relative to the row's largest absolute value."""
    if np.shape(actual) != np.shape(expected):
        return float("inf")
    actual = np.asarray(actual, np.float64).reshape(len(actual), -1)
    expected = np.asarray(expected, np.float64).reshape(len(expected), -1)
    size = np.maximum(np.abs(actual).max(axis=1), np.abs(expected).max(axis=1))
    worst = np.abs(actual - expected).max(axis=1)
    rows = np.divide(worst, size, out=np.zeros(len(size)), where=size != 0)
    return float(np.nan_to_num(rows, nan=np.inf).max(initial=0))


def _declared_output(explainer: Any) -> Output | None:
    """The `output` of an explainer or of the one it wraps; None if neither has one."""
    declared: Output | None = getattr(explainer, "output", None)
    base = getattr(explainer, "base", None)
    return declared if declared is not None or base is None else _declared_output(base)


def _snapshot(model: Any, images: Maps, targets: NDArray[np.int64]) -> dict[str, Any]:
    """The state that an explainer must not change, by name."""
    import keras
    from tensorflow.python.eager import context

    layers = model._flatten_layers()
    return {
        "weights": network.fingerprint(model),
        "layers": [(layer.trainable, _names(layer), _settings(layer)) for layer in layers],
        "images": images.tobytes(),
        "targets": targets.tobytes(),
        "Python's random state": random.getstate(),
        "NumPy's random state": str(np.random.get_state()),  # noqa: NPY002
        "TensorFlow's seed": context.global_seed(),
        "Keras's settings": (keras.config.floatx(), keras.config.dtype_policy().name),
    }


def _names(layer: Any) -> list[str]:
    return sorted(vars(layer).keys() - network.OF_TRAINING - {network.KEPT})


def _settings(layer: Any) -> dict[str, Any]:
    """A layer's functions, such as its activation, and simple values, without private ones."""
    simple = (bool, int, float, str)
    return {
        name: value
        for name, value in vars(layer).items()
        if not name.startswith("_")
        and name not in network.OF_TRAINING
        and (callable(value) or isinstance(value, simple))
    }
