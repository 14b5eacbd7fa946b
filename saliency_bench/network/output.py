"""The explained output: the logit, found behind a softmax or sigmoid in the traced graph."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from saliency_bench.protocols import Output

_TRANSPARENT = frozenset({"Identity", "IdentityN", "Cast", "Reshape", "Squeeze", "StopGradient"})


def logits(model: Any, images: Any, output: Output = "logit") -> Any:
    """Class scores `[N, K]` float32 of `images` `[N, H, W, C]`, inside a graph being traced.

    Walks from the model's output back to the softmax (or sigmoid) that made it and takes that
    operation's input, so it does not matter how the model wrote it: a fused activation, a layer,
    a plain function, at any nesting depth. A one-unit sigmoid model has the two classes
    `[-z, z]`. With `output="probability"` the model's own output is returned.

    Raises:
        ValueError: if the model does not end in one tensor `[N, K]`, or its end cannot be seen.
    """
    scores = model(tf.cast(images, _input_dtype(model)), training=False)
    if not tf.is_tensor(scores) or scores.shape.rank != 2 or scores.shape[1] is None:
        raise ValueError(
            f"the model must end in one output [N, classes]; "
            f"{model.name!r} returns {_shape(scores)}"
        )
    end = _end(scores)
    if _is_closed(end):
        raise ValueError(
            f"the model must end in a softmax, a sigmoid or in logits that can be traced; "
            f"{model.name!r} ends in a closed graph ({end.type})"
        )
    squashed = end.type in {"Softmax", "LogSoftmax", "Sigmoid"}
    values = end.inputs[0] if squashed and output == "logit" else scores
    values = tf.reshape(tf.cast(values, _at_least_float32(values.dtype)), tf.shape(scores))
    if scores.shape[1] == 1 and end.type == "Sigmoid":
        negative = -values if output == "logit" else 1 - values
        return tf.concat([negative, values], axis=1)
    return values


def _end(tensor: Any) -> Any:
    while tensor.op.type in _TRANSPARENT:
        tensor = tensor.op.inputs[tensor.value_index]
    return tensor.op


def _is_closed(op: Any) -> bool:
    """Whether the operation calls a graph of its own: a function, a loop, a branch."""
    attributes = op.node_def.attr.values()
    return any(a.HasField("func") or len(a.list.func) for a in attributes)


def _input_dtype(model: Any) -> Any:
    return tf.float64 if model.dtype_policy.compute_dtype == "float64" else tf.float32


def _at_least_float32(dtype: Any) -> Any:
    return tf.float64 if dtype == tf.float64 else tf.float32


def _shape(value: Any) -> str:
    return str(tuple(value.shape)) if tf.is_tensor(value) else f"a {type(value).__name__}"
