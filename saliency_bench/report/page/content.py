"""What the page shows of a run, in the page's order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import matplotlib as mpl

from saliency_bench.protocols import SCHEMA_VERSION
from saliency_bench.report import lines, view
from saliency_bench.report.blocks import Block
from saliency_bench.report.figures import style
from saliency_bench.report.figures.planned import plan_figures
from saliency_bench.report.page import charts, pictures
from saliency_bench.report.sections import SECTIONS, Section
from saliency_bench.report.text import answer, plain_language, quality
from saliency_bench.results import Results

MARKS = {"fail": "✗", "error": "!", "inconclusive": "?", "undefined": "∅", "pass": "✓"}
"""A sign beside each verdict, as colours alone are not enough; in the order of the page."""

FEW = 2
"""Most checks beside which there is room for the numbers by every similarity."""

BESIDE = ("accuracy_", "metric_", "training", "doses_")
"""Prefixes of the figures that belong to no explainer."""


@dataclass(frozen=True)
class Spread:
    """A share that is retained, its interval and its line, in percent of the way from 0 to 1."""

    low: float
    value: float
    high: float
    line: float


@dataclass(frozen=True)
class Cell:
    """One explainer under one check.

    Attributes:
        check: its name.
        verdict: with spaces.
        kind: the verdict, for its colour; `none` if it is not in `MARKS`; of a control, whether it
            got the verdict that it must get.
        mark: the sign of the verdict.
        retained: the number that decides the verdict, with its interval.
        sorted_by: a number to sort by; empty where there is none.
        spread: the same as a picture; None where it is no share.
        sentence: what the verdict says, in plain words.
        reason: why the verdict was given.
        decides: the similarity that the verdict is taken on.
        others: each similarity with its number; `*` marks the primary one, `!` one whose verdict
            differs from the primary one's.
        sides: what each similarity looks at and its verdict, where they differ.
        expected: the verdict a control must get, or empty.
        ok: whether the control got it.
    """

    check: str
    verdict: str
    kind: str
    mark: str
    retained: str
    sorted_by: str
    spread: Spread | None
    sentence: str
    reason: str
    decides: str
    others: tuple[str, ...]
    sides: tuple[tuple[str, str], ...]
    expected: str
    ok: bool

    def shown(self, checks: int) -> list[str]:
        """The similarities in a table of so many checks: in one of many, those that are marked."""
        return [o for o in self.others if checks <= FEW or o.endswith(("*", "!"))]


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

    @property
    def verdicts(self) -> list[str]:
        """Its verdicts under the checks that it has one of."""
        return [cell.verdict for cell in self.cells if cell]

    @property
    def worst(self) -> int:
        """The place among `MARKS` of its first verdict there; larger if it has none."""
        order = [*MARKS]
        return min((order.index(v) for v in self.verdicts if v in MARKS), default=len(order))

    @property
    def mark(self) -> str:
        """The sign of its worst verdict."""
        return [*MARKS.values(), ""][self.worst]


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
        self.subject = answer.subject(results)
        self.checks = view.ran(results)
        self.explainers = tuple(self._explainers())
        tested = (row for row in self.explainers if not row.control)
        self.tested = sorted(tested, key=lambda row: row.worst)
        self.controls = [row for row in self.explainers if row.control]
        self.verdicts = list(dict.fromkeys(v for row in self.tested for v in row.verdicts))
        self.sections = tuple(self._sections())

    @property
    def title(self) -> str:
        """Names the run among others in a browser."""
        asked = ", ".join(self.checks) or "metrics"
        return self.subject if self.subject == asked else f"{self.subject}, {asked}"

    def similarities(self, check: str) -> list[str]:
        """The similarities that scored a check."""
        return view.similarities(self._results, check)

    def heading(self, *checks: str) -> str:
        """The name of the number that decides under these checks."""
        return view.heading(self._results, *checks)

    def stages(self, check: str, explainer: str) -> list[tuple[str, list[str]]]:
        """Rows of the table of numbers of an explainer."""
        return plain_language.stages(self._results, check, explainer)

    def chart(self, cell: Cell, explainer: str) -> charts.Chart | None:
        """Similarity curves of an explainer along a check; None if it never ran."""
        return charts.chart(self._results, cell.check, explainer, decides=cell.decides)

    def strips(self, check: str, explainer: str) -> tuple[pictures.Strip, ...]:
        """Maps of the example images by an explainer along a check."""
        return pictures.strips(self._results, check, explainer)

    def bar(self, explainer: str) -> pictures.Bar:
        """What the colours of an explainer's maps mean."""
        return pictures.bar(self._results, explainer)

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
        none = (None,) * len(self.checks)
        names = dict.fromkeys([*verdicts, *results.quality.get("explainer", ())])
        for number, name in enumerate(names):
            cells = tuple(
                _cell(results, check, row, plain[check][name]) if row else None
                for check, row in zip(self.checks, verdicts.get(name, none), strict=True)
            )
            fact = plain_language.fact(results, name)
            measured = [(m, quality.cell(results, name, m, facts)) for m, facts in metrics.items()]
            yield Explainer(
                name, f"explainer-{number}", name in control_names, fact, cells, tuple(measured)
            )


def _cell(results: Results, check: str, row: view.Row, sentence: str) -> Cell:
    kind = row.verdict if row.verdict in MARKS else "none"
    if row.control:
        kind = "due" if row.ok else "wrong"
    names = zip(view.similarities(results, check), row.others, strict=True)
    others = tuple(f"{name} {number}" for name, number in names)
    return Cell(
        check, row.verdict, kind, MARKS.get(row.verdict, "-"), row.retained,
        f"{row.value:.6f}" if row.value == row.value else "", _spread(results, check, row),
        sentence, row.reason, row.similarity, others,
        tuple(plain_language.sides(results, row)), row.expected, row.ok,
    )  # fmt: skip


def _spread(results: Results, check: str, row: view.Row) -> Spread | None:
    line = lines.line(results, check, row.similarity)
    if line is None or view.expectation(results, check).is_scored or row.value != row.value:
        return None
    numbers = (row.low, row.value, row.high, line)
    return Spread(*(round(100 * min(max(n, 0), 1), 1) if n == n else 0.0 for n in numbers))


@mpl.rc_context(style.STYLE)
def _svg_address(figure: mpl.figure.Figure) -> str:
    return pictures.address(style.encoded(figure, "svg"), "image/svg+xml")
