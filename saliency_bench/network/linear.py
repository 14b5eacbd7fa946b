"""A linear map of a traced graph: a convolution with its bias and BatchNorm, a sum, a product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import tensorflow as tf

from saliency_bench.network.operations import ALONGSIDE, CORES, PADS, SHIFTS
from saliency_bench.network.overrides import rerun
from saliency_bench.network.path import Path


@dataclass(frozen=True)
class Chain:
    """Consecutive operations that form one affine map `z = W a + b`, with at most one kernel.

    Scales and shifts before and behind the kernel, such as BatchNorm's, are folded into it.

    Attributes:
        path: the path from images to scores that they lie on.
        operations: in execution order; each is the only consumer of the one before.
    """

    path: Path
    operations: tuple[Any, ...]

    @cached_property
    def core(self) -> Any:
        """The operation with the kernel; None if there is only a scale or shift."""
        return next((op for op in self.operations if op.type in CORES), None)

    @property
    def kind(self) -> str:
        """`kernel`, or `shift` if it has no kernel."""
        return "shift" if self.core is None else "kernel"

    @property
    def is_rectified(self) -> bool:
        """Whether only ReLUs read the output."""
        return _is_rectified(self.path, self.operations[-1])

    @property
    def entry(self) -> Any:
        """The operation at which the signal of the whole chain is sent back."""
        return self.operations[0] if self.core is None else self.core

    @cached_property
    def output(self) -> Any:
        """`z`, in the shape of the kernel's output."""
        top = self.operations[-1].outputs[0]
        if self.core is None or not any(op.type in ALONGSIDE for op in self._behind):
            return top
        raw = self.core.outputs[0]
        return tf.reshape(self._run(self._shifts, raw), tf.shape(raw))

    @cached_property
    def data(self) -> list[Any]:
        """`[a]`, with the zero padding that the kernel reads."""
        return [self._pad(self._input)]

    def like(self, value: float) -> list[Any]:
        """Constant data of this value, with the zero padding of `data`."""
        return [self._pad(tf.fill(tf.shape(self._input), tf.cast(value, self._input.dtype)))]

    @cached_property
    def weights(self) -> Any:
        """The kernel with scales folded into it; without a kernel the scale itself."""
        into, out = _scale(self.path, self._before), _scale(self.path, self._behind)
        if self.core is None:
            return self._one if out is None else out
        return _fold(self.core, self.core.inputs[self._kernel], into, out)

    @property
    def evenly(self) -> Any:
        """Weights of one."""
        return (
            tf.ones_like(self.output) if self._broadcasts else tf.constant(1.0, self.output.dtype)
        )

    @cached_property
    def bias(self) -> Any:
        """`b`: the output of the chain for zeros."""
        if any(op.type in SHIFTS for op in self._before):
            before = self._run(self._before, tf.zeros_like(self._input))
            raw = rerun(self.core, {self._place: before})
            return tf.reshape(self._run(self._shifts, raw), tf.shape(raw))
        return tf.reshape(self._run(self._shifts, tf.zeros_like(self._one)), self._one.shape)

    def __call__(self, data: Sequence[Any], weights: Any) -> Any:
        """`W a` for other data `[a]` and other weights."""
        (values,) = data
        if self.core is None:
            return values * weights
        return rerun(self.core, {self._place: values, self._kernel: weights})

    @property
    def _place(self) -> int:
        """Index of the kernel operation's data."""
        return self.path.data(self.core)[0]

    @property
    def _kernel(self) -> int:
        return 0 if self._place == 1 else 1

    @property
    def _broadcasts(self) -> bool:
        same = self._input.shape[1:].as_list() == self.output.shape[1:].as_list()
        return self.core is None and not same

    @property
    def _before(self) -> tuple[Any, ...]:
        return () if self.core is None else self.operations[: self.operations.index(self.core)]

    @property
    def _behind(self) -> tuple[Any, ...]:
        if self.core is None:
            return self.operations
        return self.operations[self.operations.index(self.core) + 1 :]

    @property
    def _shifts(self) -> list[Any]:
        return [op for op in self._behind if op.type in SHIFTS]

    @property
    def _input(self) -> Any:
        first = self.operations[0]
        return first.inputs[self.path.data(first)[0]]

    @property
    def _one(self) -> Any:
        """Ones `[1, ..., channels]`, one for each channel of the output."""
        if self._broadcasts:
            return tf.ones_like(self.output)
        raw = self.entry.outputs[0]
        return tf.ones([1] * (len(raw.shape) - 1) + [raw.shape[-1]], raw.dtype)

    def _pad(self, values: Any) -> Any:
        return self._run([op for op in self._before if op.type in PADS], values)

    def _run(self, operations: Sequence[Any], values: Any) -> Any:
        for op in operations:
            values = rerun(op, {self.path.data(op)[0]: values})
        return values


