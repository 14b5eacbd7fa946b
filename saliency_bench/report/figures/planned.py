"""Every figure of a report, one at a time, with its file name and caption."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure

from saliency_bench.report import view
from saliency_bench.report.figures import calibration, captions, metric_curves
from saliency_bench.report.figures.bars import bar_figure
from saliency_bench.report.figures.curves import accuracy_figure, level_figure, stage_figure
from saliency_bench.report.figures.heatmap import retained_figure
from saliency_bench.report.figures.mapgrid import map_figure
from saliency_bench.report.figures.training import training_figure
from saliency_bench.report.text.calibration import dosed
from saliency_bench.report.text.quality import declared
from saliency_bench.results import Results

COMPARED: dict[str, tuple[str, Callable[[Results, str, str], Figure]]] = {
    "stages": (captions.STAGES, stage_figure),
    "ceiling": (captions.MEASURED, bar_figure),
    "levels": (captions.LEVELS, level_figure),
    "retained": (captions.RETAINED, retained_figure),
}
"""Figures of one similarity under one check, by the head of their file names."""


@dataclass(frozen=True)
class PlannedFigure:
    """A figure that is yet to be drawn, so that a report holds one at a time in memory.

    Attributes:
        stem: file name without its ending.
        caption: explains the figure.
        draw: draws the figure.
    """

    stem: str
    caption: str
    draw: Callable[[], Figure]


def plan_figures(results: Results) -> Iterator[PlannedFigure]:
    """The figures for which the run has numbers, in the report's order."""
    for check in view.ran(results):
        for similarity in view.similarities(results, check):
            if _ran(results, check, similarity):
                yield from _comparisons(results, check, similarity)
        if check in dosed(results):
            yield _doses(results, check)
        yield from _accuracy(results, check)
        yield from _maps(results, check)
    for metric, facts in declared(results).items():
        if metric_curves.curves(results, metric):
            words = facts.words[:1].upper() + facts.words[1:]
            yield PlannedFigure(
                stem("metric", metric),
                metric_curves.CAPTION.format(words=words, metric=metric, unit=facts.unit),
                partial(metric_curves.curve_figure, results, metric, facts.unit),
            )
    if len(results.trainings):
        yield PlannedFigure("training", captions.TRAINING, partial(training_figure, results))


def _ran(results: Results, check: str, similarity: str) -> bool:
    """Whether there is a stage; else no explainer applied, or all failed."""
    summary = results.summary
    own = (summary["check"] == check) & (summary["similarity"] == similarity)
    return bool((own & (summary["stage"] > 0)).any())


def stem(*parts: str) -> str:
    """A file name that is safe on any system; a checksum distinguishes altered names."""
    name = "_".join(parts)
    safe = re.sub(r"[^A-Za-z0-9.-]+", "_", name)[:80]
    return safe if safe == name else f"{safe}_{zlib.crc32(name.encode()):08x}"


def _comparisons(results: Results, check: str, similarity: str) -> Iterator[PlannedFigure]:
    expectation = view.expectation(results, check)
    words, ceiling = expectation.words, expectation.ceiling
    own = None if view.has_share(expectation) else expectation.number
    names = {
        "check": check,
        "similarity": similarity,
        "what": "Similarity" if own is None else own.name.capitalize(),
        "last": list(view.stage_names(results, check).values())[-1],
        "statistic": captions.STATISTICS[expectation.statistic],
        "draws": words.draws,
        "untouched": words.untouched,
        "depth": words.depth,
        "name": ceiling.name,
        "ceiling": ceiling.caption,
    }
    for kind in kinds(results, check):
        caption, draw = COMPARED[kind]
        yield PlannedFigure(
            stem(kind, check, similarity),
            caption.format(**names),
            partial(draw, results, check, similarity),
        )


def kinds(results: Results, check: str) -> list[str]:
    """The keys in `COMPARED` of the figures of a check, the most telling first."""
    expectation = view.expectation(results, check)
    if not view.has_share(expectation):
        return ["stages"]
    if expectation.ceiling.stage is None:
        return ["stages", "retained"]
    # A heat map of a single level would repeat the bars.
    several = len(view.levels(results, check)) > 1
    return ["ceiling", "levels", "retained"] if several else ["ceiling"]


def _doses(results: Results, check: str) -> PlannedFigure:
    caption = calibration.CAPTION.format(check=check)
    return PlannedFigure(
        stem("doses", check), caption, partial(calibration.dose_figure, results, check)
    )


def _accuracy(results: Results, check: str) -> Iterator[PlannedFigure]:
    if view.expectation(results, check).learned is not None and len(results.trainings):
        return  # the figure of the trainings shows more
    accuracies = results.networks.loc[results.networks["check"] == check, "accuracy"]
    if accuracies.notna().any():
        caption = captions.ACCURACY.format(check=check)
        yield PlannedFigure(
            stem("accuracy", check), caption, partial(accuracy_figure, results, check)
        )


def _maps(results: Results, check: str) -> Iterator[PlannedFigure]:
    examples = results.examples
    if examples is not None and examples.maps.get(check):
        networks = view.ceiling_stage(results, check) is not None
        columns = captions.NETWORKS_SHOWN if networks else captions.STAGES_SHOWN
        for image in range(len(examples.pixels)):
            yield PlannedFigure(
                stem("maps", check, str(image)),
                captions.MAPS.format(check=check, columns=columns),
                partial(map_figure, results, check, image),
            )
