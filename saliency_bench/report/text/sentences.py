"""Whole sentences of the terminal and the report."""

from __future__ import annotations

from collections.abc import Iterator

from saliency_bench.inference.quality import BETTER, INCONCLUSIVE, NOT_BETTER
from saliency_bench.report import view
from saliency_bench.report.blocks import Block, Bullets, Paragraph
from saliency_bench.results import Results

LEGEND = (
    "* the similarity the verdict is taken on",
    "! a similarity whose own verdict is another one",
)

MANY = 2
"""Most checks whose passes are put into one sentence."""

REFERENCES = "tables/references.bib"
"""The papers behind a run, in its folder."""

_JUDGED = {
    "area": "the area over the stages",
    "last": "the last stage",
    "order": "the rank correlation over the stages",
}


def necessary(results: Results) -> str:
    """What a pass says and what it does not, in the words of the checks that ran."""
    if not view.ran(results):
        return "no check ran: whether a map depends on what the network learned was not asked"
    checks = [check for check in view.ran(results) if not view.is_a_number(results, check)]
    clauses = [view.expectation(results, check).words.passes for check in checks]
    if len(set(clauses)) > MANY:
        return (
            "necessary, not sufficient: a pass says what its check asks, not that the map is right"
        )
    count = {0: "", 1: "", 2: " in both"}.get(len(checks), f" in all {len(checks)}")
    says = ", and that ".join(dict.fromkeys(clauses)) or "the map depends on what was learned"
    return f"necessary, not sufficient: a pass{count} says that {says}, not that the map is right"


def outcomes(results: Results) -> list[str]:
    """What each check breaks, and what a pass and a fail mean: a line per check."""
    return [outcome(results, check) for check in view.ran(results)]


def outcome(results: Results, check: str) -> str:
    """What a check breaks, and what a pass and a fail under it mean."""
    expectation = view.expectation(results, check)
    words = expectation.words
    if view.is_a_number(results, check):
        return f"{check}: {words.breaks}. No verdict: {expectation.no_verdict}."
    line = (
        f"{check}: {words.breaks}. Pass: {words.passes}, which does not make it right. "
        f"Fail: {words.fails}."
    )
    return f"{line} {words.note}".rstrip()


def validity(results: Results) -> str:
    """One or two sentences: which verdicts of the run can be used."""
    if results.problems:
        causes = "; ".join([*results.problems, *warnings(results)])
        return f"The run is NOT valid, use none of its verdicts: {causes}"
    failed = guarded(results)
    if not view.ran(results) and not results.quality.empty:
        return _metrics_valid(results)
    rows = [
        row
        for check in view.ran(results)
        if check not in failed
        for row in view.verdict_rows(results, check)
    ]
    if not failed:
        return _control_sentence(rows, "The run is valid", "the run")
    lost = f"A guard failed: every verdict of {', '.join(failed)} is undefined."
    others = _control_sentence(rows, "The other verdicts stand", "the other verdicts")
    return f"{lost} {others}" if rows else lost


def _metrics_valid(results: Results) -> str:
    """Whether the controls of the metrics, where there are no checks, got what they must."""
    kinds, table = view.controls_by_kind(results), results.quality
    due = [
        (kinds[kind], metric)
        for metric, facts in results.provenance.get("metrics", {}).items()
        for kind in facts["controls"]
        if kind in kinds
    ]
    if not due:
        return "Nothing speaks against the run, but no metric has a control: they are numbers."
    told = table[table["verdict"].isin([BETTER, NOT_BETTER, INCONCLUSIVE])]
    count = len(set(zip(told["explainer"], told["metric"], strict=True)) & set(due))
    if not count:
        return "Nothing speaks against the run, but no control has a result: they are numbers."
    return f"The run is valid: none of {count} results of controls speaks against its metric."


def guarded(results: Results) -> list[str]:
    """The checks that give no verdict because a guard failed."""
    return [check for check in view.ran(results) if view.expectation(results, check).guards]


