"""A Keras model as the checks and the engine see it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from saliency_bench.network.batches import Kernel, evaluating
from saliency_bench.network.forward import Traced
from saliency_bench.network.output import require_logits
from saliency_bench.network.weights import fingerprint
from saliency_bench.protocols import BLOCK, Floats, Output, ProofError


class KerasNetwork:
    """A model with its outputs, a copy of its weights, and changes to them that are proven.

    Args:
        model: any built Keras model; its weights are the same afterwards, bit for bit.
        batch_size: rows evaluated at once.
        output: what is explained.

    Raises:
        ValueError: if the model has no logit that can be explained, or no weights.
    """

    def __init__(self, model: Any, *, batch_size: int = BLOCK, output: Output = "logit") -> None:
        if not model.variables:
            raise ValueError(f"the model must be built and have weights; {model.name!r} has none")
        self.model = model
        self._change = (0, 0)
        self._drawn: tuple[Hashable, dict[int, NDArray[Any]]] = (None, {})
        with evaluating(batch_size):
            self._outputs = Kernel(model, _logits if output == "logit" else _scores, output)
        self._variables = list(model.variables)
        self._untouched = [tf.identity(variable.value) for variable in self._variables]
        self._differs = tf.function(self._compare).get_concrete_function()

    def outputs(self, images: Floats) -> NDArray[np.float32]:
        """The explained output `[N, K]` of images `[N, H, W, C]`, with the current weights."""
        return self._outputs(images)

    def fingerprint(self) -> str:
        """Hash of the current weights."""
        return fingerprint(self.model)

    def evidence(self) -> dict[str, int]:
        """Number of variables that are changed now, and of those whose new value is the old one."""
        return dict(zip(("variables_changed", "variables_exempt"), self._change, strict=True))

    def once(
        self, condition: Hashable, draw: Callable[[Any], dict[int, NDArray[Any]]]
    ) -> dict[int, NDArray[Any]]:
        """`draw(model)`, called once for all consecutive uses of a condition."""
        if self._drawn[0] != condition:
            self._drawn = (None, {})  # frees the old values before the new ones are made
            self._drawn = condition, draw(self.model)
        return self._drawn[1]

    @contextmanager
    def changed(self, values: Mapping[int, NDArray[Any]]) -> Iterator[None]:
        """Set variables by position in `model.variables`, and prove that exactly these change.

        A variable whose new value is a constant that it already holds is exempt, and counted.

        Raises:
            ProofError: if a named variable does not change, if another one does, or if afterwards
                the weights are not the old ones bit for bit.
        """
        if self._differs().numpy().any():
            raise ProofError("the weights must be untouched before a change; some differ")
        exempt = {p for p, value in values.items() if self._holds_constant(p, value)}
        try:
            self._assign({p: tf.constant(v, self._untouched[p].dtype) for p, v in values.items()})
            moved = {int(position) for position in np.flatnonzero(self._differs().numpy())}
            self._prove(moved, set(values) - exempt)
            self._change = (len(moved), len(exempt))
            yield
        finally:
            self._change = (0, 0)
            self._assign({position: self._untouched[position] for position in values})
            if self._differs().numpy().any():
                raise ProofError("the weights did not come back bit for bit")

    def _assign(self, tensors: Mapping[int, Any]) -> None:
        # The raw operation: through Keras a small variable takes ten times as long.
        for position, tensor in tensors.items():
            handle = self._variables[position].value.handle
            tf.raw_ops.AssignVariableOp(resource=handle, value=tensor)

    def _prove(self, moved: set[int], named: set[int]) -> None:
        for position in sorted(moved ^ named):
            path = self._variables[position].path
            what = "should change but did not" if position in named else "changed but was not named"
            raise ProofError(f"the variable {path!r} {what}")

    def _holds_constant(self, position: int, value: NDArray[Any]) -> bool:
        return value.size == 0 or (
            bool(value.flat[0] == value.flat[-1] and (value == value.flat[0]).all())
            and np.array_equal(value, self._untouched[position].numpy())
        )

    def _compare(self) -> Any:
        """`[variables]` bool: which variables differ from the untouched ones in any bit."""
        return tf.stack(
            [
                tf.reduce_any(_bits(variable.value) != _bits(before))
                for variable, before in zip(self._variables, self._untouched, strict=True)
            ]
        )


def _scores(traced: Traced) -> Any:
    return traced.scores


def _logits(traced: Traced) -> Any:
    return require_logits(traced.scores)


def _bits(tensor: Any) -> Any:
    sizes = {2: tf.int16, 4: tf.int32, 8: tf.int64}
    return tf.bitcast(tensor, sizes[tensor.dtype.size]) if tensor.dtype.size in sizes else tensor
