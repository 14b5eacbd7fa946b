"""The curves of an explainer as lines of an SVG, which takes its colours from the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from saliency_bench.report import stages, view
from saliency_bench.report.figures import panels, style
from saliency_bench.results import Results

LEFT, RIGHT, TOP, BOTTOM = 52.0, 292.0, 10.0, 132.0
"""Edges of the axes, in units of the picture."""

_NAMES = 8  # most names of stages below an axis
_LONGEST = 18  # most characters of one
_CHARACTER = 4.6  # units down that a character of a slanting name takes
_FOOT = 30.0  # units below the names, for that of the axis


@dataclass(frozen=True)
class Dot:
    """A point of a curve, with its number in words."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Panel:
    """One similarity along the stages.

    Attributes:
        name: of the similarity.
        decides: whether the verdict is taken on it.
        text: what a reader without eyes gets.
        curve: the path of the mean; empty where it is undefined.
        band: the points of its 95 % interval.
        guides: the path of each level beside it, by its name.
        dots: the points of the curve.
        rows: `(y, number)` of the ticks up the axis.
        columns: `(x, name)` of the stages that are named.
    """

    name: str
    decides: bool
    text: str
    curve: str
    band: str
    guides: dict[str, str]
    dots: tuple[Dot, ...]
    rows: tuple[tuple[float, str], ...]
    columns: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Chart:
    """The panels of one explainer under one check, on one scale.

    Attributes:
        panels: one per similarity.
        height: of a panel, in units of the picture.
        guides: the levels that are drawn in any of them.
    """

    panels: tuple[Panel, ...]
    height: float
    guides: tuple[str, ...]


def chart(results: Results, check: str, explainer: str, *, decides: str) -> Chart | None:
    """The similarity curves of an explainer along a check; None if it never ran.

    Args:
        results: of the run.
        check: name of the check.
        explainer: name of the explainer.
        decides: the similarity that the verdict is taken on.
    """
    names, tables = stages.of_explainer(results, check, explainer)
    if not tables:
        return None
    low, high = panels.limits(tables.values())
    scale = _Scale(len(names), min(low, 0.0), max(high, 0.0))
    drawn = tuple(
        _panel(name, table, list(names.values()), scale, decides=name == decides)
        for name, table in tables.items()
    )
    longest = max(len(name) for _, name in drawn[0].columns)
    guides = dict.fromkeys(guide for panel in drawn for guide in panel.guides)
    return Chart(drawn, BOTTOM + _CHARACTER * longest + _FOOT, tuple(guides))


@dataclass(frozen=True)
class _Scale:
    """From places and scores to units of the picture."""

    count: int
    low: float
    high: float

    def x(self, place: Any) -> float:
        """Half a step lies beside the first and the last place."""
        return round(float(LEFT + (RIGHT - LEFT) * (place + 0.5) / self.count), 1)

    def y(self, score: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (score - self.low) / (self.high - self.low), 1)

    def path(self, points: Iterable[tuple[Any, float]]) -> str:
        """A line through the points that are known; it is broken at the others."""
        parts, drawing = [], False
        for place, score in points:
            known = bool(np.isfinite(score))
            if known:
                parts.append(f"{'L' if drawing else 'M'}{self.x(place):g} {self.y(score):g}")
            drawing = known
        return " ".join(parts)


def _panel(
    name: str, table: pd.DataFrame, places: list[str], scale: _Scale, *, decides: bool
) -> Panel:
    numbers = table[["mean", "low", "high", *panels.GUIDES]].astype(float)
    mean = numbers["mean"]
    if mean[mean.index > 0].isna().all():  # what is left is the ceiling
        mean = mean * np.nan
    words = [view.interval(*row) for row in numbers[["mean", "low", "high"]].to_numpy()]
    told = [f"{places[i]}: {word}" for i, word in zip(table.index, words, strict=True)]
    known = numbers[["low", "high"]].dropna()
    edge = [*known["low"].items(), *reversed(list(known["high"].items()))]
    levels = {guide: scale.path(_level(numbers[guide])) for guide in panels.GUIDES}
    locator = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
    ticks = [t for t in locator.tick_values(scale.low, scale.high) if scale.low <= t <= scale.high]
    digits = 1 if np.allclose(np.round(ticks, 1), ticks) else 2
    return Panel(
        name,
        decides,
        f"similarity by {name} at each stage: {', '.join(told)}",
        scale.path(mean.items()),
        " ".join(f"{scale.x(place):g},{scale.y(score):g}" for place, score in edge),
        {guide: path for guide, path in levels.items() if path},
        tuple(
            Dot(scale.x(place), scale.y(score), text)
            for (place, score), text in zip(mean.items(), told, strict=True)
            if np.isfinite(score)
        ),
        tuple((scale.y(tick), view.number(tick, digits)) for tick in ticks),
        tuple(
            (scale.x(i), style.cut(places[i], _LONGEST)) for i in style.thinned(len(places), _NAMES)
        ),
    )


def _level(values: pd.Series) -> list[tuple[Any, float]]:
    """A guide spans the whole panel, even if there is a single stage."""
    first, last = values.index.min() - 0.5, values.index.max() + 0.5
    return [(first, values.iloc[0]), *values.items(), (last, values.iloc[-1])]
