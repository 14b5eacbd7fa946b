"""The sections of a report: one list that the terminal, the Markdown and the page render.

The content of a section depends on no output format and on no check by name. To add a section, add
an entry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pandas as pd

from saliency_bench.report import view
from saliency_bench.report.blocks import (
    Block,
    Bullets,
    Cards,
    Controls,
    Facts,
    Figures,
    Grid,
    Paragraph,
    Verdicts,
)
from saliency_bench.report.text import answer, quality, reliability, sentences
from saliency_bench.report.text.calibration import dose_sentences, dosed
from saliency_bench.results import Results, files
from saliency_bench.storage.longtable import KEYS

Content = Callable[[Results], Iterable[Block]]

_TOLD = ("warnings", "notes", "false_verdicts", "papers")
"""Facts that have a section or a file of their own."""

_LONGEST = 200
"""Most characters of a fact."""


@dataclass(frozen=True)
class Section:
    """A part of a report; it is left out if it has no content.

    Attributes:
        anchor: its name within the page.
        title: its heading.
        content: its blocks for a run.
        brief: what the terminal shows instead; default: the same content.
        folded: whether the page shows it only on demand.
    """

    anchor: str
    title: str
    content: Content
    brief: Content | None = None
    folded: bool = False


def nothing(results: Results) -> Iterator[Block]:
    """No block."""
    yield from ()


# ---------------------------------------------------------------- validity and verdicts


def _state(results: Results) -> Iterator[Block]:
    """What was run, whether it may be used, and the answer."""
    yield Facts(list(answer.facts(results)))
    if results.guards:
        yield Paragraph("Guards that failed:", "alarm")
        yield Bullets(results.guards, "alarm")
    if results.problems:
        yield Paragraph("The run is NOT valid, use none of its verdicts:", "alarm")
        yield Bullets([*results.problems, *sentences.warnings(results)], "alarm")
    elif sentence := sentences.validity(results):
        yield Paragraph(sentence, "strong" if results.valid else "alarm")
    yield from _answer(results)
    if view.ran(results):
        line = f"A verdict is {sentences.necessary(results)}. Do not rank explainers by it."
    else:
        line = f"In this run {sentences.necessary(results)}."
    yield Paragraph(line, "quiet")


def _answer(results: Results) -> Iterator[Block]:
    line = answer.headline(results)
    if line and not results.problems:
        yield Paragraph(line, "answer")


def _alarms(results: Results) -> Iterator[Block]:
    yield Bullets([f"guard failed: {line}" for line in results.guards], "alarm")


def _remarks(results: Results) -> Iterator[Block]:
    told = sentences.warnings(results) if results.problems else []
    yield Bullets([line for line in sentences.remarks(results) if line not in told], "quiet")


def _verdicts(results: Results) -> Iterator[Block]:
    yield Bullets(list(sentences.refusals(results).values()), "strong")
    yield Verdicts()
    if view.ran(results):
        yield Paragraph("   ".join(sentences.LEGEND), "quiet")
    yield Bullets(sentences.outcomes(results))


def _meaning(results: Results) -> Iterator[Block]:
    if view.ran(results):
        yield from sentences.meaning(results)


def _decided(results: Results) -> Iterator[Block]:
    yield from _reasons(results, lambda row: row.verdict != "not applicable")


def _open(results: Results) -> Iterator[Block]:
    """Why verdicts are neither pass nor fail, or similarities disagree.

    Checks with a failed guard are left out, as another section reports them.
    """
    guarded = sentences.guarded(results)
    yield from _reasons(
        results,
        lambda row: (
            not row.control and (bool(row.disagrees) or row.verdict not in ("pass", "fail"))
        ),
        [check for check in view.ran(results) if check not in guarded],
    )


def _not_applicable(results: Results) -> Iterator[Block]:
    yield from _reasons(results, lambda row: row.verdict == "not applicable")


def _reasons(
    results: Results, includes: Callable[[view.Row], bool], checks: Iterable[str] | None = None
) -> Iterator[Block]:
    ran = view.ran(results)
    yield Bullets(
        [
            f"{check}, " * (len(ran) > 1) + f"{', '.join(names)}: {why}"
            for check in (ran if checks is None else checks)
            for why, names in view.reasons(
                row for row in view.verdict_rows(results, check) if includes(row)
            ).items()
        ]
    )


def _numbers(results: Results) -> Iterator[Block]:
    """The numbers of checks that give no verdict, at every stage."""
    for check in view.ran(results):
        if view.is_a_number(results, check):
            yield Grid([check, *view.later_stages(results, check).values()], _rows(results, check))


def _rows(results: Results, check: str) -> list[list[str]]:
    stages = view.later_stages(results, check)
    return [
        [
            name,
            *(view.interval(*table.loc[s, ["mean", "low", "high"]].astype(float)) for s in stages),
        ]
        for similarity in view.similarities(results, check)
        for name, table in view.curves(results, check, similarity).items()
    ]


def _false_verdicts(results: Results) -> Iterator[Block]:
    if text := str(results.provenance.get("false_verdicts", "")):
        yield Paragraph(text, "quiet")


def _calibration(results: Results) -> Iterator[Block]:
    lines = (dose_sentences(results, check) for check in dosed(results))
    yield Bullets(list(chain.from_iterable(lines)))


def _close(results: Results) -> Iterator[Block]:
    """The last lines on the terminal."""
    yield Paragraph(sentences.necessary(results))
    yield Paragraph(sentences.validity(results), "strong" if results.valid else "alarm")
    yield from _answer(results)


# ---------------------------------------------------------------- networks, settings and files


def _trainings(results: Results) -> Iterator[Block]:
    """How long every network was trained, and what it learned."""
    ends = results.trainings.drop_duplicates("network", keep="last")
    columns = (ends[name] for name in ("network", "epoch", "train_accuracy", "test_accuracy"))
    rows = [
        [str(network), str(epochs), view.number(learned), view.number(tested)]
        for network, epochs, learned, tested in zip(*columns, strict=True)
    ]
    yield Grid(["network", "epochs", "training accuracy", "test accuracy"], rows)
    chance = view.test_chance(results)
    if rows and chance is not None:
        yield Paragraph(
            "The test accuracy is that on all test images of the data set. Chance is "
            f"{chance:.2g} there: a network of random labels must not beat it."
        )


def _networks(results: Results) -> Iterator[Block]:
    rows = [
        [str(check), str(stage), str(condition), *_network(draws)]
        for (check, stage, condition), draws in results.networks.groupby(
            ["check", "stage", "condition"], sort=False, observed=True
        )
    ]
    head = ["check", "stage", "condition", "draws", "accuracy", "ignores its input"]
    yield Grid([*head, "variables changed", "exempt"], rows)


def _network(draws: pd.DataFrame) -> list[str]:
    accuracy = draws["accuracy"]
    return [
        str(len(draws)),
        view.interval(accuracy.mean(), accuracy.min(), accuracy.max()),
        f"{int(draws['input_independent'].sum())} of {len(draws)}",
        f"{draws['variables_changed'].mean():.0f}",
        f"{draws['variables_exempt'].mean():.0f}",
    ]


def _undefined(results: Results) -> Iterator[Block]:
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
    yield Grid([*KEYS, "pairs", *lost], lines)
    if not lines:
        yield Paragraph("Every pair of maps could be compared.")


def _how(results: Results) -> Iterator[Block]:
    facts = {name: fact for name, fact in results.provenance.items() if name not in _TOLD}
    yield Grid(["what", "value"], list(flatten(files.plain(facts))))


def _files(results: Results) -> Iterator[Block]:
    yield from map(Paragraph, sentences.reading(results))


def flatten(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as dotted names with shortened values; provenance.json has the full ones."""
    for key, value in facts.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            text = str(value)
            yield f"{prefix}{key}", text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _of(block: Block) -> Content:
    """The content of a section with one block that every renderer draws in its own way."""
    return lambda results: (block,)


