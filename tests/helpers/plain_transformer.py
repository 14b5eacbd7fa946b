"""One tiny vision transformer, written in three ways with equal weights, and its plain relevance.

`Plain` is the reference: TensorFlow alone, every rule written with `tf.stop_gradient`, so that the
gradient that comes back is relevance over value. Importing this module starts TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

SIDE, CHANNELS, PATCH, WIDTH, HEADS, HIDDEN, CLASSES = 8, 2, 4, 8, 2, 16, 3
TOKENS = (SIDE // PATCH) ** 2
EACH = WIDTH // HEADS
EPSILON = 1e-3
KINDS = ("functional", "nested", "subclassed")

SHAPES = {
    "embed/kernel": (PATCH, PATCH, CHANNELS, WIDTH), "embed/bias": (WIDTH,),
    "token": (1, 1, WIDTH), "place": (1, TOKENS + 1, WIDTH),
    **{f"{norm}/{part}": (WIDTH,) for norm in ("one", "two", "last") for part in ("gamma", "beta")},
    **{f"{name}/kernel": (WIDTH, WIDTH) for name in ("query", "key", "value", "out")},
    **{f"{name}/bias": (WIDTH,) for name in ("query", "key", "value", "out")},
    "up/kernel": (WIDTH, HIDDEN), "up/bias": (HIDDEN,),
    "down/kernel": (HIDDEN, WIDTH), "down/bias": (WIDTH,),
    "head/kernel": (WIDTH, CLASSES), "head/bias": (CLASSES,),
}  # fmt: skip
SOURCES = tuple(n for n in SHAPES if n.endswith(("bias", "beta", "token", "place")))
"""Parameters that are added, and so have relevance of their own."""


def drawn(seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights; no bias, embedding or scale is trivial."""
    rng = np.random.default_rng(seed)
    return {
        name: (rng.normal(0, 0.5, shape) + name.endswith("gamma")).astype(np.float32)
        for name, shape in SHAPES.items()
    }


class Tokens(layers.Layer):
    """A class token before the patches, and an embedding of every place."""

    def build(self, shape):
        self.token = self.add_weight(shape=SHAPES["token"], name="token")
        self.place = self.add_weight(shape=(1, shape[1] + 1, shape[-1]), name="place")

    def call(self, patches):
        size = keras.ops.shape(patches)
        token = keras.ops.broadcast_to(self.token, (size[0], 1, size[-1]))
        return keras.ops.concatenate([token, patches], axis=1) + self.place

    def compute_output_shape(self, shape):
        return shape[0], shape[1] + 1, shape[2]


class Written(keras.Model):
    """Attention, normalisation and everything else by hand."""

    def __init__(self):
        super().__init__()
        self.own = {
            name: self.add_weight(shape=shape, name=name.replace("/", "_"))
            for name, shape in SHAPES.items()
        }

    def normal(self, values, name):
        values = values - tf.reduce_mean(values, -1, keepdims=True)
        variance = tf.reduce_mean(values * values, -1, keepdims=True)
        scaled = values / tf.sqrt(variance + EPSILON)
        return scaled * self.own[f"{name}/gamma"] + self.own[f"{name}/beta"]

    def dense(self, values, name):
        return (
            tf.einsum("btd,de->bte", values, self.own[f"{name}/kernel"]) + self.own[f"{name}/bias"]
        )

    def heads(self, values, name):
        apart = tf.reshape(self.dense(values, name), [-1, TOKENS + 1, HEADS, EACH])
        return tf.transpose(apart, [0, 2, 1, 3])

    def attention(self, values):
        query, key, value = (self.heads(values, name) for name in ("query", "key", "value"))
        weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) / EACH**0.5)
        mixed = tf.transpose(weights @ value, [0, 2, 1, 3])
        return self.dense(tf.reshape(mixed, [-1, TOKENS + 1, WIDTH]), "out")

    def call(self, images):
        own = self.own
        patches = tf.nn.conv2d(images, own["embed/kernel"], PATCH, "VALID") + own["embed/bias"]
        patches = tf.reshape(patches, [-1, TOKENS, WIDTH])
        token = tf.tile(own["token"], [tf.shape(images)[0], 1, 1])
        hidden = tf.concat([token, patches], 1) + own["place"]
        hidden = hidden + self.attention(self.normal(hidden, "one"))
        up = self.dense(self.normal(hidden, "two"), "up")
        gelu = 0.5 * up * (1 + tf.math.erf(up / 2**0.5))
        hidden = hidden + self.dense(gelu, "down")
        last = self.normal(hidden, "last")[:, 0]
        return last @ own["head/kernel"] + own["head/bias"]


def _parts() -> dict[str, Any]:
    norm = partial(layers.LayerNormalization, epsilon=EPSILON)
    return {
        "embed": layers.Conv2D(WIDTH, PATCH, strides=PATCH, name="embed"),
        "flat": layers.Reshape((TOKENS, WIDTH)),
        "tokens": Tokens(name="tokens"),
        "one": norm(name="one"),
        "attention": layers.MultiHeadAttention(HEADS, EACH, name="attention"),
        "two": norm(name="two"),
        "up": layers.Dense(HIDDEN, activation="gelu", name="up"),
        "down": layers.Dense(WIDTH, name="down"),
        "last": norm(name="last"),
        "head": layers.Dense(CLASSES, name="head"),
    }


def _encoder(parts: dict[str, Any], tokens: Any) -> Any:
    normed = parts["one"](tokens)
    tokens = tokens + parts["attention"](normed, normed)
    return tokens + parts["down"](parts["up"](parts["two"](tokens)))


