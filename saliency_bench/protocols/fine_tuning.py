"""A network under test that learned a little more, for metrics that ask it in place of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols.errors import NotApplicable
from saliency_bench.protocols.lazy_images import Rows
from saliency_bench.protocols.trained_networks import Outstanding, TrainedNetwork

MOST_LOST = 0.05
"""Accuracy on unchanged images that a network may lose by fine-tuning."""


class FineTuning(Protocol):
    """What a network learns further: its training images, changed at random; settings alone."""

    @property
    def epochs(self) -> int:
        """How often each training image is learned, changed anew each time."""
        ...

    @property
    def learning_rate(self) -> float:
        """Step size of the optimizer."""
        ...

    def changed(self, image: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float32]:
        """A changed copy of an image `[H, W, C]`, model units."""
        ...


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned network, and what it lost and won by it.

    Attributes:
        network: the weights; `test_accuracy` is that on the images that accuracies are taken on.
        tested: number of these images, which are those to explain, or those to train on if no
            others have labels; of which a run may explain fewer.
        chance: share of their most frequent class.
        plain: accuracy on them before and after.
        changed: accuracy on changed copies of them before and after.
    """

    network: TrainedNetwork
    tested: int
    chance: float
    plain: tuple[float, float]
    changed: tuple[float, float]

    @property
    def problem(self) -> str:
        """Why it cannot stand for the network, in one line; empty if it can."""
        before, after = self.plain
        if after <= self.chance:
            return (
                f"the fine-tuned network has accuracy {after:.2f} where guessing has "
                f"{self.chance:.2f}"
            )
        if after < before - MOST_LOST:
            return (
                f"fine-tuning took the network's accuracy from {before:.2f} to {after:.2f}, by "
                f"more than {MOST_LOST:g}; a smaller learning_rate keeps it"
            )
        return ""


class FineTuner(Protocol):
    """Fine-tunes the network under test, or finds it in a cache."""

    @property
    def images(self) -> Rows | None:
        """The images to train on, model units; None if there are none."""
        ...

    @property
    def tuned(self) -> Mapping[FineTuning, FineTuned]:
        """The networks that were requested so far."""
        ...

    @property
    def outstanding(self) -> Outstanding | None:
        """Trainings of requested networks that a plan leaves to be done; None if there are none."""
        ...

    def __call__(self, network: Any, tuning: FineTuning) -> FineTuned:
        """The network after that training; it comes back as it was.

        Args:
            network: the `Network` under test.
            tuning: what it learns.

        Raises:
            NotApplicable: if it cannot be trained here.
        """
        ...


@dataclass(frozen=True)
class NotTuned:
    """Takes the place of `FineTuner` where there is nothing to train on.

    Attributes:
        reason: why a network cannot be fine-tuned.
    """

    reason: str = (
        "it needs labelled images to fine-tune the network on, and there are none: give "
        "Options(tuner=models.FineTuner(dataset))"
    )
    images: None = field(default=None, init=False, repr=False)
    outstanding: None = field(default=None, init=False, repr=False)

    @property
    def tuned(self) -> Mapping[FineTuning, FineTuned]:
        """None."""
        return {}

    def __call__(self, network: Any, tuning: FineTuning) -> FineTuned:
        """Raises `NotApplicable`."""
        raise NotApplicable(self.reason)
