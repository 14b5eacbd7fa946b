"""The style of every figure: sizes, colour-blind-safe colours, and labels that fit."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from saliency_bench.protocols import printable

WIDTH = 7.2
"""Inches: the text width of a two-column page."""

CHARACTER = 0.058
"""Inches: a generous mean width of one character of a label."""

TICK = 0.13
"""Inches of an axis that an upright label takes."""

NAME = 24
"""Most characters of a name in a figure."""

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "figure.titlesize": 8.5,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.1,
    "hatch.linewidth": 0.5,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "saliency_bench",
}
"""Rc settings of every figure; text stays text, and equal figures give equal files."""

# From Okabe and Ito's palette, distinct under every common colour vision deficiency.
BLUE, VERMILLION, ORANGE = "#0072B2", "#D55E00", "#E69F00"
INK, SUBDUED, SHADE = "#222222", "#6E6E6E", "#F1F1F1"


class Shown(Figure):
    """A figure that a notebook shows without pyplot or a setting of its own."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def new_figure(width: float, height: float, *, constrained: bool = False) -> Figure:
    """An empty figure on its own Agg canvas, outside pyplot.

    Args:
        width: in inches.
        height: in inches.
        constrained: whether matplotlib's constrained layout arranges its parts.
    """
    layout: Any = "constrained" if constrained else None
    figure = Shown(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def entitle(figure: Figure, check: str, what: str) -> Text:
    """Set the title of a figure, on one line if it fits, else on two.

    Args:
        figure: the figure.
        check: name of the check.
        what: the quantity that the figure shows.
    """
    room = int(figure.get_figwidth() / (1.2 * CHARACTER))
    line = f"{check}: {what}"
    lines = [line] if len(line) <= room else [f"{check}:", what]
    return figure.suptitle("\n".join(shortened(one, room) for one in lines), x=0.01, ha="left")


def encoded(figure: Figure, kind: str) -> bytes:
    """The bytes of `figure` as "png", "pdf" or "svg", without a time stamp."""
    buffer = io.BytesIO()
    stampless = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
    figure.savefig(buffer, format=kind, metadata=stampless)
    # The layout of the first drawing holds for later ones, which are then faster.
    figure.set_layout_engine("none")
    return buffer.getvalue()


def shortened(name: str, width: int) -> str:
    """`name` in at most `width` characters; the middle is cut, as the ends differ most."""
    return _literal(cut(name, width))


def wrapped(name: str, width: int) -> str:
    """`name` over at most four lines of `width` characters, broken after _, -, / and spaces."""
    lines = [""]
    for piece in re.findall(r"[^_/ -]*[_/ -]?", cut(name, 3 * width)):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(shortened(line, width) for line in lines[:4])


def cut(name: str, width: int) -> str:
    """`name` on one line of at most `width` characters; the middle is left out."""
    line = printable(" ".join(name.split()))
    if len(line) <= width:
        return line
    tail = (width - 1) // 2
    return f"{line[: width - 1 - tail]}…{line[len(line) - tail :]}"


def _literal(line: str) -> str:
    # Matplotlib reads text between two dollar signs as a formula.
    return line.replace("$", r"\$")


def length(names: Iterable[str]) -> float:
    """Inches that the longest of `names` takes as a label."""
    return min(max(map(len, names)), NAME) * CHARACTER


def subdue(labels: Iterable[Text], chosen: Iterable[bool]) -> None:
    """Set the chosen labels in grey italics, as controls are not under test."""
    for label, quiet in zip(labels, chosen, strict=True):
        label.set(color=SUBDUED if quiet else INK, fontstyle="italic" if quiet else "normal")


def thinned(count: int, room: int) -> list[int]:
    """At most `room` positions out of `count` to label: equal steps, and always the last one."""
    step = max(-(-(count - 1) // max(room - 1, 1)), 1)
    # The position before the last is dropped if the last step would be shorter.
    return [*range(0, count - step, step), count - 1]


def spread(count: int, room: int) -> list[int]:
    """At most `room` positions out of `count`, spaced evenly, the first and the last included."""
    return [int(i) for i in np.linspace(0, count - 1, min(count, room)).round()]
