"""What has become of a verdict, decided by the interval of a difference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from saliency_bench.compare.rows import Outcome, Row
from saliency_bench.compare.sides import NOTHING, Area, Side, differing
from saliency_bench.inference import Case, Interval, difference
from saliency_bench.inference.counting import ABSENT
from saliency_bench.longtable import Key

ROUNDING = 0.01
"""What threads, batches, processors and libraries may do to a score."""
EXCEPTIONS = 0.01
"""The share of the scores that they may move further: where a rank or a bin tips over."""

DECIDED = {"pass", "fail", "inconclusive"}


@dataclass(frozen=True)
class Judge:
    """Decides on rows."""

    before: Side
    after: Side
    tolerance: float
    decisions: int
    same_study: bool

    def row(self, key: Key, matched: tuple[Case, Case] | None) -> Row:
        """One row; `matched` are its cases if both sides have it."""
        old, new = self.before.areas.get(key, NOTHING), self.after.areas.get(key, NOTHING)
        row = partial(
            Row, *key, before=old.verdict, after=new.verdict, baseline=old.found, run=new.found
        )
        if matched is None:
            if key in self.after.areas:
                return row(outcome="new", why="the baseline has no such row")
            return row(outcome="missing", why="the run has no such row")
        found = self._difference(*matched)
        moved = _moved(*matched) if self.same_study else float("nan")
        outcome, why = self._outcome(old, new, matched[1].statistic, found)
        if outcome == "same" and moved > EXCEPTIONS:
            outcome, why = (
                "changed",
                f"{why}, " * bool(why) + f"{moved:.0%} of the scores are others",
            )
        return row(outcome=outcome, why=why, difference=found, moved=moved)

    def _difference(self, case: Case, other: Case) -> Interval:
        images = differing(self.before, self.after, ("images_hash", "targets_hash", "seed"))
        pairs, others = case.pairs, other.pairs
        paired = not images and np.array_equal(pairs.stages, others.stages)
        paired = paired and pairs.kind.shape == others.kind.shape
        found = difference(other.reported, case.reported, case.statistic, paired=paired)
        return found.interval(self.decisions)

    def _outcome(
        self, old: Area, new: Area, statistic: str, found: Interval
    ) -> tuple[Outcome, str]:
        """What has become of a verdict, and why; no word of what is the same."""
        turned = f"{old.verdict} -> {new.verdict}" if old.verdict != new.verdict else ""
        if not (old.measured and new.measured):
            known = old.measured or old.verdict in DECIDED
            lost = new.verdict == "fail" or (known and not new.measured)
            outcome: Outcome = "regressed" if lost else "improved"
            return (outcome, f"{turned}: {new.reason}") if turned else ("same", "")
        numbers = f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
        told = ", ".join(filter(None, (turned, f"{statistic} {numbers}")))
        # Where maps must keep, the score is judged, and a lower one is worse.
        worse = -1 if statistic == "similarity" else 1
        low, high = sorted((worse * found.low, worse * found.high))
        if low > self.tolerance:
            return "regressed", f"{told}, beyond the tolerance {self.tolerance:g}"
        if (old.verdict, new.verdict) == ("pass", "fail") and low > 0:
            return "regressed", told
        if high < -self.tolerance or ((old.verdict, new.verdict) == ("fail", "pass") and high < 0):
            return "improved", told
        return "same", told if turned else ""


def _moved(case: Case, other: Case) -> float:
    """Share of the pairs that differ in their score by more than rounding, or in their kind."""
    pairs, others = case.pairs, other.pairs
    if pairs.kind.shape != others.kind.shape or not np.array_equal(pairs.stages, others.stages):
        return 1.0
    with np.errstate(invalid="ignore"):
        differ = np.abs(pairs.score - others.score) > ROUNDING
    differ |= pairs.kind != others.kind
    present = (pairs.kind != ABSENT) | (others.kind != ABSENT)
    return float(differ[present].mean()) if present.any() else 0.0
