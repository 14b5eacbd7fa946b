"""One tiny transformer, written in the five ways people write Keras models, with equal weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from helpers.transformers import Positions, Special

SHAPE, CLASSES = (12, 12, 2), 3


class Block(layers.Layer):
    """Attention, then an MLP, both behind a normalisation and with a residual connection."""

    def build(self, shape: Any) -> None:
        self.norms = [layers.LayerNormalization() for _ in range(2)]
        self.attention = layers.MultiHeadAttention(2, 3)
        self.mlp = [layers.Dense(10, "gelu"), layers.Dense(shape[-1])]
        for norm in self.norms:
            norm.build(shape)
        self.attention.build(shape, shape)
        self.mlp[0].build(shape)
        self.mlp[1].build((*shape[:-1], 10))

    def call(self, x: Any) -> Any:
        y = self.norms[0](x)
        x = x + self.attention(y, y)
        return x + self.mlp[1](self.mlp[0](self.norms[1](x)))


class First(layers.Layer):
    """The class token."""

    def call(self, x: Any) -> Any:
        return x[:, 0]


def _parts(activation: str | None = None) -> dict[str, Any]:
    return {
        "patches": layers.Conv2D(6, 2, 2, name="patches"),
        "tokens": layers.Reshape((36, 6), name="tokens"),
        "special": Special(name="special"),
        "positions": Positions(name="positions"),
        "first": Block(name="first"),
        "second": Block(name="second"),
        "norm": layers.LayerNormalization(name="norm"),
        "read": First(name="read"),
        "head": layers.Dense(CLASSES, activation, name="head"),
    }


def _through(parts: list[Any], values: Any) -> Any:
    for part in parts:
        values = part(values)
    return values


def _sequential() -> tuple[Any, dict[str, Any]]:
    parts = _parts("softmax")
    return keras.Sequential([keras.Input(SHAPE), *parts.values()]), parts


def _functional() -> tuple[Any, dict[str, Any]]:
    parts, images = _parts(), keras.Input(SHAPE)
    return keras.Model(images, layers.Softmax()(_through([*parts.values()], images))), parts


def _nested() -> tuple[Any, dict[str, Any]]:
    parts, images = _parts(), keras.Input(SHAPE)
    every = [*parts.values()]
    backbone = keras.Model(images, _through(every[:6], images), name="backbone")
    images = keras.Input(SHAPE)
    inner = keras.Model(images, _through([backbone, *every[6:]], images), name="inner")
    images = keras.Input(SHAPE)
    return keras.Model(images, layers.Softmax()(inner(images))), parts


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.parts = dict(reversed(_parts().items()))

    def call(self, images: Any) -> Any:
        return tf.nn.softmax(_through([*reversed(self.parts.values())], images))


class Compiled(Subclassed):
    @tf.function
    def call(self, images: Any) -> Any:
        return super().call(images)


def build_transformer(kind: str) -> Any:
    """The transformer as a kind, freshly made."""
    made = {"sequential": _sequential, "functional": _functional, "nested": _nested}
    if kind in made:
        model, parts = made[kind]()
    else:
        model = {"subclassed": Subclassed, "tf_function": Compiled}[kind]()
        model(np.zeros((1, *SHAPE), np.float32))
        parts = model.parts
    random = np.random.default_rng(1)
    for name in _parts():
        weights = parts[name].get_weights()
        parts[name].set_weights([random.normal(0.1, 0.4, w.shape) for w in weights])
    return model
