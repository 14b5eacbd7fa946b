"""The sizes of a model's feature maps, which a coarse map may have."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from saliency_bench.network.forward import compile_graph
from saliency_bench.network.geometry.layout import grid_of
from saliency_bench.network.geometry.tensors import Geometry
from saliency_bench.network.path import Path

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
            self._sizes[shape] = set() if self._model is None else self._trace(shape)
        return self._sizes[shape]

    def _trace(self, shape: tuple[int, ...]) -> set[Size]:
        sizes: set[Size] = set()

        def trace(images: Any) -> Any:
            value = self._model(images, training=False)
            path = Path(images, tf.nest.flatten(value)[0], [])
            geometry = Geometry(path)
            tensors = (tensor for op in path.dependent for tensor in op.outputs)
            sizes.update(grid for t in tensors if (grid := grid_of(geometry.axes(t), shape)))
            return value

        compile_graph(trace, (tf.TensorSpec([None, *shape], tf.float32),))
        return sizes
