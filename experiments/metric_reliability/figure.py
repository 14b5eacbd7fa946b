"""Figures of the study: the verdicts, and the numbers behind them beside their bars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from experiments.metric_reliability.judged import AGREES, BELIEVED, NOT_BELIEVED, Reliability
from saliency_bench.report.figures import style

COLOURS = {BELIEVED: style.BLUE, NOT_BELIEVED: style.VERMILLION}
SIGNS = {BELIEVED: "✓", NOT_BELIEVED: "✗"}
UNKNOWN = ("#D9D9D9", "?")

QUESTIONS = {
    "images": ("images: alpha", 0.0),
    "variants": ("variants: weakest", AGREES),
    "repetition": ("repetition", AGREES),
    "disturbance": ("disturbance", AGREES),
    "redraw": ("redraw: share worse", 0.5),
}
"""By question: the title of its panel, and the bar."""

MARKERS = "osD^vPX"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")

Judged = Mapping[tuple[str, str], Reliability]
"""By metric and network."""


def _names(judged: Judged, place: int) -> list[str]:
    return list(dict.fromkeys(key[place] for key in judged))


@mpl.rc_context(style.STYLE)
def verdicts(judged: Judged) -> bytes:
    """Every metric on every network: believed, not believed, cannot be told; and what is weakest.

    Args:
        judged: by metric and network.
    """
    metrics, networks = _names(judged, 0), _names(judged, 1)
    figure = style.new_figure(style.WIDTH, 0.8 + 0.24 * len(metrics), constrained=True)
    axes = figure.subplots()
    for (metric, network), own in judged.items():
        row, column = metrics.index(metric), networks.index(network)
        verdict = own.verdict
        colour = COLOURS.get(verdict, UNKNOWN[0])
        axes.add_patch(mpl.patches.Rectangle((column - 0.48, row - 0.45), 0.96, 0.9, color=colour))
        ink = "white" if verdict in COLOURS else style.INK
        words = f"{SIGNS.get(verdict, UNKNOWN[1])} {_short(own)}"
        axes.text(column, row, words, ha="center", va="center", color=ink, fontsize=6)
    axes.set(xlim=(-0.5, len(networks) - 0.5), ylim=(len(metrics) - 0.5, -0.5))
    axes.set_yticks(range(len(metrics)), metrics)
    axes.set_xticks(range(len(networks)), [name.replace("_", "\n", 1) for name in networks])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.suptitle(
        "✓ can be believed   ? cannot be told   ✗ not believed; and what stands against it",
        x=0.01, ha="left",
    )  # fmt: skip
    return style.encoded(figure, "png")


def _short(own: Reliability) -> str:
    """The kinds of doubts, in few letters."""
    reasons = list(own.reasons())
    kinds = dict.fromkeys(
        "no control" if reason.startswith("no control") else
        reason.partition(":")[0].removesuffix(" open")
        if reason.partition(":")[0].removesuffix(" open") in QUESTIONS else "controls"
        for reason in reasons
    )  # fmt: skip
    kinds.pop("no control" if len(kinds) > 1 else "", None)
    return "\n".join(list(kinds)[:2]) + (" …" if len(kinds) > 2 else "")


@mpl.rc_context(style.STYLE)
def answers(judged: Judged) -> bytes:
    """The weakest number of each question beside its bar, with its interval.

    Args:
        judged: by metric and network.
    """
    metrics, networks = _names(judged, 0), _names(judged, 1)
    figure = style.new_figure(style.WIDTH, 1.0 + 0.42 * len(metrics), constrained=True)
    panels = figure.subplots(1, len(QUESTIONS), sharey=True)
    for axes, (question, (title, bar)) in zip(panels, QUESTIONS.items(), strict=True):
        axes.axvline(bar, color=style.SUBDUED, linewidth=0.8, linestyle="--")
        for place, network in enumerate(networks):
            _points(axes, judged, metrics, network, question, place, len(networks))
        axes.set(title=title, xlim=(0 if question == "redraw" else -1.05, 1.05))
        axes.set_ylim(len(metrics) - 0.5, -0.5)
        _stripes(axes, range(0, len(metrics), 2))
    panels[0].set_yticks(range(len(metrics)), metrics)
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False)
    return style.encoded(figure, "png")


def _points(
    axes: Axes, judged: Judged, metrics: list[str], network: str, question: str, place: int,
    count: int,
) -> None:  # fmt: skip
    rows, numbers = [], []
    for row, metric in enumerate(metrics):
        own = judged.get((metric, network))
        weakest = own.weakest(question) if own is not None else None
        if weakest is not None:
            rows.append(row + 0.8 * ((place + 0.5) / count - 0.5))
            numbers.append([float(part) for part in weakest.number])
    values = np.array(numbers).reshape(-1, 3)
    spans = [values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]]
    axes.errorbar(
        values[:, 0], rows, xerr=spans, fmt=MARKERS[place], markersize=3, linewidth=0.8,
        color=PALETTE[place], label=network,
    )  # fmt: skip


def _stripes(axes: Axes, rows: Iterable[int]) -> None:
    for row in rows:
        axes.axhspan(row - 0.5, row + 0.5, color=style.SHADE, zorder=-1)
