"""The gate of a test: a verdict that must be a pass, a baseline that must hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn

import pytest

from saliency_bench import checks
from saliency_bench.compare import TOLERANCE, compare, freeze
from saliency_bench.compare import telling as comparing
from saliency_bench.parts import AnyExplainer, named
from saliency_bench.protocols import AREA, Check, Floats, Ints
from saliency_bench.report import view, words
from saliency_bench.results import Results
from saliency_bench.study import Options, evaluate

_USUAL: Sequence[Check] = (checks.ParameterRandomization(), checks.DataRandomization())
CHECKS: Mapping[str, Callable[..., Check]] = {n: type(c) for n, c in named(_USUAL).items()}
"""Checks that can be asked for by name."""

UPDATE = "pytest --saliency-update"


@dataclass
class Gate:
    """What the fixture `saliency_gate` is.

    Attributes:
        reports: folder of the reports, a folder per call.
        baselines: folder of this test's baselines; to be committed.
        update: write baselines instead of comparing with them.
        settings: for every call: of `Options`, e.g. draws, seed, batch_size, weights; of the
            check, if it is asked for by name, e.g. blocks; and `similarities`, by name.
    """

    reports: Path
    baselines: Path
    update: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    _calls: int = field(default=0, init=False)

    def passes(
        self,
        explainer: AnyExplainer,
        model: Any,
        images: Floats,
        targets: Ints | None,
        check: str | Check = "param_randomization",
        *,
        name: str = "explainer",
        tolerance: float = TOLERANCE,
        **settings: Any,
    ) -> Results:
        """The explainer must pass, and hold its baseline if this test has one.

        A baseline is there once `--saliency-update` has been given.

        Args:
            explainer: an explainer, or any callable `f(model, images, targets) -> maps`.
            model: any built Keras model.
            images: `[N, H, W, C]` float, model units; 5 or more for a verdict.
            targets: `[N]` int true classes, or None: explain what the model predicts.
            check: its name, or a check with settings of its own.
            name: of the explainer, in what is told.
            tolerance: how much more of a map than in the baseline may be retained.
            **settings: as the attribute of that name, which they go before.

        Raises:
            ValueError: if an argument does not fit.
        """
        results = self._run(explainer, model, images, targets, check, name, settings)
        verdict = str(results.verdicts.set_index("explainer").at[name, "verdict"])
        if verdict != "pass":
            self._fail(results, f"{name} must pass {_only(results)}; its verdict: {verdict}")
        if self.update or self._baseline.exists():
            self._hold(results, tolerance)
        return results

    def holds(
        self,
        explainer: AnyExplainer,
        model: Any,
        images: Floats,
        targets: Ints | None,
        check: str | Check = "param_randomization",
        *,
        name: str = "explainer",
        tolerance: float = TOLERANCE,
        **settings: Any,
    ) -> Results:
        """The explainer must depend on what was learned as much as in its baseline, pass or not.

        See `passes` for the arguments.

        Raises:
            ValueError: if an argument does not fit.
        """
        results = self._run(explainer, model, images, targets, check, name, settings)
        if not self.update and not self._baseline.exists():
            self._fail(results, f"{name} has no baseline at {self._baseline}; make it: {UPDATE}")
        self._hold(results, tolerance)
        return results

    def _run(
        self, explainer: AnyExplainer, model: Any, images: Floats, targets: Ints | None,
        check: str | Check, name: str, settings: Mapping[str, Any],
    ) -> Results:  # fmt: skip
        self._calls += 1
        given = {**self.settings, **settings}
        similarities = given.pop("similarities", None)
        options = {f.name: given.pop(f.name) for f in fields(Options) if f.name in given}
        results = evaluate(
            model, images, targets, explainers={name: explainer}, checks=[_check(check, given)],
            similarities=similarities, options=Options(**options),
        )  # fmt: skip
        if not results.valid:
            self._fail(results, "the run must be valid: its controls prove the instrument")
        return results

    def _hold(self, results: Results, tolerance: float) -> None:
        if self.update:
            freeze(results, self._baseline)
            return
        comparison = compare(self._baseline, results, tolerance=tolerance)
        if comparison.regressed:
            told = [comparing.conclusion(comparison), *comparing.lines(comparison)]
            self._fail(results, *told, f"baseline: {self._baseline}; if this is meant: {UPDATE}")

    def _fail(self, results: Results, *told: str) -> NoReturn:
        """End the test with the numbers, and where the figures lie."""
        page = results.report(self._numbered(self.reports)).with_name("report.html")
        figures = sorted((page.parent / "figures").glob("*.png"))
        lines = [*told, *results.guards, *results.problems, *_numbers(results)]
        lines += [f"report: {page}", *(f"figure: {path}" for path in figures)]
        pytest.fail("\n".join(lines), pytrace=False)

    @property
    def _baseline(self) -> Path:
        return self._numbered(self.baselines)

    def _numbered(self, folder: Path) -> Path:
        """A folder of this call's own."""
        return folder if self._calls == 1 else folder.with_name(f"{folder.name}-{self._calls}")


def _check(check: str | Check, settings: Mapping[str, Any]) -> Check:
    """A check by its name and settings, or as it is given."""
    known = "settings must be similarities, of Options, or of a check that is named"
    if not isinstance(check, str):
        if settings:
            raise ValueError(f"{known}; got {', '.join(settings)}")
        return check
    if check not in CHECKS:
        raise ValueError(f"check must be one of {', '.join(CHECKS)}, or a check; got {check!r}")
    try:
        return CHECKS[check](**settings)
    except TypeError as error:
        raise ValueError(f"{known}; {error}") from None


def _only(results: Results) -> str:
    (check,) = view.checks(results)
    return check


def _numbers(results: Results) -> Iterator[str]:
    """What was measured of the explainer, in words and by similarity."""
    check, known = _only(results), view.controls(results)
    yield from (line for name, line in words.plain(results, check).items() if name not in known)
    yield from (row.reason for row in view.verdict_rows(results, check) if not row.control)
    own = ~results.summary["explainer"].isin(known) & (results.summary["stage"] == AREA)
    thresholds = results.provenance["thresholds"]
    for _, row in results.summary[own].iterrows():
        name, numbers = str(row["similarity"]), row[["retained", "retained_low", "retained_high"]]
        line = "" if thresholds.get(name) is None else f", threshold {thresholds[name]:.2f}"
        found = f"retained {view.interval(*map(float, numbers))}{line}"
        verdict, floor = row["verdict"] or "no verdict", view.number(row["floor"])
        yield f"  {name}: {verdict}, {found}, floor {floor}"
