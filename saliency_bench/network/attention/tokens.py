"""The tokens of a traced model: the attention between them, their places, how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import tensorflow as tf

from saliency_bench.network.attention.chain import attention_chain
from saliency_bench.network.attention.matrices import Weighting
from saliency_bench.network.attention.patches import Patches, patches
from saliency_bench.network.attention.reading import Reading, Readings
from saliency_bench.network.attention.stream import Stream
from saliency_bench.network.feature_maps import take
from saliency_bench.network.forward import Traced
from saliency_bench.network.geometry.tensors import Geometry
from saliency_bench.protocols import NotApplicable


@dataclass(frozen=True)
class Attention:
    """The probabilities with which each query attends to each key.

    Attributes:
        tensor: the probabilities, in the layout of the model.
        order: its axes in the order images, heads, queries, keys.
        shape: `(queries, keys)`.
        rows: number of images, a tensor.
    """

    tensor: Any
    order: tuple[int, ...]
    shape: tuple[int, int]
    rows: Any

    @property
    def probabilities(self) -> Any:
        """`[B, heads, queries, keys]` float32."""
        return self.arranged(self.tensor)

    def arranged(self, tensor: Any) -> Any:
        """A tensor in the layout of the model's, as `[B, heads, queries, keys]` float32."""
        ordered = tf.transpose(tf.cast(tensor, tf.float32), self.order)
        return tf.reshape(ordered, [self.rows, -1, *self.shape])


@dataclass(frozen=True)
class Tokens:
    """The tokens of a traced model, the attention that mixes them, and how they are read.

    Attributes:
        size: number of tokens.
        blocks: the attention between them, in execution order; one follows another.
        reading: how the scores read them.
        pool: the attention of the reading, if it has one: of a single query.
        patches: those that lie in the picture.
    """

    size: int
    blocks: tuple[Attention, ...]
    reading: Reading
    pool: Attention | None
    patches: Patches

    def __str__(self) -> str:
        """In words."""
        height, width = self.patches.place.grid
        what = f"{len(self.blocks)} attention matrices of {self.size} tokens"
        return f"{what} ({height}x{width} patches), {self.reading}"

    @property
    def attentions(self) -> list[Attention]:
        """The blocks, then the pool, if there is one."""
        return [*self.blocks, *([] if self.pool is None else [self.pool])]

    def read(self, matrices: Sequence[Any]) -> Any:
        """`[B, tokens]`, the weights with which the scores read the last tokens.

        Args:
            matrices: `[B, queries, keys]` for each of `attentions`.
        """
        tokens = self.reading.tokens
        if self.pool is None:
            row = tf.fill([self.blocks[0].rows, len(tokens)], tf.constant(1 / len(tokens)))
        else:
            row = matrices[-1][:, 0]
        return tf.pad(row, [(0, 0), (tokens.start, self.size - tokens.stop)])

    def maps(self, rows: Any, upsample: str | None) -> Any:
        """The patches' part of rows `[B, tokens]`, as maps.

        Args:
            rows: a value per token.
            upsample: interpolation to `[B, H, W, 1]`; None: `[B, h, w, 1]`.
        """
        first, (height, width) = self.patches.first, self.patches.place.grid
        own = rows[:, first : first + height * width]
        return self.patches.place.resize(tf.reshape(own, [-1, height, width, 1]), upsample)


def tokens_of(traced: Traced, grid: tuple[int, int] | None = None) -> Tokens:
    """The tokens of a traced model and the attention between them.

    Args:
        traced: the forward pass.
        grid: `(h, w)` of the patches, where the model does not tell it.

    Raises:
        NotApplicable: if the model has no attention between all of its tokens, or its matrices do
            not follow one another, or nothing tells how the tokens are read or where they lie.
        SettingError: if `grid` does not fit the tokens.
    """
    path, rows = traced.path, tf.shape(traced.images)[0]
    geometry = Geometry(path, grid)
    chain = attention_chain(path, geometry)
    reading = Readings(path, chain.stream, chain.blocks, chain.pools).only()
    blocks = tuple(_attention(chain.stream, use, rows) for use in chain.blocks)
    pool = None if reading.pool is None else _attention(chain.stream, reading.pool, rows)
    own = patches(chain, geometry, tuple(path.images.shape[1:3]), grid)
    found = Tokens(chain.stream.size, blocks, reading, pool, own)
    take(found)
    return found


def _attention(stream: Stream, use: Weighting, rows: Any) -> Attention:
    shape, images = use.tensor.shape, stream.batch(use.tensor)
    queries = tuple(place for place in stream.places(use.tensor) if place not in use.keys)
    if images is None:
        raise NotApplicable("nothing tells which axis of its attention holds the images")
    heads = set(range(shape.rank)) - {images, *queries, *use.keys}
    order = images, *sorted(heads), *queries, *use.keys
    sizes = prod(shape[place] for place in queries), prod(shape[place] for place in use.keys)
    return Attention(use.tensor, order, sizes, rows)
