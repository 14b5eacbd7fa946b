"""The explained output: the logit behind a softmax or sigmoid in the graph, or one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from saliency_bench.network.trace import Call, near
from saliency_bench.protocols import Output

_TRANSPARENT = frozenset({"Identity", "IdentityN", "Cast", "Reshape", "Squeeze", "StopGradient"})


@dataclass(frozen=True)
class ModelOutput:
    """What a target output is computed from, inside a graph being traced.

    Attributes:
        value: whatever the model returned: a tensor, or a list or dict of them.
        calls: every layer execution, in order.
    """

    value: Any
    calls: Sequence[Call]

    def head(self, name: str | int | None = None) -> Any:
        """One of a model's outputs, by its key or place; None if there is but one.

        Raises:
            ValueError: if there is no such output, or there are several and none is named.
        """
        value = self.value
        if tf.is_tensor(value):
            if name is None:
                return value
            raise ValueError(f"head must be left out, the model has one output; got {name!r}")
        heads = dict(value) if isinstance(value, Mapping) else dict(enumerate(value))
        if name not in heads:
            raise ValueError(f"head must be one of {', '.join(map(str, heads))}; got {name!r}")
        return heads[name]

    def layer(self, name: str) -> Any:
        """The output of a layer, at any depth, when it ran last.

        Raises:
            ValueError: if no layer is called `name`.
        """
        outputs = {call.layer.name: call.output for call in self.calls}
        if name not in outputs:
            raise ValueError(
                f"layer must be one of the model's ({near(name, outputs)}); got {name!r}"
            )
        return outputs[name]


def explained(model: Any, images: Any, output: Output, calls: Sequence[Call]) -> Any:
    """Scores `[N, K]` float32 of `images` `[N, H, W, C]`, inside a graph being traced.

    Args:
        model: any built Keras model.
        images: `[N, H, W, C]`.
        output: the class logits, the model's own probabilities, or a function of a `ModelOutput`
            that returns `[N]` or `[N, K]`.
        calls: where the model's layer executions are recorded.

    Raises:
        ValueError: if the model has no such output.
    """
    value = model(tf.cast(images, _input_dtype(model)), training=False)
    if callable(output):
        return _own_scores(output(ModelOutput(value, calls)), output)
    if not _is_matrix(value):
        raise ValueError(
            f"the model must end in one output [N, classes], or a target output must say what is "
            f"explained (output=...); {model.name!r} returns {_shape(value)}"
        )
    return logits(value) if output == "logit" else _probabilities(value)


def _own_scores(scores: Any, output: Any) -> Any:
    scores = tf.convert_to_tensor(scores)
    if scores.shape.rank == 1:
        scores = scores[:, None]
    if not _is_matrix(scores) or not scores.dtype.is_floating:
        raise ValueError(
            f"a target output must return floats [N] or [N, K]; {output!r} returns {_shape(scores)}"
        )
    return tf.cast(scores, _at_least_float32(scores.dtype))


def logits(scores: Any) -> Any:
    """Class scores `[N, ..., K]` before the softmax or sigmoid that made `scores`.

    Walks back from a model's output in the graph and takes that operation's input, so it does not
    matter how the model wrote it: a fused activation, a layer, a plain function, at any nesting
    depth. A one-unit sigmoid has the two classes `[-z, z]`. At least float32.

    Raises:
        ValueError: if the end of the model cannot be seen.
    """
    end = _open_end(scores)
    squashed = end.type in {"Softmax", "LogSoftmax", "Sigmoid"}
    values = _shaped(end.inputs[0] if squashed else scores, scores)
    return tf.concat([-values, values], axis=-1) if _is_one_sigmoid(scores, end) else values


def _probabilities(scores: Any) -> Any:
    values = _shaped(scores, scores)
    one = _is_one_sigmoid(scores, _open_end(scores))
    return tf.concat([1 - values, values], axis=-1) if one else values


def _shaped(values: Any, scores: Any) -> Any:
    return tf.reshape(tf.cast(values, _at_least_float32(values.dtype)), tf.shape(scores))


def _is_one_sigmoid(scores: Any, end: Any) -> bool:
    return bool(scores.shape[-1] == 1 and end.type == "Sigmoid")


def _is_matrix(value: Any) -> bool:
    return tf.is_tensor(value) and value.shape.rank == 2 and value.shape[1] is not None


def _open_end(tensor: Any) -> Any:
    end = _end(tensor)
    if _is_closed(end):
        raise ValueError(
            f"the model must end in a softmax, a sigmoid or in logits that can be traced; "
            f"it ends in a closed graph ({end.type})"
        )
    return end


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
