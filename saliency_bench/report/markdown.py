"""The report as Markdown: first whether the run is valid, last how it was done."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from saliency_bench.protocols import SCHEMA_VERSION
from saliency_bench.report import view
from saliency_bench.report.figures import Planned
from saliency_bench.report.terminal import LEGEND, NECESSARY, validity
from saliency_bench.results import Results

MEANING = f"""\
A verdict is **{NECESSARY}**. A map can pass and still point at the wrong pixels, and noise keyed \
by the weights passes too: do not rank explainers by it.

- **pass**: what is left of the map is below the threshold of its similarity, interval included.
- **fail**: more is left than the threshold allows; so much of the map was never about what the \
network learned.
- **inconclusive**: the interval contains the threshold; more draws or images may decide.
- **undefined**: the question has no answer here (constant or vanished maps, a map that does not \
repeat, a network at chance).

`retained` is 0 when a map shares no more with its changed self than maps of other images do, and \
1 when nothing changed. SSIM, HOG and MSE depend on how maps are scaled: they carry no \
verdict unless a threshold was set for them."""

READING = """\
`summary.csv` has a row per check, explainer, similarity and stage; stage -1 is the area over the \
cascade. `scores.parquet` has a row per image and draw behind it, `floors.parquet` the similarity \
of the maps of two draws, `networks.csv` what each condition did to the network.

The null is what two maps score that share nothing but the explainer, the ceiling what they score \
when nothing changed. The floor of a stage is what the maps of two draws of that stage score on \
one image. Halfway down a cascade two draws share layers; at the last stage, where every layer is \
redrawn, they are two unrelated networks, and only that floor stands in the row of the area. If it \
is high, the input alone dictates that much of the map: then magnitude survives a broken network \
whatever the explainer does, and signs tell more."""

_LONGEST = 200


def text(results: Results, drawn: Iterable[Planned]) -> str:
    """The whole report; the figures `drawn` lie in `figures/` beside it."""
    sections = [
        ("Saliency sanity report", _opening(results)),
        ("Verdicts", _verdicts(results)),
        ("What a verdict means", MEANING),
        ("Behind the verdicts", _reasons(results, applicable=True)),
        ("False verdicts to expect", escape(str(results.provenance.get("false_verdicts", "")))),
        ("Not applicable", _reasons(results, applicable=False)),
        ("Figures", "\n\n".join(map(_figure, drawn))),
        ("The network at each stage", _networks(results)),
        ("Undefined pairs", _undefined(results)),
        ("How it was run", table(["what", "value"], flattened(results.provenance))),
        ("How to read the files", READING),
    ]
    shown = [f"## {title}\n\n{body}" for title, body in sections if body]
    return "\n\n".join(shown).removeprefix("#") + "\n"


def escape(text: str) -> str:
    """`text` on one line, every character Markdown or HTML would act on made harmless."""
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*|\[#~$])", r"\\\1", line)
    # An underscore inside a word means nothing; escaped there it would only spoil the source.
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of escaped cells; empty without rows."""
    lines = [" | ".join(map(escape, row)) for row in rows]
    if not lines:
        return ""
    head = [" | ".join(map(escape, headers)), " | ".join("---" for _ in headers)]
    return "\n".join(f"| {line} |" for line in head + lines)


def flattened(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as dotted names with short values; provenance.json has them whole."""
    for key, value in facts.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            shown = str(value)
            yield f"{prefix}{key}", shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def _opening(results: Results) -> str:
    version = f"schema_version: {SCHEMA_VERSION}"
    if results.valid:
        return f"**{escape(validity(results))}**\n\n{version}"
    problems = "\n".join(f"- {escape(problem)}" for problem in results.problems)
    return f"**The run is NOT valid, use none of its verdicts:**\n\n{problems}\n\n{version}"


def _verdicts(results: Results) -> str:
    parts = [_verdict_table(results, check) for check in view.checks(results)]
    return "\n\n".join([*parts, *map(escape, LEGEND)])


def _verdict_table(results: Results, check: str) -> str:
    similarities = view.similarities(results, check)
    rows = view.verdict_rows(results, check)
    tested = [
        [row.explainer, row.verdict, row.retained, *row.others] for row in rows if not row.control
    ]
    controls = [
        [row.explainer, row.expected or "-", _outcome(row), row.retained, *row.others]
        for row in rows
        if row.control
    ]
    parts = [
        f"### {escape(check)}",
        table(["explainer", "verdict", "retained [95 % interval]", *similarities], tested),
        table(
            ["control", "must be", "verdict", "retained [95 % interval]", *similarities], controls
        ),
    ]
    return "\n\n".join(part for part in parts if part)


def _outcome(row: view.Row) -> str:
    return row.verdict if row.ok else f"{row.verdict}, WRONG"


def _reasons(results: Results, *, applicable: bool) -> str:
    return "\n".join(
        f"- {escape(check)}, {escape(', '.join(names))}: {escape(why)}"
        for check in view.checks(results)
        for why, names in view.reasons(
            row
            for row in view.verdict_rows(results, check)
            if (row.verdict != "not applicable") == applicable
        ).items()
    )


def _figure(drawn: Planned) -> str:
    caption = escape(drawn.caption)
    return f"![{drawn.stem}](figures/{drawn.stem}.png)\n\n{caption}"


def _networks(results: Results) -> str:
    rows = [
        [str(check), str(stage), str(condition), *_network(draws)]
        for (check, stage, condition), draws in results.networks.groupby(
            ["check", "stage", "condition"], sort=False, observed=True
        )
    ]
    headers = ["check", "stage", "condition", "draws", "accuracy", "ignores its input"]
    return table([*headers, "variables changed", "exempt"], rows)


def _network(draws: pd.DataFrame) -> list[str]:
    accuracy = draws["accuracy"]
    return [
        str(len(draws)),
        view.interval(accuracy.mean(), accuracy.min(), accuracy.max()),
        f"{int(draws['input_independent'].sum())} of {len(draws)}",
        f"{draws['variables_changed'].mean():.0f}",
        f"{draws['variables_exempt'].mean():.0f}",
    ]


def _undefined(results: Results) -> str:
    compared = results.scores[results.scores["stage"] > 0]
    keys = ["check", "explainer", "similarity"]
    counts = (
        compared.groupby([*keys, "status"], sort=False, observed=True).size().unstack(fill_value=0)
    )
    lost = counts.drop(columns="ok", errors="ignore")
    rows = [
        [*map(str, names), str(counts.loc[names].sum()), *map(str, row)]
        for names, row in zip(lost.index, lost.to_numpy(), strict=True)
        if row.any()
    ]
    headers = [*keys, "pairs", *map(str, lost.columns)]
    return table(headers, rows) or "Every pair of maps could be compared."
