"""One side of a comparison, a run or a baseline; its verdicts are decided again from its scores."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from saliency_bench.inference import UNKNOWN, Case, Interval, cases, decide
from saliency_bench.inference.rules import Verdict
from saliency_bench.protocols import Expectation
from saliency_bench.results import Results, files
from saliency_bench.results.conclude import evidence_of, quality_of
from saliency_bench.results.read import read_measurements
from saliency_bench.storage.longtable import Key

SAME_SCORES = ("weights_hash", "images_hash", "targets_hash", "seed", "draws", "target", "output")
"""Facts that two runs share if each score must be the same."""

SETTINGS = ("explainers", "checks", "metric_settings", "similarities", "versions", "source")
"""Facts that may explain why scores differ."""

TRAININGS = "trainings_hash"
"""The fact that identifies the networks that a run trained: a hash."""


class Judgement(NamedTuple):
    """A verdict and its basis.

    Attributes:
        verdict: the verdict.
        number: the number on which it is decided, with its interval.
        case: the scores behind it; None if there is no such row.
    """

    verdict: Verdict
    number: Interval
    case: Case | None


NO_JUDGEMENT = Judgement(Verdict("", ""), UNKNOWN, None)


class Side:
    """A run or a baseline.

    Attributes:
        results: its results.
        name: its name in messages.
        evidence: the basis of its verdicts.
        keys: rows that may have a verdict, without controls.

    Raises:
        ValueError: if its folder is not usable, or its provenance lacks what verdicts need.
    """

    def __init__(self, source: Results | Path, name: str) -> None:
        self.name = name if isinstance(source, Results) else str(source)
        with self._name_errors():
            self.results = (
                source if isinstance(source, Results) else read_measurements(source, pictures=False)
            )
            self.evidence = evidence_of(self.results)
            controls = self.evidence.controls
            self.keys = tuple(
                key for key in self.evidence.scores.keys
                if key[1] not in controls and self._decides(*key)
            )  # fmt: skip

    def _decides(self, check: str, _: str, similarity: str) -> bool:
        """Whether a similarity may give a verdict under a check."""
        named = self.evidence.expectations[check].decides
        if named:
            return similarity == named
        return self.evidence.thresholds.get(similarity) is not None

    @property
    def facts(self) -> Mapping[str, Any]:
        """The provenance: what decided the numbers."""
        return self.results.provenance

    @property
    def expectations(self) -> Mapping[str, Expectation]:
        """What each check expects of maps, by its name."""
        return self.evidence.expectations

    @property
    def metric_keys(self) -> tuple[Key, ...]:
        """Explainer and metric of every row of the metrics."""
        table = self.results.long_metrics
        return () if table is None else table.keys

    @cached_property
    def quality(self) -> pd.DataFrame:
        """One row per (explainer, metric), judged again from the values."""
        return quality_of(self.results).table

    def metric_rows(self, explainer: str, metric: str) -> pd.DataFrame:
        """The values of an explainer by a metric, a row per image.

        Raises:
            ValueError: if they are not usable.
        """
        table = self.results.long_metrics
        with self._name_errors():
            return pd.DataFrame() if table is None else table.rows((explainer, metric))

    @cached_property
    def trainings(self) -> str:
        """Hash of the training histories of its networks."""
        table = files.csv(self.results.trainings)
        return str(self.facts.get(TRAININGS) or hashlib.blake2b(table, digest_size=16).hexdigest())

    def judge(self, key: Key) -> Judgement:
        """Decide the verdict of a row.

        Raises:
            ValueError: if its scores are not usable.
        """
        if key not in self.keys:
            return NO_JUDGEMENT
        with self._name_errors():
            (case,) = cases(self.evidence, [key])
            verdict = decide(case)
            return Judgement(verdict, case.number if verdict.verdict else UNKNOWN, case)

    def settings(self, check: str) -> tuple[object, ...]:
        """Settings of a check and its networks, which decide its scores beside the study."""
        trained = self.expectations[check].learned is not None
        return dict(self.facts.get("checks", {})).get(check), self.trainings if trained else None

    def stages(self, check: str) -> str:
        """The stages over which a check's area is averaged: how many, and which; empty if none."""
        networks = self.results.networks
        numbers = sorted({int(n) for n in networks.loc[networks["check"] == check, "stage"] if n})
        return f"{len(numbers)} ({', '.join(map(str, numbers))})" if numbers else ""

    def problems(self, checks: Collection[str]) -> Iterator[str]:
        """Why these checks are not valid: a line for each control or guard that failed."""
        named = tuple(f"{check}: " for check in checks)
        lines = (*self.results.guards, *self.results.problems)
        return (line for line in lines if line.startswith(named))

    def require_valid(self, what: str, checks: Collection[str]) -> None:
        """Raise `ValueError` if a control or a guard of these checks failed."""
        if why := "; ".join(self.problems(checks)):
            raise ValueError(f"{what} must be valid; it is not: {why}")

    @contextmanager
    def _name_errors(self) -> Iterator[None]:
        """Turn errors of unusable data into a `ValueError` in one line that names this side."""
        try:
            yield
        except (OSError, ValueError) as error:
            full = f"{self.name} must be one that can be compared: {error}"
            raise ValueError(f"{error}" if self.name in f"{error}" else full) from None


def differing_facts(before: Side, after: Side, names: Collection[str]) -> tuple[str, ...]:
    """Those of the named facts that differ between two sides.

    Args:
        before: the baseline.
        after: the run.
        names: of the facts to compare.
    """
    return tuple(name for name in names if before.facts.get(name) != after.facts.get(name))


def settings(before: Side, after: Side) -> Iterator[str]:
    """A line for each setting that differs between the sides."""
    for name in differing_facts(before, after, SETTINGS):
        old, new = before.facts.get(name), after.facts.get(name)
        if not isinstance(old, dict) or not isinstance(new, dict):
            yield f"{name}: {old} -> {new}"
            continue
        for part in sorted(old.keys() & new.keys()):
            if old[part] != new[part]:
                yield f"{name}.{part}: {old[part]} -> {new[part]}"