def refusals(results: Results) -> dict[str, str]:
    """A sentence for each check that could not run at all."""
    reasons = view.refused(results).items()
    return {check: f"{check} was not run: {reason}." for check, reason in reasons}


def warnings(results: Results) -> list[str]:
    """What weakens the run; with problems, these are their likely causes."""
    return [f"warning: {line}" for line in results.provenance.get("warnings", ())]


def remarks(results: Results) -> list[str]:
    """Warnings, then notes, for the reader."""
    return warnings(results) + [f"note: {line}" for line in results.provenance.get("notes", ())]


def meaning(results: Results) -> Iterator[Block]:
    """What each verdict means."""
    expectations = [view.expectation(results, check) for check in view.ran(results)]
    draws = " or ".join(dict.fromkeys(e.words.draws for e in expectations)) or "draws"
    ceilings = dict.fromkeys(e.ceiling.name for e in expectations if e.ceiling.stage is not None)
    unchanged = f" or, where the ceiling is measured, as much as {', '.join(ceilings)} do"
    yield Paragraph(
        "A map can pass and still point at the wrong pixels, and noise keyed by what is broken "
        "passes too."
    )
    kept = [
        check for check in view.ran(results) if view.expectation(results, check).expects == "keep"
    ]
    yield Bullets(
        [
            "pass: what is left of the map is below the threshold of its similarity, interval "
            "included.",
            "fail: more is left than the threshold allows.",
            f"inconclusive: the interval holds the threshold; more {draws} or images may decide.",
            "undefined: the question has no answer here (constant or vanished maps, a map that "
            "does not repeat, no room between null and ceiling, a network at chance, a guard that "
            "failed).",
        ]
        + [
            f"{check} asks the opposite, whether maps are kept: pass if they are as close as its "
            "tolerance asks, interval included, and fail if they are not."
            for check in kept
        ]
    )
    yield Paragraph(
        "retained is 0 when a map shares no more with its changed self than maps of other images "
        "do, or has lost all that a check can take from it, and 1 when nothing "
        f"changed{unchanged if ceilings else ''}. SSIM, HOG and MSE depend "
        "on how maps are scaled: they carry no verdict unless a threshold was set for them."
    )


def reading(results: Results) -> Iterator[str]:
    """The contents of the files, and the null, ceiling and floor under each check."""
    checks = view.ran(results)
    statistics = dict.fromkeys(
        _JUDGED[view.expectation(results, check).statistic] for check in checks
    )
    trainings = ", trainings.csv how the networks learned" * bool(len(results.trainings))
    yield (
        "summary.csv has a row per check, explainer, similarity and stage; stage -1 is "
        f"{' or, by check, '.join(statistics) or 'what is judged'}. scores.parquet has a row per "
        "image and draw behind it, floors.parquet the similarity of the maps of two draws, "
        f"networks.csv what each condition did to the network{trainings}, reliability.csv how far "
        "images and draws agree on the explainers."
    )
    if results.provenance.get("papers"):
        yield f"{REFERENCES} has the papers behind this run, as BibTeX."
    for check in checks:
        expectation = view.expectation(results, check)
        captions = [own.caption for own in (expectation.ceiling, expectation.trend) if own]
        yield f"{check}: {' '.join(captions)}"


def _control_sentence(rows: list[view.Row], stands: str, what: str) -> str:
    """How many controls got the expected verdict, or why none had an expected one."""
    expected = [row for row in rows if row.expected]
    if not expected:
        reason = _reason_unchecked(rows)
        return f"Nothing speaks against {what}, but {reason}: its instrument is unchecked."
    right = sum(row.ok for row in expected)
    return f"{stands}: {right} of {len(expected)} controls got the verdict they must get."


def _reason_unchecked(rows: list[view.Row]) -> str:
    silent = view.reasons(row for row in rows if row.verdict == "none")
    decisions = {"pass", "fail", "inconclusive", "undefined"}
    if silent and not any(row.verdict in decisions for row in rows):
        return f"no verdict was given, to controls neither ({'; '.join(silent)})"
    return "no control ran"
