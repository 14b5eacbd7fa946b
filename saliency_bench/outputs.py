"""Target outputs: the scores that are explained instead of class logits.

Each returns scores `[N, K]`, from which a target selects a column. Any function of a
`network.ModelOutput` that returns `[N]` or `[N, K]` is a target output too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from saliency_bench import network
from saliency_bench.protocols import TargetOutput
from saliency_bench.randomize import stream

if TYPE_CHECKING:
    from saliency_bench.network import ModelOutput


@dataclass(frozen=True)
class Logits(TargetOutput):
    """Class logits: of one of several model outputs, or of labels that are not exclusive.

    Attributes:
        head: key or index of the output; default: the model's only output.
    """

    classifies: ClassVar[bool] = True
    """The scores belong to the labels' classes, so accuracy is defined."""

    head: str | int | None = None

    def __call__(self, output: ModelOutput) -> Any:
        """`[N, K]` before the softmax or sigmoid, if any; `[-z, z]` for one unit."""
        return network.logits(output.head(self.head))


@dataclass(frozen=True)
class Values(TargetOutput):
    """A model's output values, such as those of a regression; targets select a unit.

    Attributes:
        head: key or index of the output; default: the model's only output.
    """

    head: str | int | None = None

    def __call__(self, output: ModelOutput) -> Any:
        """`[N, K]`, as the model returns it."""
        return output.head(self.head)


@dataclass(frozen=True)
class Region(TargetOutput):
    """The sum of a segmentation's logits over a region of the image; targets select a class.

    One channel has the two classes `[-z, z]`.

    Attributes:
        top: first row, in pixels of the output.
        left: first column.
        height: number of rows; default: to the lower border.
        width: number of columns; default: to the right border.
        head: key or index of the output `[N, H, W, K]`; default: the model's only output.
    """

    top: int = 0
    left: int = 0
    height: int | None = None
    width: int | None = None
    head: str | int | None = None

    def __post_init__(self) -> None:
        for name, value, least in (
            ("top", self.top, 0), ("left", self.left, 0),
            ("height", self.height, 1), ("width", self.width, 1),
        ):  # fmt: skip
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}; got {value}")

    def __call__(self, output: ModelOutput) -> Any:
        """`[N, K]` sums over the region.

        Raises:
            ValueError: if the output is not `[N, H, W, K]`, or the region lies outside of it.
        """
        import tensorflow as tf

        scores = network.logits(output.head(self.head))
        if scores.shape.rank != 4:
            raise ValueError(f"a region needs an output [N, H, W, K]; got {tuple(scores.shape)}")
        rows = _span(self.top, self.height, scores.shape[1], "rows")
        columns = _span(self.left, self.width, scores.shape[2], "columns")
        return tf.reduce_sum(scores[:, rows, columns], axis=[1, 2])


def _span(start: int, length: int | None, size: int | None, what: str) -> slice:
    stop = None if length is None else start + length
    if size is not None and (start >= size or (stop or 0) > size):
        raise ValueError(f"the region must lie within {size} {what}; got {start} to {stop}")
    return slice(start, stop)


@dataclass(frozen=True)
class RandomFunctional(TargetOutput):
    """Random weighted sums of a layer's output: a baseline whose maps show the features alone.

    Target k selects the k-th sum. The weights are normal, equal for all networks, and scaled so
    that outputs of unit variance have sums of unit variance.

    Attributes:
        layer: the layer's name, at any depth.
        count: number of sums.
        seed: of the weights.
    """

    layer: str
    count: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be at least 1; got {self.count}")

    def __call__(self, output: ModelOutput) -> Any:
        """`[N, count]` sums.

        Raises:
            ValueError: if no layer has this name, or its output has no fixed size.
        """
        import tensorflow as tf

        features = output.layer(self.layer)
        size = features.shape[1:].num_elements()
        if size is None:
            raise ValueError(
                f"layer must be one whose output has a fixed size; {self.layer!r} has "
                f"{tuple(features.shape)}"
            )
        random = stream("random_functional", self.seed)
        weights = random.standard_normal((size, self.count)) / size**0.5
        return tf.reshape(features, [-1, size]) @ tf.cast(weights, features.dtype)
