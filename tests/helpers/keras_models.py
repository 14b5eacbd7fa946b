"""Models and layers that are classes of one's own. Importing them starts TensorFlow."""

from __future__ import annotations

import keras
from keras import layers


class Subclassed(keras.Model):
    """Built on its first call; trains itself in a way of its own, if it is let."""

    def __init__(self, units=8):
        super().__init__()
        self.flat = keras.layers.Flatten()
        self.parts = [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(0.25)]
        self.head = keras.layers.Dense(2, activation="softmax")

    def call(self, images, training=None):
        hidden = self.flat(images)
        for part in self.parts:
            hidden = part(hidden, training=training)
        return self.head(hidden)

    def train_step(self, data):
        raise AssertionError


class Wrapped(keras.Model):
    def __init__(self, *parts):
        super().__init__()
        self.parts = list(parts)
        self.tail = [layers.Flatten(), layers.Dense(2)]

    def call(self, images, training=None):
        for part in [*self.parts, *self.tail]:
            images = part(images)
        return images


@keras.saving.register_keras_serializable(package="tests")
class Doubling(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


@keras.saving.register_keras_serializable(package="tests")
class ByHand(keras.layers.Layer):
    def call(self, logits):
        raised = keras.ops.exp(logits)
        return raised / keras.ops.sum(raised, axis=1, keepdims=True)


@keras.saving.register_keras_serializable(package="tests")
class Written(keras.Model):
    """Subclassed, so that a file says only that it was built, and for what shape."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.first, self.last = keras.layers.Conv2D(2, 3), keras.layers.Dense(3)

    def call(self, images):
        return self.last(keras.ops.mean(self.first(images), (1, 2)))
