"""Every figure of a report, one at a time, with its file name and caption."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure

from saliency_bench.report import view
from saliency_bench.report.curves import accuracy_figure, stage_figure
from saliency_bench.report.heatmap import retained_figure
from saliency_bench.report.mapgrid import MOST_STAGES, map_figure
from saliency_bench.results import Results

STAGES = (
    "Similarity of each map with the untouched network's ({similarity}) along {check}, mean over "
    "images and draws with its 95 % interval. Ceiling: nothing changed; stage 0 stands there. "
    "Null: maps that share only the explainer. Floor: maps of two draws of "
    "that stage on one image; where every layer is redrawn, of two unrelated networks."
)
RETAINED = (
    "Share of the map that is left along {check} ({similarity}): (score - null) / (ceiling - "
    "null). Colours are clipped to 0 and 1, numbers are not; area is the mean over the cascade; "
    "hatched is undefined."
)
MAPS = (
    "Maps of one image along {check}, channels summed, each in units of its own 99th percentile of "
    "|m|: size cannot be compared between maps. Colours diverge about 0 where the untouched map "
    "has negative values and else start at 0. Hatched is undefined. At most "
    f"{MOST_STAGES} stages, evenly spaced."
)
ACCURACY = "Accuracy of the network at each stage of {check}; dashed: chance."


@dataclass(frozen=True)
class Planned:
    """A figure not yet drawn: a report holds one at a time in memory.

    Attributes:
        stem: file name without its ending.
        caption: what a reader must know to read it.
        draw: makes it.
    """

    stem: str
    caption: str
    draw: Callable[[], Figure]


def planned(results: Results) -> Iterator[Planned]:
    """The figures this run has the numbers for, in the report's order."""
    for check in view.checks(results):
        for similarity in view.similarities(results, check):
            if not view.curves(results, check, similarity):
                continue  # every explainer was not applicable, or failed
            names = {"check": check, "similarity": similarity}
            yield Planned(
                stem("stages", check, similarity),
                STAGES.format(**names),
                partial(stage_figure, results, check, similarity),
            )
            yield Planned(
                stem("retained", check, similarity),
                RETAINED.format(**names),
                partial(retained_figure, results, check, similarity),
            )
        yield from _accuracy(results, check)
        yield from _maps(results, check)


def stem(*parts: str) -> str:
    """A file name that is safe everywhere; a checksum keeps altered names apart."""
    name = "_".join(parts)
    safe = re.sub(r"[^A-Za-z0-9.-]+", "_", name)[:80]
    return safe if safe == name else f"{safe}_{zlib.crc32(name.encode()):08x}"


def _accuracy(results: Results, check: str) -> Iterator[Planned]:
    known = results.networks.loc[results.networks["check"] == check, "accuracy"]
    if known.notna().any():
        caption = ACCURACY.format(check=check)
        yield Planned(stem("accuracy", check), caption, partial(accuracy_figure, results, check))


def _maps(results: Results, check: str) -> Iterator[Planned]:
    examples = results.examples
    if examples is not None and examples.maps.get(check):
        for image in range(len(examples.pixels)):
            yield Planned(
                stem("maps", check, str(image)),
                MAPS.format(check=check),
                partial(map_figure, results, check, image),
            )
