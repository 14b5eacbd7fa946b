"""Input invariance: a shift of the input that the network takes back must leave a map as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import randomize
from saliency_bench.checks.base import Repeated
from saliency_bench.protocols import (
    BLOCK,
    Ceiling,
    Condition,
    Expectation,
    Network,
    Place,
    Scene,
    Study,
    Words,
)

GRAIN = 256
"""Shifts of single pixels are multiples of the range of the images over this, to round little."""

DECLARED = Expectation(
    Words(
        breaks="a shift is added to the input, and the network takes it back before anything else",
        passes="the map stays where a shift of the input changes nothing for the network",
        fails="the map changes with a shift of the input that changes nothing for the network",
        kept="of its map behind the shift",
        draws="input shifts",
        untouched="input as it is",
        depth="whether the baseline stays",
    ),
    expects="keep",
    ceiling=Ceiling(
        caption="Shifts are minus the range of the images, half of it, and one fixed random image. "
        "They are given, not drawn, so intervals are over the images. Closeness is 1 - ||b - a|| / "
        "||a|| of the map a and the map b behind the shift; 1 is the same map, and float32 rounds. "
        "The verdict is taken where the baseline of a method, such as the fill of a patch, stays "
        "as it is; beside it stands the same with a baseline that shifts with the data, for the "
        "shifts by one number. The null is what the maps of different images score.",
    ),
    statistic="last",
    controls={
        "EdgeDetector": "fail", "InputMagnitude": "fail", "InputNoise": "fail",
        "CentrePrior": "pass", "RandomFrozen": "pass", "WeightHash": "pass", "TargetHash": "pass",
        "Constant": "undefined", "RandomFresh": "undefined",
    },
    decides="closeness",
    fixed_draws=True,
)  # fmt: skip


@dataclass(frozen=True)
class Behind:
    """A condition that shifts the images and lets the network take the shift back.

    Attributes:
        name: whether baselines shift with the data.
        stage: place among the conditions.
        draw: number of the shift.
        size: of the shift, model units: the same for every pixel, or the largest one of an image.
        image: the random stream of a shift that differs from pixel to pixel; None for one number.
        follows: whether the baselines of explainers shift with the data.
        depth: 1 if they stay.
        moves_output: never, as the shift is taken back.
        destroys: never.
        references: see `Condition`.
    """

    name: str
    stage: int
    draw: int
    size: float
    image: int | None = None
    follows: bool = False
    moves_output: bool = False
    destroys: bool = False
    references: tuple[Place, ...] = ()

    @property
    def depth(self) -> float:
        """1 where baselines stay, else 0."""
        return float(not self.follows)

    @contextmanager
    def applied(self, network: Network, scene: Scene) -> Iterator[Scene]:
        """Put the network behind the shift; yields the scene with shifted images."""
        shift = self.shift(tuple(scene.images.shape[1:]))
        with network.behind(shift, baseline=self.size if self.follows else 0.0):
            yield replace(scene, images=scene.images + shift)

    def shift(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The shift `[H, W, C]`, model units."""
        if self.image is None:
            return np.full(shape, self.size, np.float32)
        steps = randomize.stream("input_shift", self.image).integers(-GRAIN, GRAIN + 1, shape)
        return np.asarray(steps * (self.size / GRAIN), np.float32)


@dataclass(frozen=True)
class InputInvariance:
    """Input invariance test (Kindermans et al., 2017): the network behind an input shift.

    A network that subtracts a shift before anything else treats the shifted image as it treated the
    image. A map that changes depends on how the input is encoded, and not only on the network.

    Attributes:
        shifts: the same for every pixel, in units of the range of the images.
        image: whether a fixed random image is one more shift.
        tolerance: largest relative distance of maps that count as kept.
    """

    papers: ClassVar[tuple[str, ...]] = ("kindermans2017",)
    declares: ClassVar[Expectation] = DECLARED
    trains: ClassVar[bool] = False

    shifts: Sequence[float] = (-1.0, 0.5)
    image: bool = True
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        object.__setattr__(self, "shifts", tuple(map(float, self.shifts)))
        if not np.isfinite(self.shifts).all() or 0.0 in self.shifts:
            raise ValueError(f"shifts must be finite and not 0; got {list(self.shifts)}")
        if not self.shifts and not self.image:
            raise ValueError("shifts must name at least one, or image must be true; got none")
        if not 0 < self.tolerance < 1:
            raise ValueError(f"tolerance must be in (0, 1); got {self.tolerance}")

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """The repeat; each number with baselines that shift along; each shift where they stay."""
        images = np.asarray(study.scene.images[:BLOCK])
        span = float(images.max() - images.min()) or 1.0
        numbers = [span * shift for shift in self.shifts]
        kept = [Behind("baseline stays", 2, draw, size) for draw, size in enumerate(numbers)]
        if self.image:
            kept.append(Behind("baseline stays", 2, len(numbers), span, image=study.seed))
        follows = [
            Behind("baseline shifts along", 1, draw, size, follows=True)
            for draw, size in enumerate(numbers)
        ]
        return (Repeated(), *follows, *kept)

    def expectation(self, study: Study) -> Expectation:
        """A verdict on closeness where baselines stay. A single number leaves edges as they are."""
        controls = dict(self.declares.controls)
        if not self.image:
            controls["EdgeDetector"] = "pass"
        return replace(self.declares, tolerance=self.tolerance, controls=controls)
