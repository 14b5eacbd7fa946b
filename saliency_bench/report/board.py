"""Several networks side by side: one table for each question, explainers down, networks across.

A column is one network on one data set; several runs may fill it. There is no single grade: each
check and each metric has a table of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from saliency_bench.report import view
from saliency_bench.report.blocks import Block, Grid, Paragraph
from saliency_bench.report.text import quality, sentences
from saliency_bench.results import Results

Studies = Mapping[str, Sequence[Results]]
"""The runs of each network on its data set, by its title; no two of a title ask the same."""

NOT_APPLICABLE = "not applicable"
"""What is said where an explainer cannot serve a network."""

NAMED = 3
"""Most explainers that a cell names; the tables below name all."""

LEAST = 4
"""Fewest explainers that two networks must share for an agreement of their orders."""


@dataclass(frozen=True)
class Part:
    """A part of the board.

    Attributes:
        anchor: its name within a page.
        title: its heading.
        blocks: what it shows.
    """

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Column:
    """What one network says on one question.

    Attributes:
        cells: of each explainer, as text.
        values: the same as numbers, larger is better; NaN where there is none.
        outcomes: of each explainer: a verdict, or the result of a metric.
    """

    cells: Mapping[str, str]
    values: Mapping[str, float]
    outcomes: Mapping[str, str]


def titled(found: Mapping[str, Results]) -> dict[str, list[Results]]:
    """Studies by network and data set.

    Those of the same network and data set, on other images for example, are one column. Where they
    ask the same question they are columns of their own.

    Args:
        found: by a name that tells them apart.
    """
    groups: dict[str, dict[str, Results]] = {}
    for name, results in found.items():
        groups.setdefault(_title(results), {})[name] = results
    studies: dict[str, list[Results]] = {}
    for title, runs in groups.items():
        asked = Counter(question for results in runs.values() for question in _questions(results))
        if max(asked.values(), default=0) <= 1:
            studies[title] = list(runs.values())
        else:
            studies |= {f"{title} ({name})": [results] for name, results in runs.items()}
    return studies


def parts(studies: Studies) -> Iterator[Part]:
    """The board of several networks.

    Args:
        studies: by title.
    """
    yield Part("networks", "Several networks side by side", tuple(_overview(studies)))
    questions = {name: _verdicts(studies, name) for name in _all(studies, view.ran)}
    measures = {name: _qualities(studies, name) for name in _all(studies, _metrics)}
    for control, title in ((False, "Verdicts"), (True, "Controls")):
        names = [name for name in _explainers(studies) if _is_control(studies, name) == control]
        blocks: list[Block] = []
        if len(studies) > 1 and not control:
            blocks.append(_counts(questions, names))
        for check, columns in questions.items():
            blocks += [Paragraph(check, "strong"), _table(columns, names)]
        if not control:
            for metric, columns in measures.items():
                blocks += [Paragraph(_heading(studies, metric), "strong"), _table(columns, names)]
        yield Part(title.lower(), title, tuple(blocks))
    tested = [name for name in _explainers(studies) if not _is_control(studies, name)]
    yield Part(
        "agreement", "Does the order carry over?", tuple(_agreement(questions | measures, tested))
    )


def _title(results: Results) -> str:
    facts = results.provenance
    return f"{facts.get('model', 'a model')} on {facts.get('dataset', 'images')}"


def _questions(results: Results) -> list[str]:
    return [*view.ran(results), *_metrics(results)]


def _runs(studies: Studies) -> Iterator[tuple[str, Results]]:
    return ((title, results) for title, runs in studies.items() for results in runs)


def _all(studies: Studies, names: Callable[[Results], Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for _, results in _runs(studies) for name in names(results)))


def _metrics(results: Results) -> list[str]:
    return list(quality.declared(results))


def _explainers(studies: Studies) -> list[str]:
    names = _all(studies, lambda r: [*r.verdicts["explainer"], *r.quality.get("explainer", ())])
    return [str(name) for name in names]


def _is_control(studies: Studies, name: str) -> bool:
    return any(name in view.controls(results) for _, results in _runs(studies))


def _heading(studies: Studies, metric: str) -> str:
    facts = next(
        facts[metric] for _, r in _runs(studies) if metric in (facts := quality.declared(r))
    )
    what = "gain over chance" if facts.chance else f"{facts.unit}; {facts.direction} is better"
    return f"{metric} ({what})"


# ---------------------------------------------------------------- what each network says


def _overview(studies: Studies) -> Iterator[Block]:
    """A column per network: what it is, whether it can be used, and what failed."""
    yield Paragraph(
        "A pass is necessary, not sufficient, and there is no single grade: each table asks one "
        "question. Intervals are those of the single run. A run that is not valid has no verdict "
        "that may be used."
    )
    rows = [["images", *map(_images, studies.values())], ["state", *map(_state, studies.values())]]
    for check in _all(studies, view.ran):
        asked = ([r for r in runs if check in view.ran(r)] for runs in studies.values())
        rows.append([check, *(_failures(runs[0], check) if runs else "-" for runs in asked)])
    yield Grid(["check", *studies], rows)
    for title, results in _runs(studies):
        if not results.valid:
            yield Paragraph(f"{title}: {sentences.validity(results)}", "alarm")


def _images(runs: Sequence[Results]) -> str:
    counts = {int(r.provenance["n_images"]) for r in runs if "n_images" in r.provenance}
    return ", ".join(map(str, sorted(counts))) or "-"


def _state(runs: Sequence[Results]) -> str:
    return "valid" if all(results.valid for results in runs) else "NOT valid"


def _failures(results: Results, check: str) -> str:
    if view.is_a_number(results, check):
        return "a number"
    rows = [row for row in view.verdict_rows(results, check) if not row.control]
    judged = [row for row in rows if row.verdict in ("pass", "fail")]
    failed = [row.explainer for row in judged if row.verdict == "fail"]
    names = f": {', '.join(failed)}" if 0 < len(failed) <= NAMED else ""
    left = sum(row.verdict != NOT_APPLICABLE for row in rows) - len(judged)
    return f"{len(failed)} of {len(judged)} fail{names}" + (f"; {left} open" if left else "")


def _verdicts(studies: Studies, check: str) -> dict[str, Column]:
    found = {}
    for title, results in _runs(studies):
        if check not in view.ran(results):
            continue
        rows = view.verdict_rows(results, check)
        sign = 1.0 if view.expectation(results, check).passes_above else -1.0
        found[title] = Column(
            {row.explainer: f"{row.retained} {row.outcome}".removeprefix("- ") for row in rows},
            {row.explainer: sign * row.value for row in rows},
            {row.explainer: row.verdict for row in rows},
        )
    return found


def _qualities(studies: Studies, metric: str) -> dict[str, Column]:
    found = {}
    for title, results in _runs(studies):
        facts = quality.declared(results).get(metric)
        if facts is None:
            continue
        own = results.quality[results.quality["metric"] == metric].set_index("explainer")
        number = "gain" if facts.chance else "mean"
        sign = -1.0 if number == "mean" and facts.direction == "lower" else 1.0
        found[title] = Column(
            {str(name): quality.cell(results, str(name), metric, facts) for name in own.index},
            {str(name): sign * float(value) for name, value in own[number].items()},
            {str(name): str(verdict) for name, verdict in own["verdict"].items()},
        )
    return found


# ---------------------------------------------------------------- what they say together


def _table(columns: Mapping[str, Column], names: Sequence[str]) -> Grid:
    """A row per explainer that any network has, a column per network."""
    known = [name for name in names if any(name in c.cells for c in columns.values())]
    rows = [[name, *(c.cells.get(name, "-") for c in columns.values())] for name in known]
    return Grid(["explainer", *columns], rows)


def _counts(questions: Mapping[str, Mapping[str, Column]], names: Sequence[str]) -> Grid:
    """How often an explainer passes, fails, or gets neither, over the networks."""
    rows = []
    for name in names:
        row = [name]
        for columns in questions.values():
            said = Counter(
                verdict if verdict in ("pass", "fail") else "open"
                for column in columns.values()
                if (verdict := column.outcomes.get(name, NOT_APPLICABLE)) != NOT_APPLICABLE
            )
            row.append(", ".join(f"{said[v]} {v}" for v in ("pass", "fail", "open") if said[v]))
        rows.append([cell or "-" for cell in row])
    return Grid(["over all networks", *questions], rows)


def _agreement(
    questions: Mapping[str, Mapping[str, Column]], names: Sequence[str]
) -> Iterator[Block]:
    """Rank correlations of the explainers' numbers between any two networks."""
    rows = []
    for question, columns in questions.items():
        found = [
            rho
            for one, other in combinations(columns.values(), 2)
            if (rho := rank_correlation(one.values, other.values, names)) is not None
        ]
        if found:
            rows.append(
                [
                    question,
                    str(len(found)),
                    *(view.number(part) for part in (np.median(found), min(found), max(found))),
                ]
            )
    if rows:
        yield Paragraph(
            "Spearman's correlation of the explainers' numbers between any two networks. Near 1, "
            "an order found on one network is that of another; near 0, it says nothing about it."
        )
        yield Grid(["question", "pairs of networks", "median", "least", "most"], rows)


def rank_correlation(
    one: Mapping[str, float], other: Mapping[str, float], names: Sequence[str]
) -> float | None:
    """Spearman's correlation over the names that have a finite number in both.

    Returns:
        None for fewer than `LEAST` of them, or if one side is constant.
    """
    nothing = float("nan")
    both = np.array([[one.get(name, nothing), other.get(name, nothing)] for name in names])
    known = both.reshape(-1, 2)
    known = known[np.isfinite(known).all(axis=1)]
    if len(known) < LEAST or (np.ptp(known, axis=0) == 0).any():
        return None
    return float(stats.spearmanr(*known.T).statistic)
