"""The gate of a test: requires a pass, or that a run matches its baseline."""

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
"""Checks by the name that `saliency_gate` takes."""

UPDATE = "pytest --saliency-update"

_LONGEST = 80
"""Most letters of a folder's name."""


@dataclass(frozen=True)
class _Call:
    """The checked arguments of one call of the gate."""

    name: str
    check: Check
    place: str
    tolerance: float
    similarities: Mapping[str, Similarity] | None
    options: Options


@dataclass(frozen=True)
class Gate:
    """The object behind the fixture `saliency_gate`.

    Attributes:
        reports: folder of the reports, with a folder per call.
        baselines: folder of this test's baselines, with a folder per call; commit it.
        update: whether to write baselines instead of comparing with them.
        settings: defaults of every call. Fields of `Options`, e.g. draws, seed, batch_size,
            weights; fields of a check given by name, e.g. nested; `similarities`, by name;
            `tolerance`.
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
        """Require that the explainer passes, and matches its baseline if this test has one.

        `--saliency-update` writes the baseline.

        Args:
            explainer: an explainer, or any callable `f(model, images, targets) -> maps`.
            model: any built Keras model.
            images: `[N, H, W, C]` float, model units; at least 5 for a verdict.
            targets: `[N]` int true classes, or None: explain what the model predicts.
            check: name of a check, or a check object.
            name: name of the explainer in messages; must be unique among the calls of a test
                with the same check.
            **settings: override the attribute `settings`.

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
        """Require that the explainer matches its baseline, whatever its verdict.

        Args:
            explainer: an explainer, or any callable `f(model, images, targets) -> maps`.
            model: any built Keras model.
            images: `[N, H, W, C]` float, model units.
            targets: `[N]` int true classes, or None: explain what the model predicts.
            check: name of a check, or a check object.
            name: see `passes`.
            **settings: override the attribute `settings`.

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
            raise ValueError(
                f"name must be unique among a test's calls with a check; got {name!r} twice"
            )
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
            reasons = [comparing.conclusion(comparison), *comparing.lines(comparison)]
            hint = f"baseline: {folder}; if the change is intended: {UPDATE}"
            self._fail(call, results, *reasons, hint)

    def _fail(self, call: _Call, results: Results, *reasons: str) -> NoReturn:
        """Fail the test with its numbers and the paths of report and figures."""
        __tracebackhide__ = True
        page = results.report(self.reports / call.place).with_name("report.html")
        figures = sorted((page.parent / "figures").glob("*.png"))
        lines = [*reasons, *results.guards, *results.problems, *_numbers(results)]
        lines += [f"report: {page}", *(f"figure: {path}" for path in figures)]
        pytest.fail("\n".join(lines))

    def _baseline(self, call: _Call) -> Path:
        return self.baselines / call.place


def _check(check: str | Check, settings: Mapping[str, Any]) -> Check:
    """The check of a call: built from its name and settings, or the given object."""
    rule = "settings must be tolerance, similarities, or fields of Options or of the named check"
    if not isinstance(check, str):
        if settings:
            raise ValueError(f"{rule}; got {', '.join(settings)}")
        return check
    if check not in CHECKS:
        raise ValueError(f"check must be one of {', '.join(CHECKS)}, or a check; got {check!r}")
    try:
        return CHECKS[check](**settings)
    except TypeError as error:
        raise ValueError(f"{rule}; {error}") from None


def _only(results: Results) -> str:
    (check,) = view.checks(results)
    return check


def _numbers(results: Results) -> Iterator[str]:
    """The explainer's results: in words, then a line per similarity."""
    check, known = _only(results), view.controls(results)
    yield from (
        line for name, line in plain_language.plain(results, check).items() if name not in known
    )
    yield from (row.reason for row in view.verdict_rows(results, check) if not row.control)
    own = ~results.summary["explainer"].isin(known) & (results.summary["stage"] == AREA)
    thresholds, deciding = results.provenance["thresholds"], view.deciding(results, check)
    for _, row in results.summary[own].iterrows():
        name, numbers = str(row["similarity"]), row[deciding]
        line = "" if thresholds.get(name) is None else f", threshold {thresholds[name]:.2f}"
        value = view.interval(*map(float, numbers), digits=view.expectation(results, check).digits)
        share = f"{view.heading(results, check)} {value}{line}"
        verdict, floor = row["verdict"] or "no verdict", view.number(row["floor"])
        yield f"  {name}: {verdict}, {share}, floor {floor}"


def folder_name(name: str) -> str:
    """A folder name that is valid on any system; different names get different folders."""
    safe = "".join(c if c.isalnum() or c in "-_[]." else "_" for c in name)
    if safe == name and len(safe) <= _LONGEST:
        return safe
    return f"{safe[:_LONGEST]}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"
