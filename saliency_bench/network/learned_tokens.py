"""Layers of a transformer that hold learned tokens."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class _Learned(keras.layers.Layer):  # type: ignore[misc]
    """A layer with one weight, which begins as `initializer` says."""

    def __init__(self, initializer: Any = "truncated_normal", **settings: Any) -> None:
        super().__init__(**settings)
        self.initializer = keras.initializers.get(initializer)

    def get_config(self) -> dict[str, Any]:
        """The settings, for a file."""
        return {
            **super().get_config(),
            "initializer": keras.initializers.serialize(self.initializer),
        }


@keras.saving.register_keras_serializable("saliency_bench")
class ClassToken(_Learned):
    """Puts a learned token in front of tokens `[N, T, D]`."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the token."""
        self.token = self.add_weight((1, 1, shape[-1]), self.initializer, name="token")

    def call(self, tokens: Any) -> Any:
        """`[N, 1 + T, D]`."""
        token = ops.broadcast_to(self.token, (ops.shape(tokens)[0], 1, tokens.shape[-1]))
        return ops.concatenate([ops.cast(token, tokens.dtype), tokens], axis=1)


@keras.saving.register_keras_serializable("saliency_bench")
class Positions(_Learned):
    """Adds a learned vector for each position to tokens `[N, T, D]`."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the vectors."""
        self.vectors = self.add_weight((1, *shape[1:]), self.initializer, name="vectors")

    def call(self, tokens: Any) -> Any:
        """`[N, T, D]`."""
        return tokens + ops.cast(self.vectors, tokens.dtype)
