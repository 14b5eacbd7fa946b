"""The gate of a test: a verdict that must be a pass, a baseline that must hold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn

import pytest

from saliency_bench import checks
from saliency_bench.compare import TOLERANCE, compare, freeze
from saliency_bench.compare import render as comparing
from saliency_bench.compare.comparison import require_share
from saliency_bench.protocols import AREA, Check, Floats, Ints, Similarity
from saliency_bench.report import view
from saliency_bench.report.text import plain_language
from saliency_bench.results import Results
from saliency_bench.study.build import Options
from saliency_bench.study.defaults import AnyExplainer, named
from saliency_bench.study.evaluate import evaluate

_USUAL: Sequence[Check] = (checks.ParameterRandomization(), checks.DataRandomization())
CHECKS: Mapping[str, Callable[..., Check]] = {n: type(c) for n, c in named(_USUAL).items()}
"""Checks that can be call for by name."""

UPDATE = "pytest --saliency-update"

_LONGEST = 80
"""Letters of a folder's name."""


@dataclass(frozen=True)
class _Call:
    """What one call asks for, checked before anything is computed."""

    name: str
    check: Check
    place: str
    tolerance: float
    similarities: Mapping[str, Similarity] | None
    options: Options


@dataclass(frozen=True)
class Gate:
    """What the fixture `saliency_gate` is.

    Attributes:
        reports: folder of the reports, a folder per call.
        baselines: folder of this test's baselines, a folder per call; to be committed.
        update: write baselines instead of comparing with them.
        settings: for every call: of `Options`, e.g. draws, seed, batch_size, weights; of the
            check, if it is call for by name, e.g. nested; `similarities`, by name; `tolerance`.
    """

    reports: Path
    baselines: Path
    update: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    _places: set[str] = field(default_factory=set, init=False, repr=False)

    def passes(
        self,
        explainer: AnyExplainer,
        model: Any,
        images: Floats,
        targets: Ints | None,
        check: str | Check = "param_randomization",
        *,
        name: str = "explainer",
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
            name: of the explainer, in what is told; calls of a test that ask for the same check
                need one each.
            **settings: as the attribute of that name, which they go before.

        Raises:
            ValueError: if an argument does not fit.
        """
        __tracebackhide__ = True
        call = self._read_call(check, name, settings)
        results = self._run(call, explainer, model, images, targets)
        verdict = str(results.verdicts.set_index("explainer").at[name, "verdict"]) or "none"
        if verdict != "pass":
            self._fail(call, results, f"{name} must pass {_only(results)}; its verdict: {verdict}")
        if self.update or self._baseline(call).exists():
            self._check_baseline(call, results)
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
        **settings: Any,
    ) -> Results:
        """The explainer must depend on what was learned as much as in its baseline, pass or not.

        See `passes` for the arguments.

        Raises:
            ValueError: if an argument does not fit.
        """
        __tracebackhide__ = True
        call = self._read_call(check, name, settings)
        folder = self._baseline(call)
        if not self.update and not folder.exists():
            pytest.fail(f"{name} has no baseline at {folder}; make it: {UPDATE}")
        results = self._run(call, explainer, model, images, targets)
        self._check_baseline(call, results)
        return results

    def _read_call(self, check: str | Check, name: str, settings: Mapping[str, Any]) -> _Call:
        given = {"tolerance": TOLERANCE, "similarities": None, **self.settings, **settings}
        tolerance, similarities = given.pop("tolerance"), given.pop("similarities")
        require_share(tolerance)
        options = {f.name: given.pop(f.name) for f in fields(Options) if f.name in given}
        chosen = _check(check, given)
        place = folder_name("-".join((*named([chosen]), name)))
        if place in self._places:
            raise ValueError(f"name must tell the calls of a test apart; got {name!r} twice")
        self._places.add(place)
        return _Call(name, chosen, place, tolerance, similarities, Options(**options))

    def _run(
        self, call: _Call, explainer: AnyExplainer, model: Any, images: Floats, targets: Any
    ) -> Results:
        __tracebackhide__ = True
        results = evaluate(
            model, images, targets, explainers={call.name: explainer}, checks=[call.check],
            similarities=call.similarities, options=call.options,
        )  # fmt: skip
        if not results.valid:
            self._fail(call, results, "the run must be valid: its controls prove the instrument")
        return results

    def _check_baseline(self, call: _Call, results: Results) -> None:
        __tracebackhide__ = True
        folder = self._baseline(call)
        if self.update:
            freeze(results, folder)
            return
        comparison = compare(folder, results, tolerance=call.tolerance)
        if comparison.regressed:
            told = [comparing.conclusion(comparison), *comparing.lines(comparison)]
            self._fail(call, results, *told, f"baseline: {folder}; if this is meant: {UPDATE}")

    def _fail(self, call: _Call, results: Results, *told: str) -> NoReturn:
        """End the test with the numbers, and where the figures lie."""
        __tracebackhide__ = True
        page = results.report(self.reports / call.place).with_name("report.html")
        figures = sorted((page.parent / "figures").glob("*.png"))
        lines = [*told, *results.guards, *results.problems, *_numbers(results)]
        lines += [f"report: {page}", *(f"figure: {path}" for path in figures)]
        pytest.fail("\n".join(lines))

    def _baseline(self, call: _Call) -> Path:
        return self.baselines / call.place


def _check(check: str | Check, settings: Mapping[str, Any]) -> Check:
    """A check by its name and settings, or as it is given."""
    known = "settings must be tolerance, similarities, of Options, or of a check that is named"
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
    yield from (
        line for name, line in plain_language.plain(results, check).items() if name not in known
    )
    yield from (row.reason for row in view.verdict_rows(results, check) if not row.control)
    own = ~results.summary["explainer"].isin(known) & (results.summary["stage"] == AREA)
    thresholds = results.provenance["thresholds"]
    for _, row in results.summary[own].iterrows():
        name, numbers = str(row["similarity"]), row[["retained", "retained_low", "retained_high"]]
        line = "" if thresholds.get(name) is None else f", threshold {thresholds[name]:.2f}"
        found = f"retained {view.interval(*map(float, numbers))}{line}"
        verdict, floor = row["verdict"] or "no verdict", view.number(row["floor"])
        yield f"  {name}: {verdict}, {found}, floor {floor}"


def folder_name(name: str) -> str:
    """A name for a folder on any system; no two names get the same one."""
    safe = "".join(c if c.isalnum() or c in "-_[]." else "_" for c in name)
    if safe == name and len(safe) <= _LONGEST:
        return safe
    return f"{safe[:_LONGEST]}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"
