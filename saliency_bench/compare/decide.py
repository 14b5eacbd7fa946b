"""Decides the outcome of a row by the interval of a difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saliency_bench.compare.evidence import SAME_SCORES, Side, differing_facts
from saliency_bench.compare.rows import Outcome, Row
from saliency_bench.inference import UNKNOWN, Case, Estimate, Interval, difference
from saliency_bench.inference.pairs import ABSENT
from saliency_bench.inference.rules import Verdict
from saliency_bench.protocols import FAILURES
from saliency_bench.storage.longtable import Key

ROUNDING = 0.01
"""Largest change of a score by threads, batches, processors and libraries."""

EXCEPTIONS = 0.01
"""Share of the scores that may change more: two ranks may swap, or a slope change its bin."""

_LOST = {("pass", "fail"), ("better", "not better")}
"""From a good verdict to a bad one."""

_MEASURED_VERDICTS = {"pass", "fail", "inconclusive"}


@dataclass(frozen=True)
class Match:
    """The two sides of a row.

    Attributes:
        key: of the row.
        old: the verdict of the baseline.
        new: the verdict of the run.
        baseline: the number on which `old` is decided.
        run: the number on which `new` is decided.
        worse: 1 if a higher number is worse, -1 if a lower one is.
        name: of the number.
        digits: decimals of the number in words.
        difference: of the numbers, run minus baseline.
        moved: see `Row`.
    """

    key: Key
    old: Verdict
    new: Verdict
    baseline: Interval
    run: Interval
    worse: int = 1
    name: str = "retained"
    digits: int = 2
    difference: Estimate | None = None
    moved: float = float("nan")

    @property
    def decided(self) -> bool:
        """Whether both sides have a verdict."""
        return bool(self.old.verdict and self.new.verdict)

    def row(self, tolerance: float, decisions: int) -> Row:
        """The row, when so many rows are decided together.

        Args:
            tolerance: allowed increase of the retained share of a map.
            decisions: number of rows with a verdict on both sides; widens the interval.
        """
        interval = self.difference.interval(decisions) if self.difference else UNKNOWN
        outcome, why = self._outcome(interval, tolerance)
        if self.moved > EXCEPTIONS and outcome in ("same", "improved"):
            share = f"{self.moved:.0%} of the scores differ"
            why = ", ".join(filter(None, (why or self._describe(interval), share)))
            outcome = "changed"
        check, explainer, similarity = self.key
        return Row(
            check, explainer, similarity, outcome, why,
            before=self.old.verdict, after=self.new.verdict,
            baseline=self.baseline, run=self.run, difference=interval, moved=self.moved,
        )  # fmt: skip

    def _outcome(self, interval: Interval, tolerance: float) -> tuple[Outcome, str]:
        """The outcome and its reason; no reason if the verdict stays the same."""
        old, new = self.old.verdict, self.new.verdict
        if not old:
            return "new", "the baseline has no such verdict"
        if not new:
            return "missing", self.new.reason or "the run has no such row"
        if not (self.old.measured and self.new.measured):
            return self._without_numbers()
        text = self._describe(interval)
        low, high = sorted((self.worse * interval.low, self.worse * interval.high))
        if low > tolerance:
            return "regressed", f"{text}, beyond the tolerance {tolerance:g}"
        if (old, new) in _LOST and low > 0:
            return "regressed", text
        if high < -tolerance or ((new, old) in _LOST and high < 0):
            return "improved", text
        return "same", text if old != new else ""

    def _without_numbers(self) -> tuple[Outcome, str]:
        old, new = self.old.verdict, self.new.verdict
        if old == new:
            return "same", ""
        had = self.old.measured or old in _MEASURED_VERDICTS
        lost = new == "fail" or new in FAILURES or (had and not self.new.measured)
        return "regressed" if lost else "improved", f"{old} -> {new}: {self.new.reason}"

    def _describe(self, interval: Interval) -> str:
        """The change in words; empty if there is no interval."""
        old, new = self.old.verdict, self.new.verdict
        if not np.isfinite(interval.low):
            return ""
        value, low, high = (f"{number:+.{self.digits}f}" for number in interval)
        numbers = f"{self.name} {value} [{low}, {high}]"
        return f"{old} -> {new}, {numbers}" if old != new else numbers


def match_sides(before: Side, after: Side, key: Key) -> Match:
    """Match the verdicts and scores of a row.

    Args:
        before: the baseline.
        after: the run.
        key: of the row.

    Raises:
        ValueError: if the data of a side is not usable.
    """
    old, baseline, case = before.judge(key)
    new, run, other = after.judge(key)
    if case is None or other is None:
        return Match(key, old, new, baseline, run)
    alike = before.settings(key[0]) == after.settings(key[0])
    same_images = alike and not differing_facts(
        before, after, ("images_hash", "targets_hash", "seed")
    )
    paired = same_images and _same_places(case, other)
    repeats = alike and not differing_facts(before, after, SAME_SCORES)
    return Match(
        key, old, new, baseline, run,
        worse=case.worse,
        name=case.expectation.judged,
        digits=other.expectation.digits,
        difference=difference(other.reported, case.reported, case.statistic, paired=paired),
        moved=_share_moved(case, other) if repeats else np.nan,
    )  # fmt: skip


def _same_places(case: Case, other: Case) -> bool:
    """Whether two cases have the same stages, draws and images."""
    sides = [(c.pairs.stages, c.draws, c.images) for c in (case, other)]
    return all(np.array_equal(one, two) for one, two in zip(*sides, strict=True))


def _share_moved(case: Case, other: Case) -> float:
    """Share of the pairs whose scores differ by more than rounding, or whose kinds differ."""
    if not _same_places(case, other):
        return 1.0
    pairs, others = case.pairs, other.pairs
    with np.errstate(invalid="ignore"):
        differ = np.abs(pairs.score - others.score) > ROUNDING
    differ |= pairs.kind != others.kind
    present = (pairs.kind != ABSENT) | (others.kind != ABSENT)
    return float(differ[present].mean()) if present.any() else 0.0
