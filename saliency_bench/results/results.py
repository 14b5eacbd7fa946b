"""Results of a run: the tables, the example maps and the conclusions. No TensorFlow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from saliency_bench.storage.longtable import LongTable
from saliency_bench.storage.store import location

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRAININGS = (
    "network", "labels", "fraction", "draw", "epoch", "loss", "accuracy", "train_accuracy",
    "test_accuracy",
)  # fmt: skip


@dataclass(frozen=True)
class Examples:
    """Raw maps of a few images over the cascade, for the figures.

    Attributes:
        pixels: `[E, H, W, C]` the images, in [0, 1].
        titles: one line per image, e.g. its class.
        maps: `maps[check][explainer][stage]` is `[E, H, W, C']`; stage 0 is the untouched model.
        conditions: `conditions[check][stage]` is the name of that stage.
        shown: `shown[check]` is what takes the place of `pixels` under a check with other images.
    """

    pixels: NDArray[np.float32]
    titles: tuple[str, ...] = ()
    maps: Mapping[str, Mapping[str, Mapping[int, NDArray[np.float32]]]] = field(
        default_factory=dict
    )
    conditions: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    shown: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def pictures(self, check: str) -> NDArray[np.float32]:
        """`[E, H, W, C]` the images that are explained under a check, in [0, 1]."""
        return self.shown.get(check, self.pixels)

    def title(self, check: str, place: int) -> str:
        """One line on an image; titles say what the images of the study show."""
        known = place < len(self.titles) and check not in self.shown
        return self.titles[place] if known else f"image {place}"


@dataclass(frozen=True, repr=False)
class Results:
    """All results of a run.

    Attributes:
        long_scores: `scores`, one (check, explainer, similarity) at a time.
        long_floors: `floors` in the same way.
        networks: accuracy and proof of change of the network under every condition.
        summary: one row per (check, explainer, similarity, stage); `stage = -1` is the area.
        verdicts: one row per (check, explainer): the overall verdict and the sentence behind it.
        provenance: what determined the numbers: versions, seeds, hashes, settings.
        examples: maps for the figures.
        problems: why the run is not valid, a line per control with another verdict than the
            expected one; empty if there is none.
        guards: why verdicts of a check are undefined, a line per guard that failed.
        trainings: how the networks of the run learned, a row per network and epoch; the last two
            columns are the same at each epoch of a network.
        reliability: one row per (check, similarity): whether images and draws agree on the
            explainers, and how many controls got the expected verdict.
        long_metrics: `metrics`, one (explainer, metric) at a time; None without metrics.
        long_curves: `curves` in the same way.
        quality: one row per (explainer, metric): its mean beside that of moved maps.
        ranks: one row per (metric, explainer): its rank, with an interval over images.
        reported: the folders that `report` wrote to, the last one last.
    """

    long_scores: LongTable
    long_floors: LongTable
    networks: pd.DataFrame
    summary: pd.DataFrame
    verdicts: pd.DataFrame
    provenance: Mapping[str, Any]
    examples: Examples | None = None
    problems: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    trainings: pd.DataFrame = field(default_factory=partial(pd.DataFrame, columns=list(TRAININGS)))
    reliability: pd.DataFrame = field(default_factory=pd.DataFrame)
    long_metrics: LongTable | None = None
    long_curves: LongTable | None = None
    quality: pd.DataFrame = field(default_factory=pd.DataFrame)
    ranks: pd.DataFrame = field(default_factory=pd.DataFrame)
    reported: list[Path] = field(default_factory=list, init=False, compare=False)

    def __repr__(self) -> str:
        # The tables are too long to print.
        checks, explainers = (self.verdicts[name].nunique() for name in ("check", "explainer"))
        counts = Counter(verdict or "none" for verdict in self.verdicts["verdict"])
        verdicts = ", ".join(f"{verdict} {n}" for verdict, n in counts.items())
        wrong = {"problems": len(self.problems), "failed guards": len(self.guards)}
        faults = [f"{what}: {count}" for what, count in wrong.items() if count]
        state = ", ".join(["NOT valid", *faults]) if faults else "valid"
        return f"Results(checks: {checks}; explainers: {explainers}; {state}; verdicts: {verdicts})"

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per (check, explainer, similarity, stage, draw, image); may be large."""
        return self.long_scores.frame()

    @cached_property
    def floors(self) -> pd.DataFrame:
        """Similarity of the maps of two draws of a stage, a row per image and draw.

        If every layer is redrawn, these are two unrelated networks.
        """
        return self.long_floors.frame()

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row per (explainer, metric, image): its value, and that of the moved map."""
        return pd.DataFrame() if self.long_metrics is None else self.long_metrics.frame()

    @cached_property
    def curves(self) -> pd.DataFrame:
        """The curve behind each value: one row per (explainer, metric, image, place)."""
        return pd.DataFrame() if self.long_curves is None else self.long_curves.frame()

    @cached_property
    def kept(self) -> dict[Any, Any]:
        """What a report has derived from these tables already, by what was asked."""
        return {}

    @property
    def valid(self) -> bool:
        """Whether every control got the expected verdict and no guard failed."""
        return not self.problems and not self.guards

    @staticmethod
    def load(folder: str | Path) -> Results:
        """Read a run back: what a command, `report` or `evaluate` with a `run_dir` has written.

        Args:
            folder: of the run; also an address such as `s3://bucket/folder`.

        Raises:
            ValueError: in one line, if a file is missing, damaged or of another schema version.
        """
        from saliency_bench.results.read import read

        return read(location(folder) if isinstance(folder, str) else folder)

    def report(self, folder: str | Path) -> Path:
        """Write tables, figures, `report.html` and `report.md`; returns the path of `report.md`."""
        from saliency_bench.report.write import write

        path = write(self, location(folder) if isinstance(folder, str) else folder)
        self.reported.append(path.parent)
        return path

    @property
    def page(self) -> Path | None:
        """The path of `report.html`, if it was written by `report`, or lies in the run's folder."""
        source = self.long_scores.source
        folders = [*self.reported] if isinstance(source, bytes) else [source.parent, *self.reported]
        pages = (folder / "report.html" for folder in reversed(folders))
        return next((page for page in pages if page.is_file()), None)

    def plot(
        self,
        explainer: str | None = None,
        check: str | None = None,
        similarity: str | None = None,
    ) -> Figure:
        """Draw curves along a check, with the line that decides; returns a matplotlib figure.

        The curve of an explainer that passes lies below the threshold, on average over the stages.

        Args:
            explainer: its name, for all of its similarities; None: all explainers, by one of them.
            check: its name; None: the first one that ran.
            similarity: of all explainers; None: the one on which most verdicts are taken.

        Raises:
            ValueError: in one line with what there is, if a name is unknown, or no check ran.
        """
        from saliency_bench.report.figures.shown import figure

        return figure(self, explainer, check, similarity)

    def _repr_html_(self) -> str:
        """The verdicts, as a notebook shows them."""
        from saliency_bench.report.page.card import html

        return html(self)

    @staticmethod
    def concat(several: Iterable[Results]) -> Results:
        """Join runs of one study, say of other explainers, checks or draws, as if they were one.

        Where they overlap they must agree; verdicts are taken anew on all rows.

        Raises:
            ValueError: in one line, if there is none, if they are of different studies (which
                `python -m saliency_bench.report RUN...` sets side by side), or do not agree.
        """
        from saliency_bench.results.merge import concat

        return concat(several)

    def __add__(self, other: Results) -> Results:
        return Results.concat([self, other]) if isinstance(other, Results) else NotImplemented

    def in_memory(self) -> Results:
        """The same results, independent of the files of their run."""
        names = ("long_scores", "long_floors", "long_metrics", "long_curves")
        long = {name: getattr(self, name) for name in names}
        tables = {name: table.in_memory() for name, table in long.items() if table is not None}
        return replace(self, **tables)
