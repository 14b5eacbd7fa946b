"""What a network itself does to its input before the first weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from saliency_bench.network.batches import Kernel
from saliency_bench.network.forward import Traced
from saliency_bench.network.output import ModelOutput
from saliency_bench.network.trace import ancestors, input_shape

_SMALL_STEP, _LARGE_SHIFT = 0.05, 10.0


def rescales_bytes(model: Any) -> bool:
    """Whether a network begins with steps that bring pixels from [0, 255] to the size of 1.

    Such steps are a `Rescaling(1 / 255)`, a `Normalization` or the arithmetic of a
    `preprocess_input`, at any nesting depth. They are measured: what an input of zeros and one of
    ones become where they first meet a weight. Other networks, and those that cannot be measured,
    do not.

    Args:
        model: any built Keras model.
    """
    shape = input_shape(model)
    if shape is None:
        return False
    height, width, channels = (size or 64 for size in shape)
    probes = np.zeros((2, height, width, channels), np.float32)
    probes[1] = 1
    try:
        zeros, ones = Kernel(model, _before_weights, _all_outputs)(probes)
    except ValueError:  # no single output, or a network that cannot be run: others tell
        return False
    step = np.abs(ones - zeros).mean()
    return bool(0 < step < _SMALL_STEP or (step > 0 and np.abs(zeros).mean() > _LARGE_SHIFT))


def _all_outputs(output: ModelOutput) -> Any:
    """`[B]` a number that depends on every output of a model."""
    rows = [tf.cast(tensor, tf.float32) for tensor in tf.nest.flatten(output.value)]
    return tf.add_n([tf.reduce_sum(tf.reshape(r, [tf.shape(r)[0], -1]), axis=1) for r in rows])


def _before_weights(traced: Traced) -> Any:
    """`[B, values]` the data of the first operation that has a weight."""
    path = traced.path
    for op in path.operations:
        data = path.data(op)
        others = [tensor for place, tensor in enumerate(op.inputs) if place not in data]
        if any(_reads_variable(tensor) for tensor in others):
            values = op.inputs[data[0]]
            return tf.reshape(values, [tf.shape(traced.images)[0], -1])
    return tf.zeros_like(traced.scores)


def _reads_variable(tensor: Any) -> bool:
    graph = tensor.graph
    kinds = (graph.get_operation_by_name(name).type for name in ancestors(tensor))
    return any(kind in ("ReadVariableOp", "ResourceGather") for kind in kinds)
