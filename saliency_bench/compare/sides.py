"""A run or a baseline, as what is compared of it: its verdicts are drawn anew from its scores."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from saliency_bench.conclusion import evidence_of
from saliency_bench.inference import Case, Interval, cases, decide
from saliency_bench.longtable import Key
from saliency_bench.report.reading import measured
from saliency_bench.results import Results

STUDY = ("weights_hash", "images_hash", "targets_hash", "seed", "draws", "target", "output")
"""Facts that two runs share if their scores must be the same, one by one."""

SETTINGS = ("explainers", "checks", "similarities", "thresholds", "versions", "source")
"""Facts that may be why they are not."""


class Area(NamedTuple):
    """A verdict, why it is given, and the number it is taken on."""

    verdict: str
    reason: str
    measured: bool
    found: Interval


NOTHING = Area("", "", False, Interval(*(np.asarray(np.nan) for _ in range(3))))
"""What is known where there is no verdict."""


class Side:
    """A run or a baseline.

    Raises:
        ValueError: if its folder is not usable, or it does not say what it rests on.
    """

    def __init__(self, source: Results | Path) -> None:
        self.results = source if isinstance(source, Results) else measured(source)
        try:
            self._evidence = evidence_of(self.results)
        except KeyError as error:
            raise ValueError(
                f"a run must say what it rests on; one does not ({error}): it was made by an "
                "older version, the same command brings it up to date"
            ) from None
        areas = {case.key: _area(case) for case in self.cases(self._keys())}
        self.areas = {key: area for key, area in areas.items() if area.verdict}
        """Whatever has a verdict and is no control."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What decided the numbers."""
        return self.results.provenance

    @property
    def expectations(self) -> Mapping[str, Any]:
        """What each check promises."""
        return self._evidence.expectations

    def cases(self, keys: Iterable[Key]) -> Iterator[Case]:
        """What the verdicts are decided on."""
        return cases(self._evidence, keys)

    def require_valid(self, what: str) -> None:
        """Raises `ValueError` if a control or a guard says that it means nothing."""
        if not self.results.valid:
            why = "; ".join((*self.results.guards, *self.results.problems))
            raise ValueError(f"{what} must be valid; it is not: {why}")

    def _keys(self) -> list[Key]:
        judged = {name for name, line in self._evidence.thresholds.items() if line is not None}
        keys = self._evidence.scores.keys
        return [k for k in keys if k[1] not in self._evidence.controls and k[2] in judged]


def _area(case: Case) -> Area:
    return Area(*decide(case), getattr(case.reported, case.statistic))


def differing(before: Side, after: Side, names: Collection[str]) -> tuple[str, ...]:
    """The facts of those named that are not the same on both sides."""
    return tuple(name for name in names if before.facts.get(name) != after.facts.get(name))


def settings(before: Side, after: Side) -> Iterator[str]:
    """A line for every setting that is not the same on both sides."""
    for name in differing(before, after, SETTINGS):
        old, new = before.facts.get(name), after.facts.get(name)
        if not isinstance(old, dict) or not isinstance(new, dict):
            yield f"{name}: {old} -> {new}"
            continue
        for part in sorted(old.keys() & new.keys()):
            if old[part] != new[part]:
                yield f"{name}.{part}: {old[part]} -> {new[part]}"
