"""What a run found: the tables, the example maps, and what to make of them. No TensorFlow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class Examples:
    """Raw maps of a few images over the cascade, for the figures.

    Attributes:
        pixels: `[E, H, W, C]` the images, in [0, 1].
        titles: one line per image, e.g. its class.
        maps: `maps[check][explainer][stage]` is `[E, H, W, C']`; stage 0 is the untouched model.
        conditions: `conditions[check][stage]` is the name of that stage.
    """

    pixels: NDArray[np.float32]
    titles: tuple[str, ...] = ()
    maps: Mapping[str, Mapping[str, Mapping[int, NDArray[np.float32]]]] = field(
        default_factory=dict
    )
    conditions: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Results:
    """Everything a run found.

    Attributes:
        scores: one row per (check, explainer, similarity, stage, draw, image).
        floors: similarity of the maps of two draws of a stage (two unrelated networks where every
            layer is redrawn), a row per image and draw.
        networks: accuracy and proof of change of the network under every condition.
        summary: one row per (check, explainer, similarity, stage); `stage = -1` is the area.
        verdicts: one row per (check, explainer): the overall verdict and the sentence behind it.
        provenance: what decided the numbers: versions, seeds, hashes, settings.
        examples: maps for the figures.
        problems: why the run is not valid; empty if it is.
    """

    scores: pd.DataFrame
    floors: pd.DataFrame
    networks: pd.DataFrame
    summary: pd.DataFrame
    verdicts: pd.DataFrame
    provenance: Mapping[str, Any]
    examples: Examples | None = None
    problems: tuple[str, ...] = ()

    def __repr__(self) -> str:
        # The tables would fill screens.
        checks, explainers = (self.verdicts[name].nunique() for name in ("check", "explainer"))
        counts = Counter(verdict or "none" for verdict in self.verdicts["verdict"])
        verdicts = ", ".join(f"{verdict} {n}" for verdict, n in counts.items())
        state = "valid" if self.valid else f"NOT valid, problems: {len(self.problems)}"
        return f"Results(checks: {checks}; explainers: {explainers}; {state}; verdicts: {verdicts})"

    @property
    def valid(self) -> bool:
        """Whether every control got the verdict it must get."""
        return not self.problems

    def report(self, folder: str | Path) -> Path:
        """Write tables, figures and `report.md` into `folder`; returns the report's path."""
        from saliency_bench import report

        return report.write(self, Path(folder))
