"""The networks of the benchmarks, and the compiled functions that set the limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from saliency_bench.cli import process
from saliency_bench.protocols.processors import available

process.start_tensorflow(threads=1, cores=available(), deterministic=True)

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

Compiled = Callable[[Any, Any], Any]


def m1() -> Any:
    """28x28x1 CNN: two 5x5 convolutions of 32 and 64 filters, 1024 units; 3.3 M weights."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(1024, activation="relu"),
            layers.Dense(10),
        ]
    )


def m2() -> Any:
    """MobileNet, alpha 0.5, 128x128x3, 55 layers with weights, drawn at random."""
    shape = (128, 128, 3)
    return keras.applications.MobileNet(
        alpha=0.5, input_shape=shape, weights=None, classifier_activation=None
    )


NETWORKS = {"M1": m1, "M2": m2}


def data(model: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and targets for a model."""
    random = np.random.default_rng(0)
    images = random.random((count, *model.input_shape[1:]), dtype=np.float32)
    return images, random.integers(0, model.output_shape[-1], count)


def gradient_limit(model: Any) -> Any:
    """One compiled forward and input gradient, written by hand: the limit."""

    @tf.function
    def gradient(images: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(images)
            scores = tf.gather(model(images, training=False), targets, batch_dims=1)
        return tape.gradient(scores, images)

    return gradient


def forward_limit(model: Any) -> Compiled:
    """One compiled forward pass, written by hand: the limit of methods without gradients."""

    @tf.function
    def forward(images: Any, targets: Any) -> Any:
        return tf.gather(model(images, training=False), targets, batch_dims=1)

    return forward


def evaluated(limit: Compiled, images: np.ndarray, targets: np.ndarray, count: int) -> Any:
    """Work that evaluates `count` rows by a limit's function, a batch of `images` at a time."""
    tensors = tf.constant(images), tf.constant(targets.astype(np.int32))

    def work() -> None:
        for _ in range(count // len(images)):
            limit(*tensors).numpy()

    return work
