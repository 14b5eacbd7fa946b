"""Graded randomization: weights are multiplied by noise that grows from stage to stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from saliency_bench import network as networks
from saliency_bench.checks.base import Repeated
from saliency_bench.protocols import (
    Ceiling,
    Condition,
    Expectation,
    Network,
    NotApplicable,
    Number,
    Place,
    Scene,
    Study,
    Words,
)
from saliency_bench.randomize import stream

LEAST, MOST = 2, 200
"""The weakest and the strongest noise that are tried, in tenths of the weights."""

PROBE = 64
"""Most images on which the network's accuracy is tried."""

LINE = 0.5
"""The rank correlation above which a map passes."""

LEAST_DRAWS = 3
"""Fewest draws for any verdict."""

RISK = 1e-5
"""Largest probability that noise which follows nothing is not told from an order; see `undecided`.
"""

DECLARED = Expectation(
    Words(
        breaks="the weights are multiplied by noise that grows until the network is at chance",
        passes="the map changes more where the network's output changes more",
        fails="the map does not change in step with the network's output",
        kept="of its map, averaged over the noise",
        depth="noise, as a share of that which brings the network to chance",
    ),
    ceiling=Ceiling(
        caption="The null is what maps of different images score; the ceiling is 1, as a map is "
        "compared with itself. The verdict needs neither. For each image and draw the stages are "
        "ordered by how far the map moved, 1 minus its similarity, and by how far the explained "
        "output moved; the verdict is taken on the rank correlation of the two orders. A map that "
        "never moves follows nothing and gets 0.",
    ),
    statistic="order",
    number=Number(
        name="rank correlation",
        says="moves with the output at a rank correlation of",
        passes="above",
        line=LINE,
    ),
    controls={
        "EdgeDetector": "fail", "InputMagnitude": "fail", "RandomFrozen": "fail",
        "CentrePrior": "fail", "WeightHash": "fail", "Constant": "undefined",
        "RandomFresh": "undefined",
    },
)  # fmt: skip


@dataclass(frozen=True)
class Noisy:
    """A condition that multiplies every trained weight by a draw from N(1, scale^2).

    A weight of 0 stays 0; a variable that holds zeros alone is exempt, and counted.

    Attributes:
        name: the scale in words.
        stage: place on the path.
        depth: the scale as a share of the largest one.
        draw: which of the repeated draws.
        variables: positions in `model.variables` of the variables that are multiplied.
        scale: standard deviation of the noise.
        seed: root of the random streams.
    """

    name: str
    stage: int
    depth: float
    draw: int
    variables: tuple[int, ...]
    scale: float
    seed: int
    moves_output: bool = True
    destroys: bool = False
    references: tuple[Place, ...] = ()

    @contextmanager
    def applied(self, network: Network, scene: Scene) -> Iterator[Scene]:
        """Apply the noise; yields the scene."""
        with network.changed(network.once(self, self.values)):
            yield scene

    def values(self, model: Any) -> dict[int, NDArray[Any]]:
        """New values by position in `model.variables`."""
        return {position: self._value(position, model.variables) for position in self.variables}

    def _value(self, position: int, variables: Any) -> NDArray[Any]:
        old = variables[position].numpy()
        random = stream("graded", self.seed, self.draw, self.stage, position)
        noise = random.standard_normal(old.shape, np.float32)
        noise *= np.float32(self.scale)
        noise += np.float32(1)
        # 0 times a negative number is -0, whose bits differ.
        return np.where(old == 0, old, np.asarray(old * noise, old.dtype))


