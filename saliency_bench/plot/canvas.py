"""The layout of a grid: positions of pictures, texts and colour keys."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from saliency_bench.plot.scales import Array, Scale
from saliency_bench.report.figures import style
from saliency_bench.storage.store import write_atomic

KINDS = (".png", ".pdf", ".svg")
"""File endings to which a figure can be saved."""

_LARGEST, _SMALLEST = 1.35, 0.95  # width of a picture; in inches, as the next eight
_NARROWEST = 4.0
_GAP = 0.06
_EDGE = 0.05
_HEAD_LINE = 0.13
_LINE = 0.115
_BELOW = 0.05
_KEYS = 0.4
_KEY, _KEY_STEP = 1.0, 1.55

_SMALL = 6.5  # points
_LETTER = style.CHARACTER * _SMALL / 7.5  # inches
_LONGEST = 160  # characters of a text in place of a picture

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Cell:
    """A picture with text below it, or a text in its place.

    Attributes:
        picture: `[H, W, 3]`; None if there is nothing to show.
        text: the text below, or why there is no picture.
        scale: scale of the colours, if it is a map.
        values: the map's plane `[H, W]`, if it is a map.
    """

    picture: NDArray[Any] | None
    text: str
    scale: Scale | None = None
    values: Array | None = None


@dataclass(frozen=True)
class Column:
    """Cells below one another, with a name above them."""

    name: str
    cells: list[Cell]


@dataclass(frozen=True)
class Key:
    """A colour key: its name, a strip `[1, N, 3]` of colours, and marks at equal distances."""

    name: str
    strip: NDArray[Any]
    marks: tuple[str, ...]


@dataclass(frozen=True)
class _Frame:
    """Sizes in inches.

    Attributes:
        wide: width of a picture.
        tall: height of a picture.
        head: height of the text above all pictures.
        below: height of the text below each picture.
        foot: height of the text and keys below all pictures.
    """

    wide: float
    tall: float
    head: float
    below: float
    foot: float

    def size(self, rows: int, columns: int) -> tuple[float, float]:
        """Width and height of the figure."""
        height = self.head + rows * (self.tall + self.below) + self.foot
        return _width(self.wide, columns), height

    def place(self, row: int, column: int, size: tuple[float, float]) -> Box:
        """Left, bottom, width and height of a picture, as shares of a figure.

        Args:
            row: of the grid.
            column: of the grid.
            size: width and height of the figure in inches.
        """
        left = _EDGE + column * (self.wide + _GAP)
        bottom = size[1] - self.head - row * (self.tall + self.below) - self.tall
        return left / size[0], bottom / size[1], self.wide / size[0], self.tall / size[1]


def draw(columns: Sequence[Column], note: str, keys: Sequence[Key]) -> Figure:
    """Draw a figure.

    Args:
        columns: the pictures with their texts; all have as many cells.
        note: a text below all.
        keys: the colour keys.
    """
    rows = len(columns[0].cells)
    room = (style.WIDTH - 2 * _EDGE + _GAP) / len(columns) - _GAP
    wide = min(max(room, _SMALLEST), _LARGEST)
    heads = [style.wrapped(column.name, int(wide / style.CHARACTER)) for column in columns]
    shapes = [cell.picture.shape for c in columns for cell in c.cells if cell.picture is not None]
    lines = textwrap.wrap(note, int((_width(wide, len(columns)) - 2 * _EDGE) / _LETTER))
    frame = _Frame(
        wide,
        tall=wide * max(shape[0] / shape[1] for shape in shapes),
        head=_EDGE + _HEAD_LINE * _most_lines(heads),
        below=_BELOW + _LINE * _most_lines(_below(cell, wide) for c in columns for cell in c.cells),
        foot=_EDGE + _LINE * len(lines) + (_KEYS if keys else 0.0),
    )
    size = frame.size(rows, len(columns))
    figure = style.new_figure(*size)
    for place, column in enumerate(columns):
        for row, cell in enumerate(column.cells):
            axes = figure.add_axes(frame.place(row, place, size))
            _fill(axes, cell, wide, frame.tall)
            if row == 0:
                axes.set_title(heads[place], pad=2.5)
    _add_keys(figure, keys, bottom=_EDGE + _LINE * len(lines))
    figure.text(
        _EDGE / size[0], _EDGE / size[1], "\n".join(lines), fontsize=_SMALL, color=style.SUBDUED
    )
    return figure


def _width(wide: float, columns: int) -> float:
    return max(2 * _EDGE + columns * (wide + _GAP) - _GAP, _NARROWEST)


@mpl.rc_context(style.STYLE)
def save(figure: Figure, path: str | Path) -> None:
    """Write a figure to a file, with 200 dots per inch; in a PDF or SVG text remains text.

    Raises:
        ValueError: if the path does not end in .png, .pdf or .svg.
        OSError: if it cannot be written.
    """
    place = Path(path)
    if place.suffix.lower() not in KINDS:
        raise ValueError(f"a figure's file must end in {', '.join(KINDS)}; got {path}")
    write_atomic(place, style.encoded(figure, place.suffix.lower()[1:]))


def _most_lines(texts: Iterable[str]) -> int:
    return max(text.count("\n") + 1 if text else 0 for text in texts)


def _below(cell: Cell, wide: float) -> str:
    if cell.picture is None:
        return ""
    return "\n".join(style.wrapped(line, int(wide / _LETTER)) for line in cell.text.splitlines())


def _fill(axes: Axes, cell: Cell, wide: float, tall: float) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=True, color=style.SUBDUED, linewidth=0.3)
    if cell.picture is not None:
        axes.imshow(cell.picture)
        axes.set_anchor("N")
        axes.set_xlabel(_below(cell, wide), fontsize=_SMALL, labelpad=2)
        return
    axes.set_facecolor(style.SHADE)
    lines = textwrap.wrap(
        textwrap.shorten(cell.text, _LONGEST, placeholder=" …"), int(0.95 * wide / _LETTER)
    )
    text = "\n".join(style.shortened(line, len(line)) for line in lines[: int(tall / _LINE)])
    axes.text(
        0.5, 0.5, text, ha="center", va="center", fontsize=_SMALL, color=style.INK,
        transform=axes.transAxes,
    )  # fmt: skip


def _add_keys(figure: Figure, keys: Sequence[Key], *, bottom: float) -> None:
    width, height = figure.get_size_inches()
    for place, key in enumerate(keys):
        left = (0.2 + _KEY_STEP * place) / width
        axes = figure.add_axes((left, (bottom + 0.17) / height, _KEY / width, 0.07 / height))
        axes.imshow(key.strip, aspect="auto", extent=(0, 1, 0, 1))
        marks = len(key.marks) - 1
        axes.set_xticks([mark / marks for mark in range(marks + 1)], key.marks)
        axes.set_yticks([])
        axes.tick_params(length=1.5, pad=1.5, labelsize=_SMALL)
        axes.set_title(key.name, fontsize=_SMALL, pad=2)
