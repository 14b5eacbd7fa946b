"""A small network that ends in a global pooling, so that it takes pictures of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from saliency_bench.models.learned import Learned
from saliency_bench.models.training import Training
from saliency_bench.randomize import stream


@dataclass(frozen=True)
class PoolingCNN(Learned):
    """Convolutions with ReLU, a global average pooling, and a linear layer of logits.

    A 2x2 max-pooling follows each convolution but the last two. The network can be applied to
    mosaics, which are larger than the images that it learned.

    Attributes:
        filters: number of filters of each convolution.
        kernel: side of the convolution kernels, in pixels.
        training: how it is trained.
    """

    kind: ClassVar[str] = "pooling_cnn"

    filters: Sequence[int] = (16, 32, 64, 64)
    kernel: int = 3
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", tuple(self.filters))
        if not self.filters or min(self.filters) < 1:
            raise ValueError(f"filters must be at least 1; got {list(self.filters)}")
        if self.kernel < 1:
            raise ValueError(f"kernel must be at least 1; got {self.kernel}")

    def network(self, shape: tuple[int, ...], n_classes: int, *, seed: int) -> Any:
        """Build the untrained network.

        Args:
            shape: `(H, W, C)` of an image.
            n_classes: number of classes.
            seed: of the initial weights.

        Raises:
            ValueError: if the pooling leaves nothing of the image.
        """
        import keras

        poolings = max(0, len(self.filters) - 2)
        most = min(shape[:2]).bit_length() - 1
        if poolings > most:
            raise ValueError(
                f"filters must be at most {most + 2} for images of {shape[0]}x{shape[1]}, as a "
                f"pooling that halves them follows each but the last two; got {len(self.filters)}"
            )
        seeds = stream("first weights", seed)

        def start() -> Any:
            # Equal seeds would give equal weights.
            return keras.initializers.HeUniform(seed=int(seeds.integers(2**31)))

        layers: list[Any] = [keras.Input(shape)]
        for number, width in enumerate(self.filters, start=1):
            layers.append(
                keras.layers.Conv2D(
                    width,
                    self.kernel,
                    padding="same",
                    activation="relu",
                    kernel_initializer=start(),
                    name=f"conv{number}",
                )
            )
            if number <= poolings:
                layers.append(keras.layers.MaxPooling2D(2, name=f"pool{number}"))
        layers.append(keras.layers.GlobalAveragePooling2D(name="average"))
        layers.append(keras.layers.Dense(n_classes, kernel_initializer=start(), name="logits"))
        return keras.Sequential(layers, name="pooling_cnn")