@dataclass(frozen=True)
class GradedRandomization:
    """Does a map change in step with the output (Hedström et al., 2025, the fast variant)?

    Attributes:
        scales: number of noise scales, evenly spaced from `smallest` to `largest`.
        smallest: standard deviation of the weakest noise, as a share of each weight.
        largest: of the strongest; None: the first of 0.2, 0.3, ... that brings the network to
            chance on the first images.
        margin: accuracy that counts as chance: 1 / classes + margin * (1 - 1 / classes).
        draws: draws of the noise per scale; None takes the study's number.
    """

    papers: ClassVar[tuple[str, ...]] = ("hedstroem2025",)
    declares: ClassVar[Expectation] = DECLARED
    trains: ClassVar[bool] = False

    scales: int = 5
    smallest: float = 0.001
    largest: float | None = None
    margin: float = 0.1
    draws: int | None = None

    def __post_init__(self) -> None:
        if self.scales < 3:
            raise ValueError(f"scales must be at least 3, to have an order; got {self.scales}")
        if not 0 < self.smallest < LEAST / 10:
            raise ValueError(f"smallest must lie between 0 and {LEAST / 10}; got {self.smallest}")
        if self.largest is not None and not self.largest > self.smallest:
            raise ValueError(f"largest must exceed smallest={self.smallest}; got {self.largest}")
        if not 0 <= self.margin < 1:
            raise ValueError(f"margin must be in [0, 1); got {self.margin}")
        if self.draws is not None and self.draws < 1:
            raise ValueError(f"draws must be at least 1; got {self.draws}")

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """The repeat at stage 0, then every draw of every scale.

        Raises:
            NotApplicable: if no weight can be multiplied, or no scale brings the network to chance.
        """
        if study.target == "repredict":
            raise NotApplicable("it follows one output, and target=repredict asks for another")
        variables = _trained(study.network.model)
        draws = self.draws or study.draws
        largest = self.largest or self._to_chance(study, variables, draws)
        path = np.linspace(self.smallest, largest, self.scales)
        return (
            Repeated(),
            *(
                Noisy(
                    f"noise {scale:.3g}", stage, float(scale / largest), draw, variables,
                    float(scale), study.seed,
                )
                for stage, scale in enumerate(path, start=1)
                for draw in range(draws)
            ),
        )  # fmt: skip

    def expectation(self, study: Study) -> Expectation:
        """A verdict if draws and images suffice to tell noise from a map that follows the network.

        A path that the user set gets one too.
        """
        draws, images = self.draws or study.draws, len(study.scene)
        if draws < LEAST_DRAWS or undecided(draws, images, self.scales) <= RISK:
            return self.declares
        least = next(n for n in count(1) if undecided(draws, n, self.scales) <= RISK)
        more = next(n for n in count(draws) if undecided(n, images, self.scales) <= RISK)
        return replace(
            self.declares,
            no_verdict=f"{draws} draws and {images} images do not surely tell noise from an order "
            f"of {self.scales} scales: it takes {least} images, or {more} draws",
        )

    def _to_chance(self, study: Study, variables: tuple[int, ...], draws: int) -> float:
        """The least scale, in tenths, at which the network is at chance in the mean over draws.

        It is found by halving, as accuracy falls along the path.
        """
        network, scene = study.network, study.scene.rows(slice(0, PROBE))
        outputs = network.outputs(scene.images)
        right = outputs.argmax(axis=1) if study.labels is None else study.labels[: len(scene)]
        classes = outputs.shape[1]
        if classes < 2:
            raise NotApplicable("chance needs two classes; set `largest`, the strongest noise")
        line = 1 / classes + self.margin * (1 - 1 / classes)

        def accuracy(tenths: int) -> float:
            hits = []
            for draw in range(draws):
                noisy = Noisy("", -tenths, 0.0, draw, variables, tenths / 10, study.seed)
                with noisy.applied(network, scene):
                    hits.append(network.outputs(scene.images).argmax(axis=1) == right)
            return float(np.mean(hits))

        low, high = LEAST - 1, LEAST
        while (left := accuracy(high)) > line:
            low, high = high, 2 * high
            if high > MOST:
                raise NotApplicable(
                    f"noise of {low / 10:g} times the weights leaves an accuracy of {left:.2f}, "
                    f"where {line:.2f} counts as chance; set `largest`, the strongest noise"
                )
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if accuracy(middle) > line else (low, middle)
        return high / 10


def undecided(draws: int, images: int, scales: int) -> float:
    """About the probability that the interval of noise which follows nothing holds the line.

    Each rank correlation of such noise has the variance 1 / (scales - 1). The interval is wide
    where the mean square of the fewer of draws and images comes out high by chance, and then has
    its degrees of freedom.

    Args:
        draws: of the noise.
        images: that are explained.
        scales: points of the path.
    """
    freedom = min(draws, images) - 1
    if freedom < 1:
        return 1.0
    widest = LINE / stats.t.ppf(0.975, freedom)
    squares = freedom * draws * images * (scales - 1) * widest**2
    return float(stats.chi2.sf(squares, freedom))


def _trained(model: Any) -> tuple[int, ...]:
    """Positions of all variables of floats that training changes."""
    positions = {id(variable): position for position, variable in enumerate(model.variables)}
    weights = [
        variable
        for block in networks.blocks(model)
        for variable in networks.trained(model, block).variables
        if np.issubdtype(variable.numpy().dtype, np.floating)
    ]
    if not weights:
        raise NotApplicable("it needs weights of floats, and the model has none")
    return tuple(sorted(positions[id(variable)] for variable in weights))
