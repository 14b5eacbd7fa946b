"""A small vision transformer (Dosovitskiy et al., 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from saliency_bench import network
from saliency_bench.models.learned import Learned
from saliency_bench.models.seeding import fresh_keras
from saliency_bench.models.training import Training

EPSILON = 1e-6
"""Added to the variance in a normalisation, as in the authors' code."""

STD = 0.02
"""Standard deviation of the first tokens, before their truncation at 2 of them."""

LEARNING = Training(epochs=40, stop_accuracy=None, schedule="cosine")
"""How it learns handwritten digits."""

Pool = Literal["class_token", "mean"]
"""What the logits are read from."""


@dataclass(frozen=True)
class VisionTransformer(Learned):
    """Patches as tokens, blocks of attention and MLP behind normalisations, a layer of logits.

    Positions are learned. A block is `x + attention(norm(x))`, then `x + mlp(norm(x))`, with GELU.

    Attributes:
        patch: side of a patch, in pixels; the side of an image must be a multiple of it.
        width: size of a token.
        blocks: number of blocks.
        heads: attention heads of a block; they divide the width.
        expansion: size of the MLP's hidden layer, in widths.
        pool: `class_token`, as in the paper, or `mean`: the mean over all patches.
        training: how it is trained.
    """

    kind: ClassVar[str] = "vit"

    patch: int = 4
    width: int = 64
    blocks: int = 4
    heads: int = 4
    expansion: int = 2
    pool: Pool = "class_token"
    training: Training = LEARNING

    def __post_init__(self) -> None:
        for name in ("patch", "width", "blocks", "heads", "expansion"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        if self.width % self.heads:
            raise ValueError(f"heads must divide width={self.width}; got {self.heads}")
        if self.pool not in get_args(Pool):
            raise ValueError(f"pool must be one of {', '.join(get_args(Pool))}; got {self.pool!r}")

    def network(self, shape: tuple[int, ...], n_classes: int, *, seed: int) -> Any:
        """Build the untrained network.

        Args:
            shape: `(H, W, C)` of an image.
            n_classes: number of classes.
            seed: of the initial weights.

        Raises:
            ValueError: if patches do not fill an image.
        """
        if shape[0] % self.patch or shape[1] % self.patch:
            raise ValueError(
                f"patch must divide the sides of images of {shape[0]}x{shape[1]}; got {self.patch}"
            )
        with fresh_keras(seed):
            return self._built(shape, n_classes)

    def _built(self, shape: tuple[int, ...], n_classes: int) -> Any:
        import keras
        from keras import layers

        images = keras.Input(shape)
        x = layers.Conv2D(self.width, self.patch, self.patch, name="patches")(images)
        x = layers.Reshape((-1, self.width), name="tokens")(x)
        if self.pool == "class_token":
            x = network.ClassToken(_near_zero(), name="class_token")(x)
        x = network.Positions(_near_zero(), name="positions")(x)
        for number in range(1, self.blocks + 1):
            x = self._block(x, f"block{number}")
        x = layers.LayerNormalization(epsilon=EPSILON, name="norm")(x)
        mean = layers.GlobalAveragePooling1D(name="mean")
        x = x[:, 0] if self.pool == "class_token" else mean(x)
        logits = layers.Dense(n_classes, name="logits")(x)
        return keras.Model(images, logits, name="vit")

    def _block(self, x: Any, name: str) -> Any:
        """Tokens `[N, T, D]` behind one more block."""
        from keras import layers

        def normalized(tokens: Any, what: str) -> Any:
            return layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm_{what}")(tokens)

        y = normalized(x, "attention")
        attention = layers.MultiHeadAttention(
            self.heads,
            self.width // self.heads,
            name=f"{name}_attention",
        )
        x = layers.Add(name=f"{name}_attended")([x, attention(y, y)])
        y = normalized(x, "mlp")
        hidden = layers.Dense(self.expansion * self.width, "gelu", name=f"{name}_mlp1")
        y = layers.Dense(self.width, name=f"{name}_mlp2")(hidden(y))
        return layers.Add(name=f"{name}_out")([x, y])


def _near_zero() -> Any:
    """A new initialiser of learned tokens, with a seed of its own."""
    from keras.initializers import TruncatedNormal

    return TruncatedNormal(stddev=STD)
