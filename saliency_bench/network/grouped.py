"""The gradient of a grouped convolution, which TensorFlow lacks on a CPU for some types.

Keras compiles a grouped convolution by itself, so that its gradient exists everywhere. A graph in
which functions are traced through, as all here are, holds the plain operation instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import tensorflow as tf

_GRADIENT = "SaliencyBenchGroupedConvolution"
_NAME = tf.compat.v1.AttrValue(s=_GRADIENT.encode())


def give_gradients(operations: Iterable[Any]) -> None:
    """Give the grouped convolutions without a gradient on this machine one, unless a rule has."""
    for op in operations:
        if not _is_grouped(op) or _has_gradient(op.outputs[0].dtype):
            continue
        if "_gradient_op_type" not in op.node_def.attr:
            op._set_attr("_gradient_op_type", _NAME)


def _is_grouped(op: Any) -> bool:
    if op.type != "Conv2D" or op.get_attr("data_format") != b"NHWC":
        return False
    channels, kernel = op.inputs[0].shape[-1], op.inputs[1].shape
    return None not in (channels, kernel[2]) and channels != kernel[2]


@cache
def _has_gradient(dtype: Any) -> bool:
    with tf.init_scope():
        ones = tf.ones([1, 1, 1, 2], dtype)
        try:
            tf.raw_ops.Conv2DBackpropInput(
                input_sizes=[1, 1, 1, 2], filter=ones, out_backprop=ones, strides=[1, 1, 1, 1],
                padding="VALID",
            )  # fmt: skip
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            return False
    return True


def _backward(op: Any, signal: Any) -> list[Any]:
    """The signal at the data; at the kernel, which no image changes, none."""
    data, kernel = op.inputs
    names = ("strides", "padding", "explicit_paddings", "data_format", "dilations")
    settings = {name: op.get_attr(name) for name in names}
    shape = tf.shape(data)
    groups = data.shape[-1] // kernel.shape[2]
    if kernel.shape[2] == 1 and set(settings["dilations"]) == {1}:
        alone = tf.reshape(kernel, [*kernel.shape[:2], groups, -1])
        return [
            tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=shape, filter=alone, out_backprop=signal, **settings
            ),
            None,
        ]
    size = tf.concat([shape[:-1], [kernel.shape[2]]], axis=0)
    pairs = zip(tf.split(kernel, groups, axis=3), tf.split(signal, groups, axis=3), strict=True)
    parts = [
        tf.raw_ops.Conv2DBackpropInput(input_sizes=size, filter=own, out_backprop=part, **settings)
        for own, part in pairs
    ]
    return [tf.concat(parts, axis=3), None]


tf.RegisterGradient(_GRADIENT)(_backward)
