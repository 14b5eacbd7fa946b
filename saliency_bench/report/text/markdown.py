"""The report as Markdown: first whether the run is valid, last how it was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import pandas as pd

from saliency_bench.protocols import SCHEMA_VERSION
from saliency_bench.report import view
from saliency_bench.report.figures import calibration
from saliency_bench.report.figures.planned import Planned
from saliency_bench.report.text import sentences
from saliency_bench.report.text.markup import escape, table
from saliency_bench.results import Results
from saliency_bench.storage.longtable import KEYS

_LONGEST = 200


def text(results: Results, drawn: Iterable[Planned]) -> str:
    """The whole report; the figures `drawn` lie in `figures/` beside it."""
    sections = [
        ("Saliency sanity report", _opening(results)),
        ("Warnings and notes", _remarks(results)),
        ("Verdicts", _verdicts(results)),
        ("What a verdict means", sentences.meaning(results)),
        ("Behind the verdicts", _reasons(results, applicable=True)),
        ("False verdicts to expect", escape(str(results.provenance.get("false_verdicts", "")))),
        ("Is retained calibrated?", _calibration(results)),
        ("Not applicable", _reasons(results, applicable=False)),
        ("Figures", "\n\n".join(map(_figure, drawn))),
        ("The networks", _trainings(results)),
        ("The network at each stage", _networks(results)),
        ("Undefined pairs", _undefined(results)),
        ("How it was run", table(["what", "value"], flattened(results.provenance))),
        ("How to read the files", sentences.reading(results)),
    ]
    shown = [f"## {title}\n\n{body}" for title, body in sections if body]
    return "\n\n".join(shown).removeprefix("#") + "\n"


def flattened(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as dotted names with short values; provenance.json has them whole."""
    for key, value in facts.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            shown = str(value)
            yield f"{prefix}{key}", shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def _opening(results: Results) -> str:
    """What takes verdicts away, or that nothing does."""
    parts = [f"**{escape(sentences.validity(results))}**"]
    if results.problems:
        parts = ["**The run is NOT valid, use none of its verdicts:**", _listed(results.problems)]
    if results.guards:
        parts = ["**Guards that failed:**", _listed(results.guards), *parts]
    return "\n\n".join([*parts, f"schema_version: {SCHEMA_VERSION}"])


def _remarks(results: Results) -> str:
    return _listed(sentences.remarks(results))


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escape(line)}" for line in lines)


def _verdicts(results: Results) -> str:
    refused = sentences.refusals(results)
    parts = [_overview(results)] if len(view.ran(results)) > 1 else []
    for check in view.checks(results):
        body = escape(refused[check]) if check in refused else _verdict_table(results, check)
        parts.append(f"### {escape(check)}\n\n{body}")
    return "\n\n".join([*parts, *map(escape, sentences.LEGEND)])


def _overview(results: Results) -> str:
    """A row per explainer, the verdicts of all checks beside one another."""
    known, found = view.controls(results), view.side_by_side(results)
    cells = [(check, "retained [95 % interval]") for check in view.ran(results)]
    parts = ["### All checks", escape(sentences.necessary(results))]
    for control, head in ((False, "explainer"), (True, "control")):
        rows = [[name, *_beside(found[name])] for name in found if (name in known) == control]
        parts.append(table([head, *chain.from_iterable(cells)], rows))
    return "\n\n".join(filter(None, parts))


def _beside(rows: Iterable[view.Row | None]) -> Iterator[str]:
    return chain.from_iterable((row.outcome, row.retained) if row else ("-", "-") for row in rows)


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
        for check in view.ran(results)
        for why, names in view.reasons(
            row
            for row in view.verdict_rows(results, check)
            if (row.verdict != "not applicable") == applicable
        ).items()
    )


def _calibration(results: Results) -> str:
    found = (_doses(results, check) for check in view.dosed(results))
    return _listed(chain.from_iterable(found))


def _doses(results: Results, check: str) -> list[str]:
    return calibration.dose_sentences(results, check)


def _figure(drawn: Planned) -> str:
    caption = escape(drawn.caption)
    return f"![{drawn.stem}](figures/{drawn.stem}.png)\n\n{caption}"


def _trainings(results: Results) -> str:
    """How far every network was trained, and what it learned."""
    ends = results.trainings.drop_duplicates("network", keep="last")
    columns = (ends[name] for name in ("network", "epoch", "train_accuracy", "test_accuracy"))
    rows = [
        [str(network), str(epochs), view.number(learned), view.number(tested)]
        for network, epochs, learned, tested in zip(*columns, strict=True)
    ]
    trained = table(["network", "epochs", "training accuracy", "test accuracy"], rows)
    chance = view.chance(results)
    if not trained or chance is None:
        return trained
    return f"{trained}\n\nChance is {chance:.2g}: what a network of random labels must not beat."


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
    counts = {key: Counter[str]() for key in results.long_scores.keys}
    for key, count in counts.items():
        rows = results.long_scores.rows(key)
        count.update(rows.loc[rows["stage"] > 0, "status"].astype(str))
    lost = sorted({status for count in counts.values() for status in count} - {"ok"})
    lines = [
        [*key, str(count.total()), *(str(count[status]) for status in lost)]
        for key, count in counts.items()
        if count.total() > count["ok"]
    ]
    headers = [*KEYS, "pairs", *lost]
    return table(headers, lines) or "Every pair of maps could be compared."
