"""A network behind an input shift that it takes back, and explainers that follow it there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from threading import Lock
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from saliency_bench.protocols import Bound, Explainer, Floats, Ints

BASELINES = ("baseline", "fill")
"""Settings of explainers that are an input to compare with, in model units."""


class Shifted(keras.Model):  # type: ignore[misc]
    """A model that subtracts a shift from its images, and then is another one.

    It has the layers and the weights of the other model, and no weight of its own: the shift is
    none, so that nothing redraws or hashes it. Behind the subtraction nothing differs, so it is
    exact for any padding, nested and subclassed models included.

    Args:
        model: any built Keras model.
        shape: `(H, W, C)` of the images.
    """

    def __init__(self, model: Any, shape: tuple[int, ...]) -> None:
        # It subtracts in float32, before the model casts its images to a smaller type.
        policy = model.dtype_policy
        super().__init__(name=f"{model.name}_behind_a_shift", dtype=policy, autocast=False)
        self.network = model
        shift = tf.Variable(tf.zeros(shape))
        self._shift = lambda: shift  # a variable that Keras does not see
        self(np.zeros((1, *shape), np.float32))

    def call(self, images: Any, training: Any = None) -> Any:
        """What the model returns for images `[N, H, W, C]` minus the shift."""
        return self.network(images - tf.cast(self._shift(), images.dtype), training=training)

    def take_back(self, shift: Floats) -> None:
        """Set the shift `[H, W, C]`, also for what was compiled for this model."""
        self._shift().assign(shift)


class Front:
    """What stands in front of a model: nothing, or a shift of its input.

    Attributes:
        model: the model, or what stands in its place now.
        shift: `[H, W, C]` that it takes back; 0 if there is none.
        baseline: what is added to the baselines of explainers now.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.shift: Floats = np.zeros((), np.float32)
        self.baseline = 0.0
        self._plain = model
        self._shifted: dict[tuple[int, ...], Shifted] = {}

    @contextmanager
    def behind(self, shift: Floats, baseline: float) -> Iterator[None]:
        """A block in which the model lies behind a shift."""
        shape = shift.shape
        if shape not in self._shifted:
            self._shifted[shape] = Shifted(self._plain, shape)
        self._shifted[shape].take_back(shift)
        self.model, self.shift, self.baseline = self._shifted[shape], shift, baseline
        try:
            yield
        finally:
            self.model, self.shift = self._plain, np.zeros((), np.float32)
            self.baseline = 0.0


class Following:
    """An explainer, bound to what stands in the place of a model whenever it is called.

    Args:
        explainer: is bound at once to the model itself, and later to what takes its place.
        front: of the model.
    """

    def __init__(self, explainer: Explainer, front: Front) -> None:
        self._explainer = explainer
        self._front = front
        self._bound: dict[tuple[int, Any], Bound] = {}
        self._lock = Lock()
        self._current()

    def __call__(
        self, images: Floats, targets: Ints, *, keys: Ints | None = None
    ) -> NDArray[np.float32]:
        """Maps of images `[N, H, W, C]` and targets `[N]`."""
        return self._current()(images, targets, keys=keys)

    def _current(self) -> Bound:
        model, explainer = self._front.model, self._explainer
        if self._front.baseline:
            explainer = with_baseline_shifted(explainer, self._front.baseline)
        key = id(model), None if explainer is self._explainer else self._front.baseline
        with self._lock:  # calls may run side by side
            if key not in self._bound:
                self._bound[key] = explainer.bind(model)
            return self._bound[key]


def with_baseline_shifted(explainer: Any, by: float) -> Any:
    """An explainer whose baseline, and that of its base, is shifted; itself if it has none.

    Args:
        explainer: settings in a dataclass, or anything else, which is returned.
        by: is added to the baseline, model units.
    """
    if not is_dataclass(explainer):
        return explainer
    changed: dict[str, Any] = {}
    for field in fields(explainer):
        value = getattr(explainer, field.name)
        if field.name in BASELINES:
            changed[field.name] = (np.asarray(value) + by).tolist()
        elif isinstance(value, Explainer):
            base = with_baseline_shifted(value, by)
            changed |= {field.name: base} if base is not value else {}
    return replace(explainer, **changed) if changed else explainer  # type: ignore[type-var]
