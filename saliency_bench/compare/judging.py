"""What has become of a verdict, decided by the interval of a difference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from saliency_bench.compare.rows import Outcome, Row
from saliency_bench.compare.sides import NOTHING, Side, differing
from saliency_bench.inference import Case, Interval, decide, difference
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
        outcome, why = self._outcome(matched[1], old.verdict, found, moved)
        return row(outcome=outcome, why=why, difference=found, moved=moved)

    def _difference(self, case: Case, other: Case) -> Interval:
        images = differing(self.before, self.after, ("images_hash", "targets_hash", "seed"))
        pairs, others = case.pairs, other.pairs
        paired = not images and np.array_equal(pairs.stages, others.stages)
        paired = paired and pairs.kind.shape == others.kind.shape
        found = difference(other.reported, case.reported, case.statistic, paired=paired)
        return found.interval(self.decisions)

    def _outcome(self, case: Case, old: str, found: Interval, moved: float) -> tuple[Outcome, str]:
        """What has become of the verdict `old`; `case` is that of the run."""
        new, reason = decide(case)
        turned = f"{old} -> {new}" if old != new else ""
        if not {old, new} <= DECIDED:
            if turned:
                lost = old in DECIDED or new == "fail"
                return "regressed" if lost else "improved", f"{turned}: {reason}"
            return ("changed", _others(moved)) if moved > EXCEPTIONS else ("same", "")
        numbers = f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
        told = ", ".join(filter(None, (turned, f"{case.statistic} {numbers}")))
        # Where maps must keep, the score is judged, and a lower one is worse.
        worse = -1 if case.statistic == "similarity" else 1
        low, high = sorted((worse * found.low, worse * found.high))
        if low > self.tolerance:
            return "regressed", f"{told}, beyond the tolerance {self.tolerance:g}"
        # Without a number there was nothing to retain: then the verdicts speak.
        if (old, new) == ("pass", "fail") and not low <= 0:
            return "regressed", told
        if high < -self.tolerance or ((old, new) == ("fail", "pass") and not high >= 0):
            return "improved", told
        if moved > EXCEPTIONS:
            return "changed", f"{told}; {_others(moved)}"
        return "same", told if turned else ""


def _others(moved: float) -> str:
    return f"{moved:.0%} of the scores are others"


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