SECTIONS: list[Section] = [
    Section("state", "Saliency sanity report", _state, _alarms),
    Section("remarks", "Warnings and notes", _remarks, nothing),
    Section("verdicts", "Verdicts", _verdicts),
    Section("meaning", "What a verdict means", _meaning, nothing, folded=True),
    Section("reasons", "Behind the verdicts", _decided, _open, folded=True),
    Section("quality", "Quality of the maps", quality.blocks, quality.brief),
    Section("evidence", "All evidence", quality.evidence, nothing),
    Section("numbers", "Numbers without a verdict", _numbers),
    Section("explainers", "Explainers", _of(Cards()), nothing),
    Section("controls", "Controls", _of(Controls()), nothing),
    Section("false", "False verdicts to expect", _false_verdicts, nothing),
    Section("calibration", "Is retained calibrated?", _calibration, nothing),
    Section(
        "reliability", "How reliable are the scores?", reliability.blocks, nothing, folded=True
    ),
    Section("excluded", "Not applicable", _not_applicable, nothing),
    Section("figures", "Figures", _of(Figures()), nothing),
    Section("trainings", "The networks", _trainings, nothing, folded=True),
    Section("stages", "The network at each stage", _networks, nothing, folded=True),
    Section("undefined", "Undefined pairs", _undefined, nothing, folded=True),
    Section("how", "How it was run", _how, nothing, folded=True),
    Section("files", "How to read the files", _files, nothing, folded=True),
    Section("notes", "", nothing, _remarks),
    Section("close", "", nothing, _close),
]
"""In the order of every report; the first title is the title of the report."""
