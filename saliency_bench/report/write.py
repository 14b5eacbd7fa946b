"""Writes all files of a report; each file appears whole or not at all."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import matplotlib as mpl

from saliency_bench.report import page, view
from saliency_bench.report.figures import style
from saliency_bench.report.figures.planned import PlannedFigure, plan_figures, stem
from saliency_bench.report.text import latex, markdown
from saliency_bench.report.text.sentences import REFERENCES
from saliency_bench.results import Results, files
from saliency_bench.storage.store import write_atomic

MOST = 4
"""Processes that draw at once, at most: each of them holds the results."""


def write(
    results: Results,
    folder: Path,
    *,
    processes: int = 1,
    on_page: Callable[[Path], None] = lambda page: None,
) -> Path:
    """Write tables, figures, `report.html` and `report.md` into `folder`; returns the last one.

    Every file appears whole or not at all. The page comes first, as it needs no figure, and
    `report.md` last: if it exists, so do all files that it names.

    Args:
        results: of the run.
        folder: where to.
        processes: 2 or more: others draw figures while this one draws the page. They import the
            program's main module, which must therefore be guarded by `__name__`.
        on_page: called with the path of `report.html` as soon as it can be opened.
    """
    files.write(results, folder)
    for check in view.ran(results):
        path = folder / f"tables/{stem(check)}"
        write_atomic(path.with_name(f"{path.name}.tex"), latex.latex(results, check).encode())
        write_atomic(path.with_name(f"{path.name}.md"), latex.text(results, check).encode())
    if references := latex.references(results):
        write_atomic(folder / REFERENCES, references.encode())
    plans = list(plan_figures(results))
    helpers = min(processes, MOST) - 1
    with _beside(results, folder / "figures", plans, helpers) as begun:
        write_atomic(folder / "report.html", page.html(results).encode())
        on_page(folder / "report.html")
        for number, plan in enumerate(plans):
            if not begun or begun[number].cancel():
                _write_figure(folder / "figures", plan)
    path = folder / "report.md"
    write_atomic(path, markdown.text(results, plans).encode())
    return path


@contextmanager
def _beside(
    results: Results, folder: Path, plans: Sequence[PlannedFigure], processes: int
) -> Iterator[list[Future[None]]]:
    """A block beside which other processes draw figures, the last ones first.

    Yields:
        The drawing of each plan; one that has not begun can be cancelled. The block ends when those
        that have begun are drawn.
    """
    if not (plans and processes):
        yield []
        return
    context, given = get_context("spawn"), (results, folder)
    with ProcessPoolExecutor(processes, context, initializer=_prepare, initargs=given) as helpers:
        begun = [helpers.submit(_draw, n) for n in reversed(range(len(plans)))]
        try:
            yield [*reversed(begun)]
            for drawing in begun:
                if not drawing.cancelled():
                    drawing.result()
        finally:
            helpers.shutdown(wait=True, cancel_futures=True)


_waiting: list[Callable[[], None]] = []
"""In a process that helps: writes each planned figure."""


def _prepare(results: Results, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that it helps stops it
    _waiting.extend(partial(_write_figure, folder, plan) for plan in plan_figures(results))


def _draw(number: int) -> None:
    _waiting[number]()


def _write_figure(folder: Path, plan: PlannedFigure) -> None:
    figure = plan.draw()
    with mpl.rc_context(style.STYLE):
        for kind in ("png", "pdf"):
            write_atomic(folder / f"{plan.stem}.{kind}", style.encoded(figure, kind))
