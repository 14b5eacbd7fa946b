"""The rows of a comparison and their outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from saliency_bench.inference import UNKNOWN, Interval

TOLERANCE = 0.1
"""Default for the allowed increase of the retained share of a map."""

Outcome = Literal["same", "new", "improved", "changed", "missing", "regressed"]
"""The outcome of a row.

`changed`: the same network, images and draws gave other scores; maps depend on it as much.
"""

_FAILS = {"missing", "regressed"}


@dataclass(frozen=True)
class Row:
    """One (check, explainer, similarity) in a baseline and in a run.

    Attributes:
        check: name of the check.
        explainer: name of the explainer; not a control.
        similarity: name of a similarity that has a verdict.
        outcome: result of the comparison.
        why: its reason, in one sentence.
        before: verdict of the baseline; empty if it has no such row.
        after: verdict of the run; empty if it has no such row.
        baseline: the share the baseline retained, with its own 95 % interval. Where maps must
            keep, the score itself, and where a check decides on another number, that number; so
            in `run` and `difference`.
        run: the share the run retained.
        difference: run minus baseline; the intervals of all rows of a comparison hold together
            in 95 %. NaN if a side has no number.
        moved: share of the scores that differ by more than rounding; NaN if they may differ.
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
    """A run compared with a baseline.

    Attributes:
        rows: one per (check, explainer, similarity) that has a verdict on either side.
        problems: why the run itself is not valid.
        study: names of the facts that make the two different studies; empty if each score must
            repeat.
        settings: other differences, a line each.
        tolerance: allowed increase of the retained share of a map.
        changes_allowed: whether scores may change as long as maps depend on the network as much.
    """

    rows: tuple[Row, ...]
    problems: tuple[str, ...]
    study: tuple[str, ...]
    settings: tuple[str, ...]
    tolerance: float = TOLERANCE
    changes_allowed: bool = False

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows that make the comparison fail."""
        fails = _FAILS if self.changes_allowed else {*_FAILS, "changed"}
        return tuple(row for row in self.rows if row.outcome in fails)

    @property
    def regressed(self) -> bool:
        """Whether the comparison fails."""
        return bool(self.failures or self.problems)
