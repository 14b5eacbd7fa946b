"""A run or a baseline, as what is compared of it: its verdicts are drawn anew from its scores."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from saliency_bench.compare.rows import UNKNOWN
from saliency_bench.inference import Case, Evidence, Interval, cases, decide
from saliency_bench.inference.rules import Verdict
from saliency_bench.protocols import Expectation
from saliency_bench.results import Results, files
from saliency_bench.results.conclude import evidence_of
from saliency_bench.results.read import measured
from saliency_bench.storage.longtable import Key

SAME_SCORES = ("weights_hash", "images_hash", "targets_hash", "seed", "draws", "target", "output")
"""Facts that two runs share if their scores must be the same, one by one."""

SETTINGS = ("explainers", "checks", "similarities", "versions", "source")
"""Facts that may be why they are not."""

TRAININGS = "trainings_hash"
"""The fact that stands for the networks that a run trained."""


class Judgement(NamedTuple):
    """A verdict, the number it is taken on, and what it is decided on; no case, no such row."""

    verdict: Verdict
    found: Interval
    case: Case | None


NO_JUDGEMENT = Judgement(Verdict("", ""), UNKNOWN, None)


class Side:
    """A run or a baseline.

    Attributes:
        results: of it.
        name: what it is called where it is not usable.
        evidence: what its verdicts rest on.
        keys: whatever may have a verdict and is no control.

    Raises:
        ValueError: if its folder is not usable, or it does not say what it rests on.
    """

    def __init__(self, source: Results | Path, name: str) -> None:
        self.name = name if isinstance(source, Results) else str(source)
        with self._usable():
            self.results = (
                source if isinstance(source, Results) else measured(source, pictures=False)
            )
            self.evidence = self._evidence()
            judged = {name for name, line in self.evidence.thresholds.items() if line is not None}
            known = self.evidence.scores.keys
            self.keys = tuple(
                k for k in known if k[1] not in self.evidence.controls and k[2] in judged
            )

    @property
    def facts(self) -> Mapping[str, Any]:
        """What decided the numbers."""
        return self.results.provenance

    @property
    def expectations(self) -> Mapping[str, Expectation]:
        """What each check promises."""
        return self.evidence.expectations

    @cached_property
    def trainings(self) -> str:
        """A hash of how its networks learned."""
        table = files.csv(self.results.trainings)
        return str(self.facts.get(TRAININGS) or hashlib.blake2b(table, digest_size=16).hexdigest())

    def judge(self, key: Key) -> Judgement:
        """The verdict of a row.

        Raises:
            ValueError: if what it rests on is not usable.
        """
        if key not in self.keys:
            return NO_JUDGEMENT
        with self._usable():
            (case,) = cases(self.evidence, [key])
            verdict = decide(case)
            found = getattr(case.reported, case.statistic) if verdict.verdict else UNKNOWN
            return Judgement(verdict, found, case)

    def settings(self, check: str) -> tuple[object, ...]:
        """What of a check decides its scores beside the study."""
        trained = self.expectations[check].learned is not None
        return dict(self.facts.get("checks", {})).get(check), self.trainings if trained else None

    def problems(self, checks: Collection[str]) -> Iterator[str]:
        """Why these checks mean nothing."""
        named = tuple(f"{check}: " for check in checks)
        lines = (*self.results.guards, *self.results.problems)
        return (line for line in lines if line.startswith(named))

    def require_valid(self, what: str, checks: Collection[str]) -> None:
        """Raises `ValueError` if a control or a guard says that these checks mean nothing."""
        if why := "; ".join(self.problems(checks)):
            raise ValueError(f"{what} must be valid; it is not: {why}")

    def _evidence(self) -> Evidence:
        try:
            return evidence_of(self.results)
        except KeyError as error:
            raise ValueError(
                f"it does not say what it rests on ({error}): it was made by an older version, "
                "the same command brings it up to date"
            ) from None

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Whatever is wrong with what was read is one line that names it."""
        try:
            yield
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            text = f"{error}" if isinstance(error, OSError | ValueError) else repr(error)
            told = f"{self.name} must be one that can be compared: {text}"
            raise ValueError(text if self.name in text else told) from None


def differing_facts(before: Side, after: Side, names: Collection[str]) -> tuple[str, ...]:
    """The facts of those named that are not the same on both sides."""
    return tuple(name for name in names if before.facts.get(name) != after.facts.get(name))


def settings(before: Side, after: Side) -> Iterator[str]:
    """A line for every setting that is not the same on both sides."""
    for name in differing_facts(before, after, SETTINGS):
        old, new = before.facts.get(name), after.facts.get(name)
        if not isinstance(old, dict) or not isinstance(new, dict):
            yield f"{name}: {old} -> {new}"
            continue
        for part in sorted(old.keys() & new.keys()):
            if old[part] != new[part]:
                yield f"{name}.{part}: {old[part]} -> {new[part]}"
