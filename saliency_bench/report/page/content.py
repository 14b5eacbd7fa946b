"""What the page shows of a run, in the page's order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import matplotlib as mpl

from saliency_bench.protocols import SCHEMA_VERSION
from saliency_bench.report import view
from saliency_bench.report.blocks import Block
from saliency_bench.report.figures import style
from saliency_bench.report.figures.curves import explainer_figure
from saliency_bench.report.figures.planned import plan_figures
from saliency_bench.report.page import pictures
from saliency_bench.report.sections import SECTIONS, Section
from saliency_bench.report.text import plain_language, quality, sentences
from saliency_bench.results import Results

MARKS = {"pass": "✓", "fail": "✗", "inconclusive": "?", "undefined": "∅"}
"""A sign beside each verdict, as colours alone are not enough."""

BESIDE = ("accuracy_", "metric_", "training", "doses_")
"""Prefixes of the figures that belong to no explainer."""


@dataclass(frozen=True)
class Cell:
    """One explainer under one check.

    Attributes:
        check: its name.
        verdict: with spaces.
        kind: the verdict, for its colour; `none` if it is not in `MARKS`.
        mark: the sign of the verdict.
        retained: the number that decides the verdict, with its interval.
        sorted_by: a number to sort by; empty where there is none.
        sentence: what the verdict says, in plain words.
        reason: why the verdict was given.
        others: `retained` by each similarity; `*` marks the primary one, `!` one whose verdict
            differs from the primary one's.
        expected: the verdict a control must get, or empty.
        ok: whether the control got it.
    """

    check: str
    verdict: str
    kind: str
    mark: str
    retained: str
    sorted_by: str
    sentence: str
    reason: str
    others: tuple[str, ...]
    expected: str
    ok: bool


@dataclass(frozen=True)
class Explainer:
    """A row of the matrix, and a section of the page.

    Attributes:
        name: as the user gave it.
        anchor: of its section.
        control: whether its verdict is known in advance.
        fact: a known fact about the method, or empty.
        cells: one per check; None where it has no verdict.
        metrics: each metric with what it says.
    """

    name: str
    anchor: str
    control: bool
    fact: str
    cells: tuple[Cell | None, ...]
    metrics: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Picture:
    """A figure as a data URL, and its text alternative."""

    source: str
    text: str


class Content:
    """The values that the template reads.

    Args:
        results: of the run.
    """

    schema = SCHEMA_VERSION

    def __init__(self, results: Results) -> None:
        self._results = results
        self.valid = results.valid
        self.validity = sentences.validity(results)
        self.problems, self.guards = results.problems, results.guards
        self.checks = view.ran(results)
        self.explainers = tuple(self._explainers())
        self.tested = [row for row in self.explainers if not row.control]
        self.controls = [row for row in self.explainers if row.control]
        self.verdicts = list(
            dict.fromkeys(cell.verdict for row in self.tested for cell in row.cells if cell)
        )
        self.command = str(results.provenance.get("command", ""))
        self.sections = tuple(self._sections())

    def similarities(self, check: str) -> list[str]:
        """The similarities that scored a check."""
        return view.similarities(self._results, check)

    def heading(self, *checks: str) -> str:
        """The name of the number that decides under these checks."""
        return view.heading(self._results, *checks)

    def stages(self, check: str, explainer: str) -> list[tuple[str, list[str]]]:
        """Rows of the table of numbers of an explainer."""
        return plain_language.stages(self._results, check, explainer)

    def curves(self, check: str, explainer: str) -> Picture | None:
        """Similarity curves of an explainer along a check; None if it never ran."""
        text = f"Similarity of the maps of {explainer} along {check}; the numbers stand below."
        figure = explainer_figure(self._results, check, explainer)
        return None if figure is None else Picture(_svg_address(figure), text)

    def strips(self, check: str, explainer: str) -> tuple[pictures.Strip, ...]:
        """Maps of the example images by an explainer along a check."""
        return pictures.strips(self._results, check, explainer)

    def besides(self) -> Iterator[Picture]:
        """Figures of the networks and of the calibration."""
        for plan in plan_figures(self._results):
            if plan.stem.startswith(BESIDE):
                yield Picture(_svg_address(plan.draw()), plan.caption)

    def _sections(self) -> Iterator[tuple[Section, tuple[Block, ...]]]:
        """Every section with its blocks."""
        for section in SECTIONS:
            yield section, tuple(section.content(self._results))

    def _explainers(self) -> Iterator[Explainer]:
        results = self._results
        control_names = view.controls(results)
        plain = {check: plain_language.plain(results, check) for check in self.checks}
        verdicts, metrics = view.side_by_side(results), quality.declared(results)
        names = dict.fromkeys([*verdicts, *results.quality.get("explainer", ())])
        for number, name in enumerate(names):
            cells = tuple(
                _cell(check, row, plain[check][name]) if row else None
                for check, row in zip(self.checks, verdicts.get(name, ()), strict=True)
            )
            fact = plain_language.fact(results, name)
            measured = [(m, quality.cell(results, name, m, facts)) for m, facts in metrics.items()]
            yield Explainer(
                name, f"explainer-{number}", name in control_names, fact, cells, tuple(measured)
            )


def _cell(check: str, row: view.Row, sentence: str) -> Cell:
    kind = row.verdict if row.verdict in MARKS else "none"
    return Cell(
        check, row.verdict, kind, MARKS.get(row.verdict, "-"), row.retained,
        f"{row.value:.6f}" if row.value == row.value else "",
        sentence, row.reason, row.others, row.expected, row.ok,
    )  # fmt: skip


@mpl.rc_context(style.STYLE)
def _svg_address(figure: mpl.figure.Figure) -> str:
    return pictures.address(style.encoded(figure, "svg"), "image/svg+xml")