def _of_layers(*, nested: bool) -> tuple[Any, dict[str, Any]]:
    parts = _parts()
    images = keras.Input((SIDE, SIDE, CHANNELS))
    tokens = parts["tokens"](parts["flat"](parts["embed"](images)))
    if nested:
        inside = keras.Input((TOKENS + 1, WIDTH))
        tokens = keras.Model(inside, _encoder(parts, inside), name="encoder")(tokens)
    else:
        tokens = _encoder(parts, tokens)
    model = keras.Model(images, parts["head"](parts["last"](tokens)[:, 0]))
    if nested:
        outside = keras.Input((SIDE, SIDE, CHANNELS))
        model = keras.Model(outside, layers.Softmax()(model(outside)))
    return model, parts


def _give(parts: dict[str, Any], own: dict[str, np.ndarray]) -> None:
    for name in ("embed", "one", "two", "up", "down", "last", "head"):
        parts[name].set_weights([own[key] for key in SHAPES if key.startswith(f"{name}/")])
    parts["tokens"].set_weights([own["token"], own["place"]])
    into = [
        own[f"{name}/{part}"].reshape([WIDTH, HEADS, EACH] if part == "kernel" else [HEADS, EACH])
        for name in ("query", "key", "value")
        for part in ("kernel", "bias")
    ]
    out = [own["out/kernel"].reshape(HEADS, EACH, WIDTH), own["out/bias"]]
    parts["attention"].set_weights([*into, *out])


def transformer(kind: str, own: dict[str, np.ndarray]) -> Any:
    """The network, written in this way, with these weights."""
    if kind == "subclassed":
        model = Written()
        model(np.zeros((1, SIDE, SIDE, CHANNELS), np.float32))
        model.set_weights([own[name] for name in SHAPES])
        return model
    model, parts = _of_layers(nested=kind == "nested")
    _give(parts, own)
    return model


@dataclass(frozen=True)
class Plain:
    """Relevance of one image by a modified gradient, in TensorFlow alone.

    Attributes:
        own: the weights.
        halves: whether both factors of a product get half, and a softmax its gradient; else
            attention weights are constants.
    """

    own: dict[str, np.ndarray]
    halves: bool

    def __call__(
        self, image: np.ndarray, target: int
    ) -> tuple[np.ndarray, dict[str, float], float]:
        """Relevance `[H, W, C]` of an image, that of every other source, and the logit."""
        own = {name: tf.constant(value) for name, value in self.own.items()}
        pixels = tf.constant(image[None])
        with tf.GradientTape() as tape:
            tape.watch([pixels, own])
            logit, scores, weights = self._forward(pixels, own)
            logit = logit[0, target]
        by = [pixels, {name: own[name] for name in SOURCES}, scores, weights]
        slopes = tape.gradient(logit, by, unconnected_gradients="zero")
        shares = [tf.reduce_sum(v * s) for v, s in zip(by[2:], slopes[2:], strict=True)]
        sources = {name: float(tf.reduce_sum(own[name] * slopes[1][name])) for name in SOURCES}
        # What a softmax takes in is less than what it was given: its Taylor series has a constant.
        return (pixels * slopes[0])[0].numpy(), {
            **sources, "softmax": float(shares[1] - shares[0]) if self.halves else 0.0,
        }, float(logit)  # fmt: skip

    def _half(self, product: Any) -> Any:
        """The product, with half its gradient."""
        return product / 2 + tf.stop_gradient(product / 2) if self.halves else product

    def _attention(self, values: Any, own: dict[str, Any]) -> tuple[Any, Any, Any]:
        def dense(tensor: Any, name: str) -> Any:
            return tensor @ own[f"{name}/kernel"] + own[f"{name}/bias"]

        def heads(name: str) -> Any:
            return tf.stack(tf.split(dense(values, name), HEADS, axis=-1), axis=1)

        query, key, value = map(heads, ("query", "key", "value"))
        scores = self._half(tf.einsum("bhid,bhjd->bhij", query, key))
        weights = tf.nn.softmax(scores / EACH**0.5)
        if not self.halves:
            weights = tf.stop_gradient(weights)
        mixed = self._half(tf.einsum("bhij,bhjd->bhid", weights, value))
        mixed = tf.concat(tf.unstack(mixed, axis=1), axis=-1)
        return dense(mixed, "out"), scores, weights

    def _forward(self, pixels: Any, own: dict[str, Any]) -> tuple[Any, Any, Any]:
        def normal(values: Any, name: str) -> Any:
            centred = values - tf.reduce_mean(values, axis=-1, keepdims=True)
            variance = tf.math.reduce_variance(values, axis=-1, keepdims=True)
            factor = tf.stop_gradient(tf.math.rsqrt(variance + EPSILON))
            return centred * factor * own[f"{name}/gamma"] + own[f"{name}/beta"]

        patches = tf.nn.conv2d(pixels, own["embed/kernel"], PATCH, "VALID") + own["embed/bias"]
        patches = tf.reshape(patches, [1, TOKENS, WIDTH])
        hidden = tf.concat([own["token"], patches], 1) + own["place"]
        mixed, scores, weights = self._attention(normal(hidden, "one"), own)
        hidden = hidden + mixed
        up = normal(hidden, "two") @ own["up/kernel"] + own["up/bias"]
        passed = up * tf.stop_gradient(tf.nn.gelu(up, approximate=False) / up)
        hidden = hidden + passed @ own["down/kernel"] + own["down/bias"]
        logits = normal(hidden, "last")[:, 0] @ own["head/kernel"] + own["head/bias"]
        return logits, scores, weights
