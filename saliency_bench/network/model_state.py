"""The weights and settings of a model as they must be: changes are found bit for bit and undone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from saliency_bench.network.layer_settings import LayerSettings
from saliency_bench.network.trace import TRACING
from saliency_bench.protocols import ModelChanged


class ModelState:
    """The weights of a model, with those it must have now, and the settings of its layers.

    Args:
        model: any built Keras model.

    Attributes:
        untouched: the weights when this object was made, in the order of `model.variables`.
        expected: the weights that the model must have now.
    """

    def __init__(self, model: Any) -> None:
        self._variables = list(model.variables)
        self.untouched = [tf.identity(variable.value) for variable in self._variables]
        self.expected = self.untouched
        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in self.untouched]
        self._differs = tf.function(self._compare, autograph=False).get_concrete_function(specs)
        self._settings = LayerSettings(model)

    def path(self, position: int) -> str:
        """The name of a variable."""
        return str(self._variables[position].path)

    def assign(self, tensors: Mapping[int, Any]) -> None:
        """Set variables, by position."""
        # The raw operation: through Keras a small variable takes ten times as long.
        for position, tensor in tensors.items():
            handle = self._variables[position].value.handle
            tf.raw_ops.AssignVariableOp(resource=handle, value=tensor)

    def moved(self, since: list[Any]) -> set[int]:
        """Positions of the variables that differ in any bit from those tensors."""
        return {int(position) for position in np.flatnonzero(self._differs(since).numpy())}

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """A block that must leave weights and settings as they are; what it changes is undone.

        Raises:
            ModelChanged: if it changed any; an error of the block itself passes.
        """
        try:
            yield
        except BaseException:
            self.put_back()
            raise
        if changed := self.put_back():
            raise ModelChanged(changed)

    def put_back(self) -> list[str]:
        """Undo what differs from the expected weights and settings; returns its names."""
        moved = sorted(self.moved(self.expected))
        self.assign({position: self.expected[position] for position in moved})
        with TRACING:  # another thread may trace the model, and patches its layers meanwhile
            return [self.path(position) for position in moved] + self._settings.put_back()

    def _compare(self, since: list[Any]) -> Any:
        """`[variables]` bool: which variables differ from those tensors."""
        differ = [
            tf.reduce_any(_bits(variable.value) != _bits(before))
            for variable, before in zip(self._variables, since, strict=True)
        ]
        return tf.stack(differ) if differ else tf.zeros(0, tf.bool)


def _bits(tensor: Any) -> Any:
    """The tensor as integers of its size, which are equal if all bits are; bytes as they are."""
    sizes = {2: tf.int16, 4: tf.int32, 8: tf.int64}
    return tf.bitcast(tensor, sizes[tensor.dtype.size]) if tensor.dtype.size in sizes else tensor
