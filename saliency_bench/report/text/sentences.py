"""What the terminal and the report say in whole sentences."""

from __future__ import annotations

from saliency_bench.report import view
from saliency_bench.results import Results

LEGEND = (
    "* the similarity the verdict is taken on",
    "! a similarity whose own verdict is another one",
)

_MEANING = """\
A verdict is **{necessary}**. A map can pass and still point at the wrong pixels, and noise keyed \
by the weights passes too: do not rank explainers by it.

- **pass**: what is left of the map is below the threshold of its similarity, interval included.
- **fail**: more is left than the threshold allows; so much of the map was never about what the \
network learned.
- **inconclusive**: the interval contains the threshold; more {draws} or images may decide.
- **undefined**: the question has no answer here (constant or vanished maps, a map that does not \
repeat, a network at chance{besides}).

`retained` is 0 when a map shares no more with its changed self than maps of other images do, and \
1 when {unchanged}. SSIM, HOG and MSE depend on how maps are scaled: they carry no \
verdict unless a threshold was set for them."""

_FILES = """\
`summary.csv` has a row per check, explainer, similarity and stage; stage -1 is {judged}. \
`scores.parquet` has a row per image and draw behind it, `floors.parquet` the similarity \
of the maps of two draws, `networks.csv` what each condition did to the network{trainings}."""

_CASCADE = """\
The null is what two maps score that share nothing but the explainer, the ceiling what they score \
when nothing changed. The floor of a stage is what the maps of two draws of that stage score on \
one image. Halfway down a cascade two draws share layers; at the last stage, where every layer is \
redrawn, they are two unrelated networks, and only that floor stands in the row of the area. If it \
is high, the input alone dictates that much of the map: then magnitude survives a broken network \
whatever the explainer does, and signs tell more."""

_TWINS = """\
{head} networks are trained anew, and a draw is a network. Stage 1 compares twins: networks \
trained on true labels from other first weights; a network's mean similarity with its twins is its \
ceiling. Later stages compare the same networks with as many that were trained on randomized \
labels. The null is what maps of different images score there, and `retained` says where true \
against randomized labels lies between the null and the twins. The floor of a stage is what the \
maps of two of its networks score on one image."""

_JUDGED = {
    "area": "the area over the cascade",
    "last": "the last stage",
    "mean": "the mean over the stages",
}


def necessary(results: Results) -> str:
    """What a pass does not say, in the terms of the checks that were run."""
    checks = view.ran(results)
    what = ["the labels" if view.twins(results, check) else "the weights" for check in checks]
    count = {0: "", 1: "", 2: " in both"}.get(len(checks), f" in all {len(checks)}")
    depends = " and ".join(dict.fromkeys(what)) or "what was learned"
    return (
        f"necessary, not sufficient: a pass{count} says the map depends on {depends}, not that it "
        "is right"
    )


def validity(results: Results) -> str:
    """One or two sentences: which verdicts of the run can be used."""
    if results.problems:
        return f"The run is NOT valid, use none of its verdicts: {'; '.join(results.problems)}"
    failed = guarded(results)
    rows = [
        row
        for check in view.ran(results)
        if check not in failed
        for row in view.verdict_rows(results, check)
    ]
    if not failed:
        return _controlled(rows, "The run is valid", "the run")
    lost = f"A guard failed: every verdict of {', '.join(failed)} is undefined."
    others = _controlled(rows, "The other verdicts stand", "the other verdicts")
    return f"{lost} {others}" if rows else lost


def guarded(results: Results) -> list[str]:
    """The checks that give no verdict because a guard failed."""
    return [check for check in view.ran(results) if view.expectation(results, check).guards]


def refusals(results: Results) -> dict[str, str]:
    """A sentence per check that could not be run at all, by check."""
    found = view.refused(results).items()
    return {check: f"{check} was not run: {reason}." for check, reason in found}


def remarks(results: Results) -> list[str]:
    """What else a reader must know: warnings, then notes."""
    facts = results.provenance
    warnings = [f"warning: {line}" for line in facts.get("warnings", ())]
    return warnings + [f"note: {line}" for line in facts.get("notes", ())]


def meaning(results: Results) -> str:
    """What each verdict means, in Markdown."""
    draws, besides, unchanged = "draws", "", "nothing changed"
    if any(view.twins(results, check) for check in view.ran(results)):
        draws, besides = "draws, networks", ", twins that do not agree, a guard that failed"
        unchanged += " or, where networks are trained anew, when it is as alike as a twin's"
    return _MEANING.format(
        necessary=necessary(results), draws=draws, besides=besides, unchanged=unchanged
    )


def reading(results: Results) -> str:
    """What is in the files, and what null, ceiling and floor are, in Markdown."""
    checks = view.ran(results)
    twins = [check for check in checks if view.twins(results, check)]
    judged = dict.fromkeys(_JUDGED[view.expectation(results, check).statistic] for check in checks)
    files = _FILES.format(
        judged=" or, by check, ".join(judged) or "what is judged",
        trainings=", `trainings.csv` how the networks learned" * bool(len(results.trainings)),
    )
    cascade = [_CASCADE] if len(twins) < len(checks) else []
    alike = [_TWINS.format(head=f"Under {', '.join(twins)}")] if twins else []
    return "\n\n".join([files, *cascade, *alike])


def _controlled(rows: list[view.Row], stands: str, what: str) -> str:
    """How many controls got the verdict they must get, or why none was held to one."""
    due = [row for row in rows if row.expected]
    if not due:
        return (
            f"Nothing speaks against {what}, but {_unchecked(rows)}: its instrument is unchecked."
        )
    right = sum(row.ok for row in due)
    return f"{stands}: {right} of {len(due)} controls got the verdict they must get."


def _unchecked(rows: list[view.Row]) -> str:
    silent = view.reasons(row for row in rows if row.verdict == "none")
    judged = {"pass", "fail", "inconclusive", "undefined"}
    if silent and not any(row.verdict in judged for row in rows):
        return f"no verdict was given, to controls neither ({'; '.join(silent)})"
    return "no control ran"
