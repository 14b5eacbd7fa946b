"""Compiled functions of many rows, evaluated a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from saliency_bench.network.output import logits
from saliency_bench.network.trace import Call, inlined, input_shape, recorded
from saliency_bench.protocols import BLOCK, Floats, Ints, NotApplicable, Output

_ROWS: ContextVar[int] = ContextVar("rows_at_once", default=BLOCK)
_FILL: ContextVar[bool] = ContextVar("fill", default=False)


@dataclass(frozen=True)
class Traced:
    """The tensors of one traced forward pass.

    Attributes:
        images: `[B, H, W, C]`.
        targets: `[B]`.
        scores: `[B, K]` of all classes.
        calls: every layer execution, in order.
    """

    images: Any
    targets: Any
    scores: Any
    calls: list[Call]

    @property
    def target_scores(self) -> Any:
        """`[B]` the score of each row's target class."""
        return tf.gather(self.scores, self.targets, batch_dims=1)


Body = Callable[[Traced], Any]
"""What a kernel returns of a forward pass: one tensor of B rows."""


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


class Kernel:
    """A function of rows, compiled once for a model; it reads the model's live weights.

    Args:
        model: any built Keras model.
        body: what is computed from the forward pass.
        output: which output of the model is scored.
        rule: a change of the backward pass, in force while the forward pass is traced.

    Compiled when made if the model says its input shape, else on the first call; a fully
    convolutional model is compiled once per image size.

    Raises:
        ValueError: if the model is not built, or has no output that can be explained.
    """

    def __init__(
        self,
        model: Any,
        body: Body,
        output: Output = "logit",
        *,
        rule: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        if not model.built:
            raise ValueError(f"the model must be built: call it once; {model.name!r} is not")
        self._model = model
        self._body = body
        self._output: Output = output
        self._rule = rule
        self._classes = 0
        self._compiled: dict[tuple[int, ...], Any] = {}
        self.batch = rows_at_once()
        self._fill = _FILL.get()
        shape = input_shape(model)
        if shape is not None and None not in shape:
            self._function(tuple(size for size in shape if size is not None))

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
        if columns.min() < 0 or columns.max() >= self._classes:
            worst = columns[(columns < 0) | (columns >= self._classes)][0]
            raise ValueError(f"targets must lie in 0..{self._classes - 1}; got {worst}")
        chunks = [
            function(
                tf.constant(self._filled(images[start : start + self.batch]), tf.float32),
                tf.constant(self._filled(columns[start : start + self.batch]), tf.int32),
            ).numpy()
            for start in range(0, len(images), self.batch)
        ]
        rows: NDArray[np.float32] = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
        return rows[: len(images)]

    def _filled(self, rows: NDArray[Any]) -> NDArray[Any]:
        """A whole batch: `rows` and as many copies of the last one as are missing."""
        missing = self.batch - len(rows) if self._fill else 0
        return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing else rows

    def _function(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._compiled:
            self._compiled[shape] = self._trace(shape)
        return self._compiled[shape]

    def _trace(self, shape: tuple[int, ...]) -> Any:
        refusals: list[Exception] = []

        def traced(images: Any, targets: Any) -> Any:
            try:
                with recorded(self._model) as calls, self._rule():
                    scores = logits(self._model, images, self._output)
                self._classes = scores.shape[1]
                return tf.cast(self._body(Traced(images, targets, scores, calls)), tf.float32)
            except (NotApplicable, ValueError) as refusal:
                refusals.append(refusal)
                raise

        specs = (tf.TensorSpec([None, *shape], tf.float32), tf.TensorSpec([None], tf.int32))
        try:
            with inlined():
                return tf.function(traced).get_concrete_function(*specs)
        except Exception:
            # Autograph wraps what a traced function raises; the caller needs the plain refusal.
            if refusals:
                raise refusals[-1] from None
            raise
