"""Writes all files of a report; each file appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

from saliency_bench.report import page, view
from saliency_bench.report.figures import style
from saliency_bench.report.figures.planned import PlannedFigure, plan_figures, stem
from saliency_bench.report.text import latex, markdown
from saliency_bench.results import Results, files
from saliency_bench.storage.store import write_atomic


def write(results: Results, folder: Path) -> Path:
    """Write tables, figures, `report.html` and `report.md` into `folder`; returns the last one.

    Every file appears whole or not at all. `report.md` comes last: if it exists, so do all files
    that it names.
    """
    files.write(results, folder)
    for check in view.ran(results):
        path = folder / f"tables/{stem(check)}"
        write_atomic(path.with_name(f"{path.name}.tex"), latex.latex(results, check).encode())
        write_atomic(path.with_name(f"{path.name}.md"), latex.text(results, check).encode())
    plans = list(plan_figures(results))
    for plan in plans:
        _write_figure(folder / "figures", plan)
    write_atomic(folder / "report.html", page.html(results).encode())
    path = folder / "report.md"
    write_atomic(path, markdown.text(results, plans).encode())
    return path


def _write_figure(folder: Path, plan: PlannedFigure) -> None:
    figure = plan.draw()
    with mpl.rc_context(style.STYLE):
        for kind in ("png", "pdf"):
            write_atomic(folder / f"{plan.stem}.{kind}", style.encoded(figure, kind))
