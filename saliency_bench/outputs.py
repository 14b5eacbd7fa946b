"""Target outputs: what is explained instead of a class logit.

Each returns scores `[N, K]`, of which the targets pick one. Any function of a
`network.ModelOutput` that returns `[N]` or `[N, K]` is one as well.
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
    """The class logits of one output of a model that has several, or labels that are not exclusive.

    Attributes:
        head: key or place of the output; default: the model has but one.
    """

    classifies: ClassVar[bool] = True
    """The scores are those of the labels' classes, so they have an accuracy."""

    head: str | int | None = None

    def __call__(self, output: ModelOutput) -> Any:
        """`[N, K]`, before the softmax or sigmoid if there is one; `[-z, z]` of one sigmoid."""
        return network.logits(output.head(self.head))


@dataclass(frozen=True)
class Values(TargetOutput):
    """A model's own values, such as those of a regression; targets pick a unit.

    Attributes:
        head: key or place of the output; default: the model has but one.
    """

    head: str | int | None = None

    def __call__(self, output: ModelOutput) -> Any:
        """`[N, K]`."""
        return output.head(self.head)


@dataclass(frozen=True)
class Region(TargetOutput):
    """The sum of a segmentation's logits over a region of the image; targets pick a class.

    Attributes:
        top: first row.
        left: first column.
        height: rows; default: all below.
        width: columns; default: all to the right.
        head: key or place of the output `[N, H, W, K]`; default: the model has but one.
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
        """`[N, K]`.

        Raises:
            ValueError: if the output has no places, or the region lies outside.
        """
        import tensorflow as tf

        places = network.logits(output.head(self.head))
        if places.shape.rank != 4:
            raise ValueError(f"a region needs an output [N, H, W, K]; got {tuple(places.shape)}")
        rows = _within(self.top, self.height, places.shape[1], "rows")
        columns = _within(self.left, self.width, places.shape[2], "columns")
        return tf.reduce_sum(places[:, rows, columns], axis=[1, 2])


def _within(start: int, length: int | None, size: int | None, what: str) -> slice:
    stop = None if length is None else start + length
    if size is not None and (start >= size or (stop or 0) > size):
        raise ValueError(f"the region must lie within {size} {what}; got {start} to {stop}")
    return slice(start, stop)


@dataclass(frozen=True)
class RandomFunctional(TargetOutput):
    """Random weighted sums of a layer's output: what a map of the features alone looks like.

    Target k picks the k-th sum. The weights are normal, the same for every network, and scaled
    so that outputs of unit variance have sums of unit variance.

    Attributes:
        layer: the layer's name, at any depth.
        count: how many sums there are.
        seed: of the weights.
    """

    layer: str
    count: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be at least 1; got {self.count}")

    def __call__(self, output: ModelOutput) -> Any:
        """`[N, count]`.

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
