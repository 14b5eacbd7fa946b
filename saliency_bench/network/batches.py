"""Compiled functions of many images, evaluated a batch at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from saliency_bench.network.forward import (
    Body,
    ForwardPass,
    Traced,
    compile_graph,
    forward_pass,
    require_built,
)
from saliency_bench.network.overrides import Rule
from saliency_bench.network.trace import TRACING, input_shape
from saliency_bench.protocols import BLOCK, Floats, Ints, Output, interrupts

_ROWS: ContextVar[int] = ContextVar("rows_at_once", default=BLOCK)
_FILL: ContextVar[bool] = ContextVar("fill", default=False)


def rows_at_once() -> int:
    """Number of images, or of samples of images, that are evaluated at once."""
    return _ROWS.get()


@contextmanager
def evaluating(batch_size: int, *, full: bool = True) -> Iterator[None]:
    """Explainers bound inside the block evaluate `batch_size` rows at once.

    Args:
        batch_size: most rows.
        full: whether fewer rows are filled up with copies of the last one, because sums round
            differently in batches of different size. Outside the block they are not.
    """
    rows, fill = _ROWS.set(batch_size), _FILL.set(full)
    try:
        yield
    finally:
        _ROWS.reset(rows)
        _FILL.reset(fill)


class Evaluations:
    """Number of rows on which a model was evaluated, including those that fill up a batch."""

    def __init__(self) -> None:
        self.rows = 0
        self._lock = Lock()

    def add(self, rows: int) -> None:
        """Count so many more; threads may do so at the same time."""
        with self._lock:
            self.rows += rows


_EVALUATIONS: ContextVar[Evaluations | None] = ContextVar("evaluations", default=None)


@contextmanager
def counting() -> Iterator[Evaluations]:
    """Count the rows that kernels evaluate inside the block."""
    evaluations = Evaluations()
    before = _EVALUATIONS.set(evaluations)
    try:
        yield evaluations
    finally:
        _EVALUATIONS.reset(before)


@dataclass(frozen=True)
class Batches:
    """The batch size of `evaluating`, as it is when this object is made.

    Attributes:
        rows: evaluated at once.
        full: whether a smaller batch is filled up.
    """

    rows: int = field(default_factory=rows_at_once)
    full: bool = field(default_factory=_FILL.get)

    def fill(self, rows: NDArray[Any]) -> NDArray[Any]:
        """A full batch: `rows`, then as many copies of the last row as are missing."""
        missing = self.missing(rows)
        return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing else rows

    def count(self, rows: int) -> None:
        """Count so many rows as evaluated.

        Raises:
            KeyboardInterrupt: if an interrupt has arrived; other threads than the main one learn of
                it here.
        """
        interrupts.ask()
        evaluations = _EVALUATIONS.get()
        if evaluations is not None:
            evaluations.add(rows)

    def missing(self, rows: NDArray[Any]) -> int:
        """Number of rows that `rows` lacks to a full batch."""
        return self.rows - len(rows) if self.full else 0


class CompiledFunction(ABC):
    """A function of rows, traced once per size of images; it reads the model's current weights.

    It is traced in the constructor if the model states its input shape, else on the first call. A
    subclass sets what `_compute` reads before it calls this constructor.

    Args:
        model: any built Keras model.
        output: which output of the model is scored.
        rule: a change of the forward or backward pass while the model is traced.

    Attributes:
        batches: how rows are divided into batches.

    Raises:
        NotApplicable: if the rule cannot serve the model.
        ValueError: if the model is not built, or has no output that can be explained.
    """

    row: ClassVar[Any]
    """The type of what comes with each image: its specification, a row of a batch."""

    def __init__(self, model: Any, output: Output = "logit", rule: Rule | None = None) -> None:
        require_built(model)
        self._model, self._rule = model, rule
        self._output: Output = output
        self._classes = 0
        self._compiled: dict[tuple[int, ...], Any] = {}
        self.batches = Batches()
        shape = input_shape(model)
        if shape is not None and None not in shape:
            self._function(tuple(size for size in shape if size is not None))

    @property
    def batch(self) -> int:
        """Rows that are evaluated at once."""
        return self.batches.rows

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """`(H, W, C)` of images for which it is compiled."""
        return tuple(self._compiled)

    @abstractmethod
    def _compute(self, images: Any, own: Any, forward: ForwardPass) -> Any:
        """The rows, inside the graph.

        Args:
            images: `[B, H, W, C]`.
            own: `[B, ...]`, what comes with each image.
            forward: the forward pass; its rule is in force.
        """

    def graph(self, shape: tuple[int, ...]) -> Any:
        """The graph for images of `shape` `(H, W, C)`."""
        return self._function(shape).graph

    def _function(self, shape: tuple[int, ...]) -> Any:
        """The compiled function for images of `shape` `(H, W, C)`."""
        if shape not in self._compiled:
            with TRACING:
                if shape not in self._compiled:  # another thread may have been first
                    self._compiled[shape] = self._trace(shape)
        return self._compiled[shape]

    def _trace(self, shape: tuple[int, ...]) -> Any:
        def trace(images: Any, own: Any) -> Any:
            result = forward_pass(self._model, images, self._output, self._rule)
            self._classes = result.scores.shape[1]
            with result.in_force():
                rows = self._compute(images, own, result)
            return tf.cast(rows, tf.float32)

        return compile_graph(trace, (tf.TensorSpec([None, *shape], tf.float32), self.row))


class Kernel(CompiledFunction):
    """A function of images and targets, compiled once for a model.

    Args:
        model: any built Keras model.
        body: what is computed from the forward pass.
        output: which output of the model is scored.
        rule: a change of the forward or backward pass while the model is traced.

    Raises:
        NotApplicable: if the rule cannot serve the model.
        ValueError: if the model is not built, or has no output that can be explained.
    """

    row: ClassVar[Any] = tf.TensorSpec([None], tf.int32)

    def __init__(
        self, model: Any, body: Body, output: Output = "logit", *, rule: Rule | None = None
    ) -> None:
        self._body = body
        super().__init__(model, output, rule)

    def __call__(
        self, images: Floats, targets: Ints | None = None, *, keys: Ints | None = None
    ) -> NDArray[np.float32]:
        """Images `[N, H, W, C]` and targets `[N]` to N rows, `batch` of them at a time.

        Args:
            images: `[N, H, W, C]` float, model units.
            targets: `[N]` int; default: 0 for each image.
            keys: ignored, as there is no noise; every bound explainer takes them.

        Raises:
            ValueError: if a target is not one of the model's classes.
        """
        columns = np.zeros(len(images)) if targets is None else np.asarray(targets)
        chunks = [
            self._evaluate(images[start : start + self.batch], columns[start : start + self.batch])
            for start in range(0, len(images), self.batch)
        ]
        rows: NDArray[np.float32] = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
        return rows[: len(images)]

    def at(self, inputs: Any, targets: Ints) -> Any:
        """The rows of one batch of inputs that is full already, a tensor.

        Args:
            inputs: `[B, H, W, C]`.
            targets: at most B; as many copies of the last one as are missing are added.

        Raises:
            ValueError: if a target is not one of the model's classes.
        """
        self.batches.count(len(inputs))
        function = self._function(tuple(inputs.shape[1:]))
        require_classes(targets, self._classes)
        return function(inputs, tf.constant(self.batches.fill(targets), tf.int32))

    def _evaluate(self, images: Floats, targets: NDArray[Any]) -> NDArray[np.float32]:
        pixels = tf.constant(self.batches.fill(images), tf.float32)
        rows: NDArray[np.float32] = self.at(pixels, targets).numpy()
        return rows

    def _compute(self, images: Any, own: Any, forward: ForwardPass) -> Any:
        return self._body(Traced(images, own, forward))


def require_classes(targets: NDArray[Any], classes: int) -> None:
    """Raise `ValueError` if a target is not one of the model's classes."""
    if targets.min() < 0 or targets.max() >= classes:
        worst = targets[(targets < 0) | (targets >= classes)][0]
        raise ValueError(f"targets must lie in 0..{classes - 1}; got {worst}")
