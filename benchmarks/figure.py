"""The figure: ours and others over the limit, and how time and memory of a run grow."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.parts import Found
from saliency_bench.storage.store import write_atomic

COLOURS = {
    "ours": "#000000",
    "Xplique": "#0072b2",
    "tf-explain": "#e69f00",
    "PAIR saliency": "#009e73",
    "Quantus": "#cc79a7",
}
NETWORKS = {"M1": "M1: 28x28 CNN", "M2": "M2: MobileNet, 128x128"}
CURVES = {"images": "images", "stages": "stages", "explainers": "explainers", "workers": "workers"}
"""Panels, and the column that is their axis; the points at 224 pixels are with `images`."""
LARGE = "images at 224"


_PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


def draw(found: Mapping[str, Found], path: Path) -> bool:
    """Write the figure, if there is anything to draw."""
    compared = [row for row in _rows(found, "peers") if row["cpu"] is not None]
    scaled = _rows(found, "scaling")
    parts = [part for part in ((_ratios, compared), (_scaling, scaled)) if part[1]]
    if not parts:
        return False
    figure = Figure(figsize=(11, 4.3 * len(parts)), layout="constrained")
    places = figure.subfigures(len(parts), squeeze=False)
    for (paint, rows), (place,) in zip(parts, places, strict=True):
        paint(place, rows)
    image = io.BytesIO()
    # Without the version of Matplotlib in it, the same numbers give the same file.
    figure.savefig(image, format="png", dpi=110, metadata={"Software": None})
    write_atomic(path, image.getvalue())
    return True


def _rows(found: Mapping[str, Found], name: str) -> list[Any]:
    return found[name].rows if name in found else []


def _ratios(figure: Any, rows: Sequence[Any]) -> None:
    methods = list(dict.fromkeys(row["method"] for row in rows))[::-1]
    figure.suptitle("CPU time over the limit (evaluations x compiled pass); 1 is no overhead")
    for axes, (network, title) in zip(
        figure.subplots(1, 2, sharey=True), NETWORKS.items(), strict=True
    ):
        for place, (library, colour) in enumerate(COLOURS.items()):
            mine = [r for r in rows if (r["network"], r["library"]) == (network, library)]
            axes.plot(
                [row["cpu"] for row in mine],
                [methods.index(row["method"]) + 0.12 * (2 - place) for row in mine],
                "D" if library == "ours" else "o",
                color=colour,
                label=library,
                zorder=3 if library == "ours" else 2,
            )
        axes.axvline(1, color="0.5", linewidth=1)
        axes.set(xscale="log", title=title, yticks=range(len(methods)), yticklabels=methods)
        axes.grid(axis="both", color="0.9")
        axes.xaxis.set_major_formatter(_PLAIN)
        axes.xaxis.set_minor_formatter(NullFormatter())
    if rows:
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def _scaling(figure: Any, rows: Sequence[Any]) -> None:
    figure.suptitle("One run: seconds, and most memory of a process")
    panels = figure.subplots(2, len(CURVES), sharex="col", sharey="row")
    for (time, memory), (curve, along) in zip(panels.T, CURVES.items(), strict=True):
        for name, style in ((curve, "o-"), *([(LARGE, "s--")] if curve == "images" else [])):
            mine = [row for row in rows if row["curve"] == name]
            places = [row[along] for row in mine]
            label = "224x224" if name == LARGE else "28x28"
            time.plot(places, [row["seconds"] for row in mine], style, color="0.1", label=label)
            memory.plot(places, [row["MiB"] for row in mine], style, color="0.1", label=label)
        _axis(memory, sorted({row[along] for row in rows if row["curve"] in (curve, LARGE)}))
        time.set(yscale="log")
        time.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        time.yaxis.set_major_formatter(_PLAIN)
        time.yaxis.set_minor_formatter(NullFormatter())
        memory.set(xlabel=along)
        for axes in (time, memory):
            axes.grid(color="0.9")
    most = max((row["MiB"] for row in rows), default=1)
    panels[0, 0].set_ylabel("seconds")
    panels[1, 0].set(ylabel="MiB", ylim=(0, 1.1 * most))
    panels[0, 0].legend(fontsize="small")


def _axis(axes: Any, places: Sequence[Any]) -> None:
    """Doubling steps along, with the measured places as ticks."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(places, [str(place) for place in places])
    axes.xaxis.set_minor_formatter(NullFormatter())
