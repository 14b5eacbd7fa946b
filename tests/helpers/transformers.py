"""Small networks of tokens, with random weights. Importing them starts TensorFlow."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers, ops


class Special(layers.Layer):
    """Learned tokens in front of tokens `[N, T, D]`, or behind them."""

    def __init__(self, front=1, behind=0, **settings):
        super().__init__(**settings)
        self.counts = front, behind

    def build(self, shape):
        self.tokens = [
            self.add_weight(shape=(1, count, shape[-1]), initializer="random_normal", name=name)
            for count, name in zip(self.counts, ("front", "behind"), strict=True)
        ]

    def call(self, x):
        front, behind = (ops.tile(token, (ops.shape(x)[0], 1, 1)) for token in self.tokens)
        return ops.concatenate([front, x, behind], axis=1)


class Positions(layers.Layer):
    """A learned vector for each token, added to it."""

    def build(self, shape):
        self.table = self.add_weight(shape=(1, *shape[1:]), initializer="random_normal")

    def call(self, x):
        return x + self.table


class Fused(layers.Layer):
    """Attention of one kernel for queries, keys and values, with sizes that the graph computes."""

    def __init__(self, heads=2, **settings):
        super().__init__(**settings)
        self.heads = heads

    def build(self, shape):
        self.qkv, self.out = layers.Dense(3 * shape[-1]), layers.Dense(shape[-1])
        self.qkv.build(shape)
        self.out.build(shape)

    def call(self, x):
        batch, count, width = tf.shape(x)[0], tf.shape(x)[1], x.shape[-1]
        parts = tf.reshape(self.qkv(x), [batch, count, 3, self.heads, width // self.heads])
        q, k, v = tf.unstack(tf.transpose(parts, [2, 0, 3, 1, 4]))
        weights = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) * width**-0.5)
        mixed = tf.transpose(tf.matmul(weights, v), [0, 2, 1, 3])
        return self.out(tf.reshape(mixed, [batch, count, width]))


def attention(x, name, *, fused=False):
    """A layer's output for tokens: Keras's own attention, or `Fused`."""
    return Fused(name=name)(x) if fused else layers.MultiHeadAttention(2, 4, name=name)(x, x)


def block(x, name, *, fused=False):
    """Attention, then an MLP, both behind a normalisation and with a residual connection."""
    x = x + attention(
        layers.LayerNormalization(name=f"{name}_norm1")(x), f"{name}_mix", fused=fused
    )
    hidden = layers.Dense(12, activation="gelu")(layers.LayerNormalization()(x))
    return layers.Add(name=f"{name}_out")([x, layers.Dense(x.shape[-1])(hidden)])


def patch_tokens(images, width=8, patch=4):
    """`[N, T, D]` of patches, with the convolution `patches`."""
    x = layers.Conv2D(width, patch, strides=patch, name="patches")(images)
    return layers.Reshape((-1, width))(x)


READOUTS = {
    "class": lambda x: x[:, 0],
    "taken": lambda x: ops.take(x, 0, axis=1),
    "squeezed": lambda x: ops.squeeze(x[:, :1], axis=1),
    "split": lambda x: ops.split(x, [1], axis=1)[0][:, 0],
    "unstacked": lambda x: layers.Lambda(lambda y: tf.unstack(y, axis=1)[0])(x),
    "mean": lambda x: ops.mean(x, axis=1),
    "patches": lambda x: ops.mean(x[:, 1:], axis=1),
    "both": lambda x: ops.concatenate([x[:, 0], ops.mean(x[:, 1:], axis=1)], axis=-1),
}


def vit(
    shape=(16, 24, 3),
    readout="class",
    *,
    front=1,
    behind=0,
    depth=2,
    positions=True,
    fused=False,
):
    """A vision transformer of `depth` blocks, `b0` and so on, and the normalisation `norm`."""
    images = keras.Input(shape)
    x = Special(front, behind, name="special")(patch_tokens(images))
    x = Positions()(x) if positions else x
    for i in range(depth):
        x = block(x, f"b{i}", fused=fused)
    x = layers.LayerNormalization(name="norm")(x)
    return keras.Model(images, layers.Dense(3, name="head")(READOUTS[readout](x)))


class Subclassed(keras.Model):
    """A vision transformer without a graph of Keras tensors, of parts that are models."""

    def __init__(self, shape=(16, 24, 3)):
        super().__init__()
        tokens = keras.Input((1 + shape[0] * shape[1] // 16, 8))
        images = keras.Input(shape)
        self.embed = keras.Model(images, Special()(patch_tokens(images)), name="embed")
        self.blocks = [keras.Model(tokens, block(tokens, f"b{i}")) for i in range(2)]
        self.norm, self.head = layers.LayerNormalization(name="norm"), layers.Dense(3)

    def call(self, images):
        x = self.embed(images)
        for part in self.blocks:
            x = part(x)
        return self.head(self.norm(x)[:, 0])


def windows(x, size, *, grid=False):
    """`[N, H, W, C]` to windows `[N * windows, places, C]`, or to grids of places far apart."""
    _, height, width, channels = x.shape
    rows, columns = (height // size, size), (width // size, size)
    if grid:
        rows, columns = rows[::-1], columns[::-1]
    x = ops.reshape(x, (-1, *rows, *columns, channels))
    x = ops.transpose(x, (0, 2, 4, 1, 3, 5) if grid else (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, size * size, channels))


def unwindowed(x, size, height, width, *, grid=False):
    """The inverse of `windows`."""
    x = ops.reshape(x, (-1, height // size, width // size, size, size, x.shape[-1]))
    x = ops.transpose(x, (0, 3, 1, 4, 2, 5) if grid else (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, height, width, x.shape[-1]))


def window_block(x, name, size=2, *, shift=0, grid=False):
    """Attention inside windows of a map, which is shifted first and shifted back."""
    height, width = x.shape[1:3]
    y = layers.LayerNormalization(name=f"{name}_norm")(x)
    y = ops.roll(y, (-shift, -shift), (1, 2)) if shift else y
    y = attention(windows(y, size, grid=grid), f"{name}_mix")
    y = unwindowed(y, size, height, width, grid=grid)
    x = x + (ops.roll(y, (shift, shift), (1, 2)) if shift else y)
    hidden = layers.Dense(12, activation="gelu")(layers.LayerNormalization()(x))
    return layers.Add(name=f"{name}_out")([x, layers.Dense(x.shape[-1])(hidden)])


def merged(x, name):
    """Each 2x2 neighbours as one position of twice the channels."""
    parts = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
    x = layers.LayerNormalization()(ops.concatenate(parts, axis=-1))
    return layers.Dense(x.shape[-1] // 2, name=name)(x)


def swin(shape=(16, 32, 3)):
    """Windows, shifted windows, a merge of patches, and both again, on the maps `[N, h, w, C]`."""
    images = keras.Input(shape)
    x = layers.Conv2D(8, 2, strides=2, name="patches")(images)
    x = window_block(window_block(x, "a"), "b", shift=1)
    x = merged(x, "merge")
    x = window_block(window_block(x, "c"), "d", shift=1)
    x = layers.LayerNormalization(name="norm")(x)
    return keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def listed(x, name, size, *, width=2, shift=0):
    """A block of `swin` on a list of tokens: padded to full windows, shifted, with a mask."""
    height, columns = size
    full = [-(-side // width) * width for side in size]
    y = layers.LayerNormalization(name=f"{name}_norm")(x)
    y = ops.reshape(y, (-1, *size, x.shape[-1]))
    y = ops.pad(y, ((0, 0), (0, full[0] - height), (0, full[1] - columns), (0, 0)))
    y = ops.roll(y, (-shift, -shift), (1, 2)) if shift else y
    y = Masked(full[0] * full[1] // width**2, name=f"{name}_mix")(windows(y, width))
    y = unwindowed(y, width, *full)
    y = ops.roll(y, (shift, shift), (1, 2)) if shift else y
    y = ops.reshape(y[:, :height, :columns], (-1, height * columns, x.shape[-1]))
    return layers.Add(name=f"{name}_out")([x, y])


class Masked(layers.Layer):
    """Attention inside windows `[N * windows, places, C]`, with a mask for each window."""

    def __init__(self, count, **settings):
        super().__init__(**settings)
        self.count, self.kernel = count, layers.Dense(24)

    def build(self, shape):
        self.kernel.build(shape)
        self.mask = self.add_weight(shape=(1, self.count, 1, shape[1], shape[1]))

    def call(self, x):
        _, places, width = x.shape
        parts = ops.reshape(self.kernel(x), (-1, places, 3, 2, width // 2))
        q, k, v = ops.unstack(ops.transpose(parts, (2, 0, 3, 1, 4)))
        weights = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2)))
        weights = ops.reshape(weights, (-1, self.count, 2, places, places)) + self.mask
        weights = ops.softmax(ops.reshape(weights, (-1, 2, places, places)))
        mixed = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))
        return ops.reshape(mixed, (-1, places, width))


def listed_swin(shape=(16, 28, 3)):
    """Two blocks on lists of 4x7 tokens, of which windows of 2x2 do not fill the last column."""
    images = keras.Input(shape)
    x = listed(listed(patch_tokens(images), "a", (4, 7)), "b", (4, 7), shift=1)
    return keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


def maxvit(shape=(16, 32, 3)):
    """A convolution, then attention inside windows, then inside grids."""
    images = keras.Input(shape)
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="gelu")(images)
    x = window_block(window_block(x, "a"), "b", grid=True)
    return keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def convnext(shape=(16, 24, 3)):
    """A patchify stem, a depthwise block with LayerNorm, a downsampling, a block, a norm."""

    def residual(x, name):
        y = layers.DepthwiseConv2D(3, padding="same")(x)
        y = layers.Dense(16, activation="gelu")(layers.LayerNormalization()(y))
        return layers.Add(name=name)([x, layers.Dense(x.shape[-1])(y)])

    images = keras.Input(shape)
    x = residual(layers.LayerNormalization()(layers.Conv2D(8, 2, strides=2)(images)), "a")
    x = layers.Conv2D(8, 2, strides=2)(layers.LayerNormalization()(x))
    x = layers.GlobalAveragePooling2D()(residual(x, "b"))
    return keras.Model(images, layers.Dense(3)(layers.LayerNormalization(name="norm")(x)))


def class_attention(*, aside=False):
    """A class token that patches never see; `aside`: blocks of patches between its attentions."""
    images = keras.Input((16, 24, 3))
    x = patch_tokens(images)
    x = x if aside else block(block(x, "b0"), "b1")
    token = Special(1, 0)(x)[:, :1]
    for i in range(2):
        every = layers.LayerNormalization()(ops.concatenate([token, x], axis=1))
        token = token + layers.MultiHeadAttention(2, 4)(every[:, :1], every)
        x = block(x, f"aside{i}") if aside else x
    return keras.Model(images, layers.Dense(3)(layers.LayerNormalization()(token)[:, 0]))