def _scale(path: Path, operations: Sequence[Any]) -> Any:
    """The product of the operations' scales; None if they only shift."""
    scale = None
    for op in operations:
        (index,) = path.data(op)
        if op.type in {"Mul", "RealDiv"}:
            scale = rerun(
                op, {index: tf.ones([], op.inputs[index].dtype) if scale is None else scale}
            )
        elif op.type == "Neg" or (op.type == "Sub" and index == 1):
            scale = -tf.ones([], op.inputs[index].dtype) if scale is None else -scale
    return scale


def _fold(core: Any, kernel: Any, into: Any, out: Any) -> Any:
    """Multiply a kernel with scales of its channels.

    Args:
        core: the operation with the kernel.
        kernel: its kernel.
        into: scale of the input channels; None: 1.
        out: scale of the output channels; None: 1.
    """
    turned = {"MatMul": "transpose_b", "BatchMatMulV2": "adj_y"}.get(core.type)
    transposed = core.type == "Conv2DBackpropInput" or (turned and core.get_attr(turned))
    if into is not None:
        flat = tf.reshape(into, [-1])
        kernel *= flat if transposed else flat[:, None]
    if out is None:
        return kernel
    flat = tf.reshape(out, [-1])
    if core.type == "DepthwiseConv2dNative":
        outputs = kernel.shape[2] * kernel.shape[3]
        return kernel * tf.reshape(tf.broadcast_to(flat, [outputs]), kernel.shape[2:])
    return kernel * (flat[:, None] if transposed else flat)


@dataclass(frozen=True)
class Blend:
    """An operation without a kernel: a sum, a mean, or a product of two tensors of data.

    Attributes:
        path: the path from images to scores that it lies on.
        entry: the operation.
        kind: `blend` if it adds up values with constant weights, `product` if it multiplies.
    """

    path: Path
    entry: Any
    kind: Literal["blend", "product"] = "blend"

    @property
    def output(self) -> Any:
        """The output of the operation."""
        return self.entry.outputs[0]

    @property
    def is_rectified(self) -> bool:
        """Whether only ReLUs read the output."""
        return _is_rectified(self.path, self.entry)

    @cached_property
    def data(self) -> list[Any]:
        """The inputs that depend on the images; those that it subtracts are negated."""
        inputs = [self.entry.inputs[index] for index in self.path.data(self.entry)]
        return [inputs[0], *map(self._sign, inputs[1:])]

    def like(self, value: float) -> list[Any]:
        """Constant data of this value."""
        return [tf.fill(tf.shape(tensor), tf.cast(value, tensor.dtype)) for tensor in self.data]

    @property
    def weights(self) -> Any:
        """1, a factor: the operation's own weights are constants."""
        return tf.constant(1.0, self.output.dtype)

    evenly = weights

    @property
    def bias(self) -> Any:
        """0: there is no bias."""
        return tf.constant(0.0, self.output.dtype)

    def __call__(self, data: Sequence[Any], weights: Any) -> Any:
        """The operation on other data, times the factor `weights`."""
        first, *others = data
        indices = self.path.data(self.entry)
        inputs = dict(zip(indices, [first, *map(self._sign, others)], strict=True))
        return weights * rerun(self.entry, inputs)

    def _sign(self, tensor: Any) -> Any:
        return -tensor if self.entry.type == "Sub" else tensor


Linear = Chain | Blend


def _is_rectified(path: Path, op: Any) -> bool:
    consumers = path.consumers(op.outputs[0])
    return bool(consumers) and all(other.type in {"Relu", "Relu6"} for other in consumers)
