"""Attention followed from the scores back to the patches of a transformer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from saliency_bench import network
from saliency_bench.explainers.base import Compiled, Upsample, as_grid, require_upsample
from saliency_bench.protocols import Bound, Output


@dataclass(frozen=True)
class _Attention(Compiled):
    """A product of attention matrices `[tokens, tokens]`; a subclass says what a matrix is.

    Settings as `AttentionRollout`'s.
    """

    signed: ClassVar[bool] = False

    upsample: Upsample | None = "bilinear"
    grid: tuple[int, int] | None = None
    output: Output = "logit"

    def __post_init__(self) -> None:
        require_upsample(self.upsample)
        object.__setattr__(self, "grid", as_grid(self.grid))

    @abstractmethod
    def matrices(self, attentions: Sequence[network.Attention], score: Any) -> list[Any]:
        """How much of each key a query takes, in a graph.

        Args:
            attentions: of the blocks, and the one that pools the tokens, if there is one.
            score: `[B]` of the target.

        Returns:
            `[B, queries, keys]` for each.
        """

    @abstractmethod
    def step(self, rows: Any, matrix: Any) -> Any:
        """Rows `[B, 1, tokens]` of the product, times one block more.

        Args:
            rows: of the product of the blocks behind.
            matrix: `[B, tokens, tokens]`, of the block.
        """

    def compile(self, model: Any) -> Bound:
        """Compile for `model`; `NotApplicable` if its attention does not form a product."""

        def body(traced: network.Traced) -> Any:
            tokens = network.tokens_of(traced, self.grid)
            matrices = self.matrices(tokens.attentions, traced.target_scores)
            rows = tokens.read(matrices)[:, None]
            for matrix in reversed(matrices[: len(tokens.blocks)]):
                rows = self.step(rows, matrix)
            return tokens.maps(rows[:, 0], self.upsample)

        return network.Kernel(model, body, self.output)


@dataclass(frozen=True)
class AttentionRollout(_Attention):
    """The product of a transformer's attention matrices (Abnar & Zuidema, 2020).

    A block's matrix is the mean of its heads' attention plus the identity, for the residual
    connection, with rows divided by their sums. The map is the row of the token of which the
    scores are computed, without the tokens that are no patches; of a network that averages its
    tokens the mean of their rows, and of one that pools them by attention the rows' mean with
    these weights. It is the same for every class.

    Attributes:
        upsample: interpolation to the size of the image; None keeps the grid of patches.
        grid: rows and columns of patches, where the network does not tell them: they are the last
            tokens; default: as the network tells.
        output: the output whose classes the targets are; it does not change the map.
    """

    papers: ClassVar[tuple[str, ...]] = ("abnar2020",)
    class_specific: ClassVar[bool] = False
    uses_gradients: ClassVar[bool] = False

    def matrices(self, attentions: Sequence[network.Attention], score: Any) -> list[Any]:
        """The means over heads."""
        import tensorflow as tf

        return [tf.reduce_mean(attention.probabilities, axis=1) for attention in attentions]

    def step(self, rows: Any, matrix: Any) -> Any:
        """`rows (A + I) / sums`."""
        import tensorflow as tf

        shares = rows / (1 + tf.reduce_sum(matrix, axis=2)[:, None])
        return shares + shares @ matrix


@dataclass(frozen=True)
class GenericAttention(_Attention):
    """Attention times its gradient, added up from block to block (Chefer et al., ICCV 2021).

    A block's matrix A' is the mean over heads of `max(0, dA * A)`, where dA is the gradient of the
    target's score by the attention A; from the first block on `R = R + A' R`, with the identity at
    first. The map is read from R as in `AttentionRollout`; attention that pools the tokens weighs
    the rows by its own A'. Settings as `AttentionRollout`'s.
    """

    papers: ClassVar[tuple[str, ...]] = ("chefer2021",)

    def matrices(self, attentions: Sequence[network.Attention], score: Any) -> list[Any]:
        """The means over heads of the positive part of attention times gradient."""
        import tensorflow as tf

        tensors = [attention.tensor for attention in attentions]
        gradients = network.derivatives(score, tensors, "its attention")
        return [
            tf.reduce_mean(tf.nn.relu(own.arranged(slope) * own.probabilities), axis=1)
            for own, slope in zip(attentions, gradients, strict=True)
        ]

    def step(self, rows: Any, matrix: Any) -> Any:
        """`rows (I + A')`."""
        return rows + rows @ matrix
