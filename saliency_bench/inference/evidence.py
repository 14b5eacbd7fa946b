"""The measurements of a run as tables, and those of one explainer as arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from saliency_bench.inference.intervals import Interval
from saliency_bench.inference.pairs import (
    ABSENT,
    Counted,
    Died,
    NotFinite,
    Pairs,
    Statistic,
    count,
)
from saliency_bench.protocols import (
    FAILURES,
    NAN,
    OK,
    STATUSES,
    Expectation,
    Floats,
    Ints,
)
from saliency_bench.storage.longtable import Key, LongTable

_AXES = ("stage", "draw", "image")
_VALUES = ("score", "null", "ceiling", "shift")
_LISTED = 5
"""Most names that a message lists."""
_SPARSEST = 10_000
"""Most places for each pair of an array of stages, draws and images."""


@dataclass(frozen=True)
class Evidence:
    """All inputs of the verdicts.

    Attributes:
        scores: `check, explainer, similarity, stage, condition, depth, draw, image, target,
            score, null, ceiling, status`, and `shift`, how far the explained output moved, where a
            check asks for it; stage 0 compares the untouched map with itself under
            another explainer seed. An explainer that failed has one row, with the reason as its
            condition.
        floors: `check, explainer, similarity, stage, draw, image, floor`.
        networks: `check, stage, condition, depth, draw, destroyed, accuracy, input_independent,
            variables_changed, variables_exempt`.
        expectations: what each check declares about itself.
        signed: whether the sign of an explainer's maps has a meaning.
        thresholds: the largest `retained` that passes, by similarity; None gives no verdict.
        chance: share of the largest class among the images; None without labels.
        controls: the name of each control's class.
    """

    scores: LongTable
    floors: LongTable
    networks: pd.DataFrame
    expectations: Mapping[str, Expectation]
    signed: Mapping[str, bool]
    thresholds: Mapping[str, float | None]
    chance: float | None = None
    controls: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for place, (column, allowed) in enumerate(
            [("check", self.expectations), ("explainer", self.signed)]
        ):
            _require_known(f"scores.{column}", {key[place] for key in self.scores.keys}, allowed)


def _require_known(name: str, values: Iterable[str], allowed: Iterable[str]) -> None:
    strange = set(values) - set(allowed)
    if strange:
        raise ValueError(f"{name} must be one of {_few(allowed)}; got {_few(strange)}")


def _few(names: Iterable[str]) -> str:
    """The first of some names; a list of all could be long."""
    first, *others = sorted(map(str, names)) or ["nothing"]
    return (
        f"{first} and {len(others)} more" if len(others) > _LISTED else ", ".join([first, *others])
    )


@dataclass(frozen=True)
class Case:
    """The data behind one verdict.

    Attributes:
        key: check, explainer and similarity.
        pairs: all stages, the untouched one included.
        failure: status and reason of an explainer that never ran; empty if it ran.
        expectation: what the check declares about itself.
        signed: whether the sign of the maps has a meaning.
        threshold: the line of the number that decides: the largest `retained` that passes.
        networks: the rows of this check.
        chance: accuracy of guessing.
        draws: numbers of the draws, in the order of the pairs.
        images: numbers of the images, in the order of the pairs.
    """

    key: Key
    pairs: Pairs
    failure: tuple[str, ...]
    expectation: Expectation
    signed: bool
    threshold: float | None
    networks: pd.DataFrame
    chance: float | None
    draws: Ints
    images: Ints

    @cached_property
    def judged(self) -> Pairs:
        """The pairs of the stages that decide the verdict."""
        stages = self.pairs.stages
        if self.expectation.statistic == "last" and stages.any():
            return self.pairs.take(stages == stages.max())
        return self.pairs.take(stages > (self.expectation.ceiling.stage or 0))

    @cached_property
    def destroyed(self) -> Pairs:
        """The pairs of the stage whose draws are unrelated networks; empty without one."""
        stages = self.networks.loc[self.networks["destroyed"].astype(bool), "stage"]
        return self.pairs.take(self.pairs.stages == stages.max())

    @cached_property
    def repeats(self) -> Counted:
        """The untouched maps compared with themselves under another explainer seed."""
        return count(self.pairs.take(self.pairs.stages == 0))

    @property
    def statistic(self) -> Statistic:
        """The statistic that decides."""
        if self.expectation.statistic == "order":
            return "order"
        return "similarity" if self.expectation.is_scored else "retained"

    @property
    def number(self) -> Interval:
        """The number that decides, with its interval."""
        return cast(Interval, getattr(self.reported, self.statistic))

    @property
    def worse(self) -> int:
        """1 if a higher number is worse, -1 if a lower one is."""
        return -1 if self.expectation.passes_above else 1

    @cached_property
    def reported(self) -> Counted:
        """The judged pairs, with undefined ones counted as reported."""
        return self.counted(self.judged)

    def counted(self, pairs: Pairs, *, died: Died = "null", nan: NotFinite = "out") -> Counted:
        """Apply a rule for undefined pairs to some of the pairs.

        Args:
            pairs: of one stage or of several.
            died: see `count`.
            nan: see `count`.
        """
        expected = self.expectation
        return count(
            pairs, died=died, nan=nan, measured_at=expected.ceiling.stage,
            fixed=expected.fixed_draws,
            near=expected.number is not None and expected.number.near,
        )  # fmt: skip


def cases(evidence: Evidence, keys: Iterable[Key]) -> Iterator[Case]:
    """The evidence, as one case per key."""
    for key in keys:
        rows = evidence.scores.rows(key)
        _require_known("scores.status", rows["status"].unique(), STATUSES + FAILURES)
        kinds = pd.Index(STATUSES).get_indexer(pd.Index(rows["status"])).astype(np.int8)
        failures, scored = rows[kinds == ABSENT], rows[kinds != ABSENT]
        check, explainer, similarity = key
        pairs, draws, images = _pivot(_columns(scored), kinds[kinds != ABSENT])
        yield Case(
            key=key,
            pairs=pairs,
            draws=draws,
            images=images,
            failure=tuple(failures.iloc[0][["status", "condition"]]) if len(failures) else (),
            expectation=evidence.expectations[check],
            signed=evidence.signed[explainer],
            threshold=_line(evidence.thresholds.get(similarity), evidence.expectations[check]),
            networks=evidence.networks[evidence.networks["check"] == check],
            chance=evidence.chance,
        )


def _line(threshold: float | None, expectation: Expectation) -> float | None:
    """The line of a verdict; None if the similarity gives none."""
    own = None if expectation.number is None else expectation.number.line
    return threshold if own is None or threshold is None else own


def _columns(rows: pd.DataFrame) -> dict[str, NDArray[Any]]:
    whole = {name: rows[name].to_numpy() for name in _AXES}
    nothing = pd.Series(np.nan, rows.index)
    return whole | {name: rows.get(name, nothing).to_numpy(np.float64) for name in _VALUES}


def _pivot(columns: Mapping[str, Floats], kinds: NDArray[np.int8]) -> tuple[Pairs, Ints, Ints]:
    """Arrays `[L, D, I]` from the long columns of one case; and the numbers of draws and images."""
    axes = [pd.factorize(columns[name], sort=True) for name in _AXES]
    place = tuple(codes for codes, _ in axes)
    shape = tuple(len(levels) for _, levels in axes)
    if math.prod(shape) > _SPARSEST * (len(kinds) + 1):
        raise ValueError(f"pairs must fill stages x draws x images; {len(kinds)} are in {shape}")
    # A pair with status ok but without a number is not ok.
    kinds = np.where((kinds == OK) & np.isnan(columns["score"]), NAN, kinds)

    def placed(values: NDArray[Any], empty: float) -> NDArray[Any]:
        array = np.full(shape, empty, values.dtype)
        array[place] = values
        return array

    kind = placed(kinds, ABSENT)
    pairs = np.count_nonzero(kind != ABSENT)
    if pairs < len(kinds):
        raise ValueError(f"a pair must have one row, got {len(kinds)} rows for {pairs} pairs")
    values = (placed(columns[name], np.nan) for name in _VALUES)
    stages, draws, images = (np.asarray(levels, np.int64) for _, levels in axes)
    score, null, ceiling, shift = values
    return Pairs(stages, score, null, ceiling, kind, shift), draws, images
