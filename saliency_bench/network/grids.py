"""The sizes of a model's feature maps, which a coarse map may have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from saliency_bench.network.forward import compile_graph

Size = tuple[int, int]
"""Height and width."""


class Grids:
    """Tells which sizes the maps of a model may have.

    The model is traced once per image size, when a map has another size than its image.

    Args:
        model: any built Keras model; None: no size but the image's.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._sizes: dict[tuple[int, ...], set[Size]] = {}

    def fit(self, maps: tuple[int, ...], images: tuple[int, ...]) -> bool:
        """Whether maps are shaped as the images, or `[N, h, w, 1]` with a size of the model.

        Args:
            maps: shape of the maps.
            images: shape of the images, `[N, H, W, C]`.
        """
        if maps == images:
            return True
        if len(maps) != 4 or maps[0] != images[0] or maps[3] != 1:
            return False
        return maps[1:3] == images[1:3] or maps[1:3] in self.sizes(images[1:])

    def sizes(self, shape: tuple[int, ...]) -> set[Size]:
        """The sizes of all feature maps of images of `shape` `(H, W, C)`, tokens included."""
        if shape not in self._sizes:
            self._sizes[shape] = set() if self._model is None else set(self._trace(shape))
        return self._sizes[shape]

    def _trace(self, shape: tuple[int, ...]) -> Iterator[Size]:
        spec = tf.TensorSpec([None, *shape], tf.float32)
        traced = compile_graph(lambda images: self._model(images, training=False), (spec,))
        for operation in traced.graph.get_operations():
            for tensor in operation.outputs:
                sizes = tensor.shape.as_list() if tensor.shape.rank else [0]
                # Weights have a known first axis, batches of features have not.
                if sizes[0] is None and None not in sizes[1:]:
                    yield from _sizes(operation, sizes[1:], shape)


def _sizes(operation: Any, sizes: list[int], shape: tuple[int, ...]) -> Iterator[Size]:
    if len(sizes) == 3:
        channels_first = _has_channels_first(operation)
        yield (sizes[1], sizes[2]) if channels_first else (sizes[0], sizes[1])
    elif len(sizes) == 2:
        # Tokens `[N, T, D]`, row by row, perhaps behind one that stands for the class.
        for count in (sizes[0], sizes[0] - 1):
            height = max(1, round(math.sqrt(count * shape[0] / shape[1])))
            if count % height == 0:
                yield height, count // height


def _has_channels_first(operation: Any) -> bool:
    try:
        return bool(operation.get_attr("data_format") == b"NCHW")
    except ValueError:  # it has no such attribute
        return False
