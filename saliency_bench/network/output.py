"""The explained output: the logit before a softmax or sigmoid, or a target output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from saliency_bench.network.bounds import bounds
from saliency_bench.network.fit import difference
from saliency_bench.network.trace import Call, input_shape, near
from saliency_bench.protocols import Output, one_line

_TRANSPARENT = frozenset({"Identity", "IdentityN", "Cast", "Reshape", "Squeeze", "StopGradient"})


@dataclass(frozen=True)
class ModelOutput:
    """The result of a model, from which a target output is computed inside a graph being traced.

    Attributes:
        value: what the model returned: a tensor, or a list or dict of them.
        calls: every layer execution, in order.
    """

    value: Any
    calls: Sequence[Call]

    def head(self, name: str | int | None = None) -> Any:
        """One of the model's outputs.

        Args:
            name: its key or index; None: the model's only output.

        Raises:
            ValueError: if there is no such output, or if there are several and `name` is None.
        """
        value = self.value
        if tf.is_tensor(value):
            if name is None:
                return value
            raise ValueError(f"head must be None, as the model has one output; got {name!r}")
        heads = dict(value) if isinstance(value, Mapping) else dict(enumerate(value))
        if name not in heads:
            raise ValueError(f"head must be one of {', '.join(map(str, heads))}; got {name!r}")
        return heads[name]

    def layer(self, name: str) -> Any:
        """The output of a layer's last execution; the layer may be nested.

        Raises:
            ValueError: if no layer has this name.
        """
        outputs = {call.layer.name: call.output for call in self.calls}
        if name not in outputs:
            raise ValueError(
                f"layer must be one of the model's ({near(name, outputs)}); got {name!r}"
            )
        return outputs[name]


def run(model: Any, images: Any) -> Any:
    """What a model returns for images `[N, H, W, C]`, inside a graph being traced.

    Raises:
        ValueError: if it cannot take such images.
    """
    shape = tuple(images.shape[1:])
    try:
        value = model(tf.cast(images, _input_dtype(model)), training=False)
    except (ValueError, tf.errors.InvalidArgumentError) as error:
        reason = difference(shape, input_shape(model)) or one_line(error, longest=160)
        raise ValueError(
            f"images must fit the model {model.name!r}: they are {shape}, {reason}"
        ) from error
    _require_floats(model, images)
    return value


def explained(result: ModelOutput, output: Output, model: str) -> Any:
    """Scores `[N, K]` in float32 or float64, inside a graph being traced.

    Args:
        result: what the model returned.
        output: the class logits, the model's own probabilities (of one raw logit its sigmoid), or
            a function of a `ModelOutput` that returns `[N]` or `[N, K]`.
        model: the model's name, for messages.

    Raises:
        ValueError: if the model has no such output, or if `output` is none of these.
    """
    if callable(output):
        return _own_scores(output(result), output)
    if output not in ("logit", "probability"):
        raise ValueError(f"output must be logit, probability or a target output; got {output!r}")
    value = result.value
    if not _is_matrix(value):
        raise ValueError(
            f"the model must end in one output [N, classes], or a target output must say what is "
            f"explained (output=...); {model!r} returns {_shape(value)}"
        )
    return logits(value) if output == "logit" else _probabilities(value)


def _require_floats(model: Any, images: Any) -> None:
    """Raise `ValueError` if the model cuts pixels to whole numbers, so that [0, 1] is black."""
    waiting = [images]
    while waiting:
        for op in waiting.pop().consumers():
            if op.type in _TRANSPARENT and op.outputs[0].dtype.is_integer:
                raise ValueError(
                    f"the model must compute with floats; {model.name!r} casts its images to "
                    f"{op.outputs[0].dtype.name}, which cuts pixels to whole numbers and has no "
                    "gradient: give it an input of float32"
                )
            waiting += op.outputs if op.type in _TRANSPARENT else ()


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
    """Class scores `[N, ..., K]` before the softmax or sigmoid that computed `scores`.

    The input of that operation is found by walking back through the graph. So the model may apply
    it as an activation, a layer or a function, at any nesting depth. One unit z has the two classes
    `[-z, z]`, with or without a sigmoid. The result is float32 or float64.

    Raises:
        ValueError: if the model's last operations lie in a closed graph, or if one unit gives a
            probability that no sigmoid at the end computes.
    """
    end = _last_operation(scores)
    squashed = end.type in {"Softmax", "LogSoftmax", "Sigmoid"}
    if scores.shape[-1] == 1 and not squashed:
        require_logits(scores)
    values = _reshape(end.inputs[0] if squashed else scores, scores)
    return tf.concat([-values, values], axis=-1) if scores.shape[-1] == 1 else values


def require_logits(scores: Any) -> Any:
    """Return scores, unless they are probabilities by the way they are computed.

    Raises:
        ValueError: if they are.
    """
    low, high = bounds(scores)
    if low >= 0 and high <= 1:
        raise ValueError(
            "the model must end in logits, or in a softmax or sigmoid that can be traced back to "
            "them; its scores are probabilities (an average of some?): output=probability explains "
            "those"
        )
    return scores


def _probabilities(scores: Any) -> Any:
    values = _reshape(scores, scores)
    if scores.shape[-1] != 1:
        return values
    low, high = bounds(scores)
    values = values if low >= 0 and high <= 1 else tf.sigmoid(values)
    return tf.concat([1 - values, values], axis=-1)


def _reshape(values: Any, scores: Any) -> Any:
    return tf.reshape(tf.cast(values, _at_least_float32(values.dtype)), tf.shape(scores))


def _is_matrix(value: Any) -> bool:
    return tf.is_tensor(value) and value.shape.rank == 2 and value.shape[1] is not None


def _last_operation(tensor: Any) -> Any:
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
