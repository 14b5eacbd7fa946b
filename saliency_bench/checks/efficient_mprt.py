"""Efficient MPRT: how much more complex a map is once every layer is redrawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network as networks
from saliency_bench import randomize
from saliency_bench.checks.base import (
    PreparedNumbers,
    Redrawn,
    Repeated,
    Retrained,
    require_one_of,
)
from saliency_bench.protocols import (
    Ceiling,
    Condition,
    Expectation,
    Floats,
    Measure,
    NetworkName,
    NotApplicable,
    Number,
    Study,
    Words,
)

TWINS, REDRAWN = 1, 2
"""The stages: networks trained alike from other first weights; all layers redrawn."""

NO_VERDICT = (
    "the rise says how the values of a map are spread, and noise keyed by the weights has none"
)

DECLARED = Expectation(
    Words(
        breaks="every layer is redrawn",
        passes="the values of the map are spread more evenly without what the network learned",
        fails="the values of the map are spread as before",
        kept="of its map",
        depth="share of the layers that are redrawn",
        destroyed="fully redrawn network",
    ),
    ceiling=Ceiling(
        value=0.0,
        caption="The score is the entropy of a map's histogram under the change minus that of the "
        "untouched map, as a share of the latter: 0 if the entropy is the same. A twin was trained "
        "alike from other first weights: what it scores is no effect of lost learning. The null is "
        "the same share between the map of one image and the changed maps of others.",
    ),
    statistic="last",
    number=Number(
        name="rise of entropy",
        says="has a relative rise of entropy of",
        passes="above",
        bounded=False,
    ),
    no_verdict=NO_VERDICT,
)


@dataclass(frozen=True)
class EntropyRise:
    """Relative rise of the entropy of a map's histogram (Hedström et al., 2024).

    The bins are equally wide, from the smallest to the largest value of the map itself; logarithms
    are natural. A constant map has the entropy 0: it is undefined. Scale and shift of a map do not
    change it.

    Attributes:
        bins: of the histogram.
    """

    threshold: ClassVar[float | None] = None

    bins: int = 100

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise ValueError(f"bins must be at least 2; got {self.bins}")

    def prepare(self, maps: Floats) -> PreparedNumbers:
        """Entropies of maps `[N, H, W, C']`, channels summed."""
        rows = np.asarray(maps, np.float64).sum(axis=-1).reshape(len(maps), -1)
        values = np.array([self._entropy(row) for row in rows])
        return PreparedNumbers(values > 0, values)

    def compare(self, reference: PreparedNumbers, changed: PreparedNumbers) -> NDArray[np.float64]:
        """`[N]` shares by which the entropy rises, NaN where a map is constant or not finite."""
        known = reference.defined & changed.defined
        base = np.where(known, reference.values, 1.0)
        return np.where(known, (changed.values - base) / base, np.nan)

    def _entropy(self, row: NDArray[np.float64]) -> float:
        """In nats; 0 for a map that is not finite, whose status says so."""
        if not np.isfinite(row).all() or row.min() == row.max():
            return 0.0
        # Its own range, so that huge and tiny maps have as many bins as others.
        counts, _ = np.histogram((row - row.min()) / np.ptp(row), self.bins, (0.0, 1.0))
        shares = counts[counts > 0] / len(row)
        return float(-np.sum(shares * np.log(shares)))


@dataclass(frozen=True)
class EfficientMPRT:
    """Efficient model parameter randomization test (Hedström et al., 2024): a number, no verdict.

    Attributes:
        bins: of a map's histogram.
        policy: how all layers are redrawn; see `randomize.redraw`.
        draws: redraws; None takes the study's number.
        networks: trained alike, the network under test included; the others are its twins. 1: no
            twins.
    """

    papers: ClassVar[tuple[str, ...]] = ("hedstroem2024",)
    declares: ClassVar[Expectation] = DECLARED
    trains: ClassVar[bool] = True

    bins: int = 100
    policy: randomize.Policy = "initializer"
    draws: int | None = None
    networks: int = 3

    def __post_init__(self) -> None:
        require_one_of("policy", self.policy, randomize.POLICIES)
        EntropyRise(self.bins)
        if self.draws is not None and self.draws < 1:
            raise ValueError(f"draws must be at least 1; got {self.draws}")
        if self.networks < 1:
            raise ValueError(f"networks must be at least 1; got {self.networks}")

    def measures(self, condition: Condition | None = None) -> Mapping[str, Measure]:
        """The rise of entropy."""
        return {"entropy_rise": EntropyRise(self.bins)}

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """The repeat, the twins if networks can be trained, then every full redraw."""
        model = study.network.model
        positions = {id(v): position for position, v in enumerate(model.variables)}
        variables = tuple(
            (positions[id(variable)], REDRAWN)
            for block in networks.blocks(model)
            for variable in block.variables
        )
        repredict = study.target == "repredict"
        redrawn = (
            Redrawn(
                "all layers redrawn", REDRAWN, 1.0, draw, variables, self.policy, study.seed,
                repredict, destroys=True,
            )
            for draw in range(self.draws or study.draws)
        )  # fmt: skip
        return (Repeated(), *self._twins(study), *redrawn)

    def expectation(self, study: Study) -> Expectation:
        """No verdict; and why there are no twins, if so."""
        if self.networks == 1:
            return self.declares
        try:
            study.weights(NetworkName())
        except NotApplicable as refusal:
            why = f"{NO_VERDICT} (no twins: {refusal.reason})"
            return replace(self.declares, no_verdict=why)
        return self.declares

    def _twins(self, study: Study) -> Iterator[Condition]:
        if self.networks == 1:
            return
        try:
            own = study.weights(NetworkName())
        except NotApplicable:  # a finished network: `expectation` says so
            return
        if own.fingerprint != study.network.fingerprint():
            raise ValueError(
                "the model must be the one that its training gives, to have twins; its weights are "
                "others: networks=1 goes without twins"
            )
        for draw in range(1, self.networks):
            twin = study.weights(NetworkName(draw=draw))
            yield Retrained("a twin", TWINS, draw - 1, twin, predicted=study.target == "repredict")
