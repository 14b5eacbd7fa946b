"""Gradients and class activation maps in plain TensorFlow."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

Maps = np.ndarray


@contextlib.contextmanager
def linear_head(model: Any) -> Iterator[None]:
    """A block in which the model returns what its last softmax takes."""
    head = model.layers[-1]
    before = head.activation
    assert before is keras.activations.softmax
    head.activation = keras.activations.linear
    try:
        yield
    finally:
        head.activation = before


ROWS = 4
"""Rows evaluated at once, as an engine does: an image has the same bits alone and in a batch."""


def _picked(model: Any, images: Any, targets: Maps) -> Any:
    scores = tf.cast(model(images, training=False), tf.float64)
    return tf.gather(scores, targets, axis=1, batch_dims=1)


def gradient(model: Any, images: Maps, targets: Maps) -> Maps:
    """Of the target's logit by the image, `[N, H, W, C]`.

    Compiled, and in batches as the explainers' own, filled up likewise: otherwise sums round
    differently, which turns over a ReLU near 0, and in half precision many.
    """

    @tf.function
    def slopes(pixels: Any, chosen: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            scores = _picked(model, pixels, chosen)
        return tape.gradient(scores, pixels)

    parts = []
    with linear_head(model):
        for start in range(0, len(images), ROWS):
            own = np.minimum(np.arange(start, start + ROWS), len(images) - 1)
            parts.append(slopes(tf.constant(images[own]), tf.constant(targets[own])).numpy())
    return np.concatenate(parts)[: len(images)]


def integrated(model: Any, images: Maps, targets: Maps, steps: int) -> Maps:
    """Integrated gradients from black, by the midpoint rule."""
    places = (np.arange(steps, dtype=np.float32) + np.float32(0.5)) / np.float32(steps)
    points = places[:, None, None, None] * images[:, None]
    return mean_of_copies(model, points, targets) * images


def mean_of_copies(model: Any, copies: Maps, targets: Maps) -> Maps:
    """The mean gradient of copies `[N, S, H, W, C]` of each image."""
    many = gradient(
        model, copies.reshape(-1, *copies.shape[2:]), np.repeat(targets, copies.shape[1])
    )
    return many.reshape(copies.shape).mean(axis=1)


@contextlib.contextmanager
def _listening(model: Any, layer: str, change: Callable[[Any], Any]) -> Iterator[None]:
    """A block in which what a layer or an operation of the model returns passes `change`."""
    found = _named(model, layer)
    with mock.patch.object(type(found), "call", _for_one(found, change)):
        yield


def _for_one(found: Any, change: Callable[[Any], Any]) -> Any:
    original = type(found).call

    def changed(self: Any, *inputs: Any, **options: Any) -> Any:
        result = original(self, *inputs, **options)
        return change(result) if self is found else result

    return changed


def _named(model: Any, name: str) -> Any:
    """A layer, at any depth, or an operation outside of layers by its name in the graph."""
    found = [layer for layer in model._flatten_layers() if layer.name == name]
    if found:
        return found[0]
    kind, _, place = name.rpartition("/")[2].partition("_")
    same = [op for op in _operations(model) if type(op).__name__ == kind]
    return same[int(place or 0)]


def _operations(model: Any) -> Iterator[Any]:
    for operation in getattr(model, "operations", model.layers):
        yield operation
        if isinstance(operation, keras.Model):
            yield from _operations(operation)


def grad_cam(model: Any, images: Maps, targets: Maps, layer: str) -> Maps:
    """GradCAM's `[N, h, w]` of the named layer, with the ReLU (Selvaraju et al., 2017)."""
    seen = []

    with tf.GradientTape() as tape:

        def watch(features: Any) -> Any:
            tape.watch(features)
            seen.append(features)
            return features

        with linear_head(model), _listening(model, layer, watch):
            scores = _picked(model, tf.constant(images), targets)
    (features,) = seen
    weights = tf.reduce_mean(tape.gradient(scores, features), axis=[1, 2], keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * features, axis=-1)).numpy()


def decides_alone(model: Any, images: Maps, layer: str) -> bool:
    """Whether the scores depend on the images by what a layer returns only.

    If so, images whose features are exchanged exchange their scores.
    """
    scores = model(images, training=False).numpy()
    with _listening(model, layer, lambda features: features[::-1]):
        exchanged = model(images, training=False).numpy()
    return np.allclose(exchanged[::-1], scores, rtol=1e-3, atol=1e-5)


@contextlib.contextmanager
def counting_relus() -> Iterator[list[str]]:
    """A block that collects the names of the ReLUs that run in it."""
    seen: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        original = getattr(tf.nn, name)

        def run(*inputs: Any, **options: Any) -> Any:
            seen.append(name)
            return original(*inputs, **options)

        return run

    with contextlib.ExitStack() as stack:
        for name in ("relu", "relu6"):
            stack.enter_context(mock.patch.object(tf.nn, name, counted(name)))
        yield seen


def mixes_tokens(model: Any, images: np.ndarray) -> bool:
    """Whether a softmax other than that of the classes runs: one over more than `[N, K]`."""
    shape = tf.TensorSpec(images.shape, tf.float32)
    graph = tf.function(model).get_concrete_function(shape).graph
    return any(
        operation.type == "Softmax" and operation.outputs[0].shape.rank != 2
        for operation in graph.get_operations()
    )
