"""Compiled functions of many rows, evaluated a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from saliency_bench.network.forward import Body, Traced, compiled, passed, require_built
from saliency_bench.network.overrides import Rule
from saliency_bench.network.trace import input_shape
from saliency_bench.protocols import BLOCK, Floats, Ints, Output

_ROWS: ContextVar[int] = ContextVar("rows_at_once", default=BLOCK)
_FILL: ContextVar[bool] = ContextVar("fill", default=False)


def rows_at_once() -> int:
    """How many images, or image-sample pairs, are evaluated at once."""
    return _ROWS.get()


@contextmanager
def evaluating(batch_size: int) -> Iterator[None]:
    """Explainers bound inside evaluate `batch_size` rows at once, neither more nor fewer.

    A batch that is not full is filled up with copies of its last row: sums round alike in every
    batch of one size. Outside, fewer rows make a smaller batch.
    """
    rows, fill = _ROWS.set(batch_size), _FILL.set(True)
    try:
        yield
    finally:
        _ROWS.reset(rows)
        _FILL.reset(fill)


class Evaluations:
    """How many rows a model was evaluated on, those that fill a batch up included."""

    def __init__(self) -> None:
        self.rows = 0


_COUNTED: ContextVar[Evaluations | None] = ContextVar("counted", default=None)


@contextmanager
def counting() -> Iterator[Evaluations]:
    """Counts the rows that kernels evaluate inside the block."""
    evaluations = Evaluations()
    before = _COUNTED.set(evaluations)
    try:
        yield evaluations
    finally:
        _COUNTED.reset(before)


class Batches:
    """How many rows are evaluated at once, as was in force when this was made."""

    def __init__(self) -> None:
        self.rows = rows_at_once()
        self._fill = _FILL.get()

    def filled(self, rows: NDArray[Any]) -> NDArray[Any]:
        """A whole batch: `rows` and as many copies of the last one as are missing."""
        missing = self.missing(rows)
        return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing else rows

    def count(self, rows: NDArray[Any]) -> None:
        """A batch of these rows, filled up, is evaluated."""
        counted = _COUNTED.get()
        if counted is not None:
            counted.rows += len(rows) + self.missing(rows)

    def missing(self, rows: NDArray[Any]) -> int:
        """How many rows a whole batch has more than `rows`."""
        return self.rows - len(rows) if self._fill else 0


class Kernel:
    """A function of rows, compiled once for a model; it reads the model's live weights.

    Args:
        model: any built Keras model.
        body: what is computed from the forward pass.
        output: which output of the model is scored.
        rule: a change of what goes forward or comes back while the model is traced.

    Compiled when made if the model says its input shape, else on the first call; a fully
    convolutional model is compiled once per image size.

    Raises:
        ValueError: if the model is not built, or has no output that can be explained.
    """

    def __init__(
        self, model: Any, body: Body, output: Output = "logit", *, rule: Rule | None = None
    ) -> None:
        require_built(model)
        self._model, self._body = model, body
        self._output: Output = output
        self._rule = rule
        self._batches = Batches()
        self._classes = 0
        self._compiled: dict[tuple[int, ...], Any] = {}
        shape = input_shape(model)
        if shape is not None and None not in shape:
            self._function(tuple(size for size in shape if size is not None))

    @property
    def batch(self) -> int:
        """Rows that are evaluated at once."""
        return self._batches.rows

    def __call__(
        self, images: Floats, targets: Ints | None = None, *, keys: Ints | None = None
    ) -> NDArray[np.float32]:
        """Images `[N, H, W, C]` and targets `[N]` to N rows, `batch` of them at a time.

        It takes keys as every bound explainer does, and has no noise to seed with them.

        Raises:
            ValueError: if a target is not one of the model's classes.
        """
        function = self._function(images.shape[1:])
        columns = np.zeros(len(images)) if targets is None else np.asarray(targets)
        require_classes(columns, self._classes)
        chunks = [
            self._evaluated(function, images[start : start + self.batch], columns[start:])
            for start in range(0, len(images), self.batch)
        ]
        rows: NDArray[np.float32] = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
        return rows[: len(images)]

    def _evaluated(
        self, function: Any, images: Floats, columns: NDArray[Any]
    ) -> NDArray[np.float32]:
        self._batches.count(images)
        pixels, targets = map(self._batches.filled, (images, columns[: len(images)]))
        found: NDArray[np.float32] = function(
            tf.constant(pixels, tf.float32), tf.constant(targets, tf.int32)
        ).numpy()
        return found

    def _function(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._compiled:
            self._compiled[shape] = self._trace(shape)
        return self._compiled[shape]

    def _trace(self, shape: tuple[int, ...]) -> Any:
        def traced(images: Any, targets: Any) -> Any:
            seen = passed(self._model, images, self._output, self._rule)
            self._classes = seen.scores.shape[1]
            with seen.in_force():
                rows = self._body(Traced(images, targets, seen.scores, seen.calls))
            return tf.cast(rows, tf.float32)

        specs = tf.TensorSpec([None, *shape], tf.float32), tf.TensorSpec([None], tf.int32)
        return compiled(traced, specs)


def require_classes(targets: NDArray[Any], classes: int) -> None:
    """Raise `ValueError` if a target is not one of the model's classes."""
    if targets.min() < 0 or targets.max() >= classes:
        worst = targets[(targets < 0) | (targets >= classes)][0]
        raise ValueError(f"targets must lie in 0..{classes - 1}; got {worst}")
