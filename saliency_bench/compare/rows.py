"""What a comparison says, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from saliency_bench.inference import Interval

TOLERANCE = 0.1
"""How much more of a map may be retained: similarities closer than this are taken for the same."""

Outcome = Literal["same", "new", "improved", "changed", "missing", "regressed"]
"""What has become of a row.

`changed`: the scores of the same network, images and draws are others; their dependence is not.
"""

UNKNOWN = Interval(*(np.asarray(np.nan) for _ in range(3)))
"""What is known where there is no verdict."""

_FAILS = {"missing", "regressed"}


@dataclass(frozen=True)
class Row:
    """One (check, explainer, similarity) in a baseline and in a run.

    Attributes:
        check: its name, as the two that follow.
        explainer: not a control.
        similarity: one by which a verdict is given.
        outcome: what has become of it.
        why: one sentence.
        before: the verdict of the baseline; empty if it has no such row.
        after: that of the run.
        baseline: what was retained, with the 95 % interval of that side alone; the score itself,
            as in the two that follow, where maps must keep.
        run: the same of the run.
        difference: how much more is retained, with an interval such that those of all rows of a
            comparison hold in 95 %; NaN where a side has no number.
        moved: share of the scores that differ by more than rounding; NaN where they may.
    """

    check: str
    explainer: str
    similarity: str
    outcome: Outcome
    why: str
    before: str
    after: str
    baseline: Interval
    run: Interval
    difference: Interval = UNKNOWN
    moved: float = float("nan")


@dataclass(frozen=True)
class Comparison:
    """A run against a baseline.

    Attributes:
        rows: one per (check, explainer, similarity) that has a verdict on either side.
        problems: why the run itself is not valid.
        study: the facts by which the two are not of the same study; empty if scores must repeat.
        settings: what else is not the same, a line each.
        tolerance: how much more of a map may be retained.
        changes_allowed: whether scores may change as long as their dependence does not.
    """

    rows: tuple[Row, ...]
    problems: tuple[str, ...]
    study: tuple[str, ...]
    settings: tuple[str, ...]
    tolerance: float = TOLERANCE
    changes_allowed: bool = False

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows for which a gate closes."""
        fails = _FAILS if self.changes_allowed else {*_FAILS, "changed"}
        return tuple(row for row in self.rows if row.outcome in fails)

    @property
    def regressed(self) -> bool:
        """Whether a gate closes."""
        return bool(self.failures or self.problems)
