"""Is `retained` calibrated? What is found of maps of which a known share survives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from saliency_bench.protocols import AREA
from saliency_bench.report import view
from saliency_bench.report.figures import panels, style
from saliency_bench.results import Results

CAPTION = (
    "Calibration under {check}: maps of which a known share survives (ranks of noise that is "
    "frozen at that share of the pixels), and the share that is retained, with its 95 % interval. "
    "The diagonal is right. A similarity's threshold meets it at the share that just fails."
)

_LOOKS = ((style.BLUE, "o"), (style.VERMILLION, "s"), (style.ORANGE, "D"))
_ROUNDING = 1e-6  # an interval of maps that never change has no width
_SIDE = 0.006  # of the scale: intervals at one share stand beside each other


@mpl.rc_context(style.STYLE)
def dose_figure(results: Results, check: str) -> Figure:
    """Retained against the share that is known to survive, for similarities with a threshold."""
    figure = style.new_figure(3.5, 3.4, constrained=True)
    axes = figure.add_subplot(xlabel="share that survives", ylabel="retained", aspect="equal")
    known: dict[str, Any] = {"color": style.SUBDUED, "linewidth": 0.8, "zorder": 0}
    axes.plot([0, 1], [0, 1], label="retained is the share", **known)
    for place, (similarity, threshold, found) in enumerate(_judged(results, check)):
        colour, marker = _LOOKS[place % len(_LOOKS)]
        _draw(axes, found, _SIDE * (2 * place - 1), colour, marker)
        share = _share_at(threshold, found)
        axes.plot([-0.05, share, share], [threshold, threshold, -0.05], color=colour, ls=":")
        axes.lines[-1].set_label(f"threshold {threshold:g}: a share of {view.number(share)}")
        axes.collections[-1].set_label(style.shortened(similarity, style.NAME))
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05))
    style.entitle(figure, check, "calibration of retained")
    panels.add_legend(figure, axes.get_legend_handles_labels()[0])
    return figure


def doses(results: Results, check: str, similarity: str) -> pd.DataFrame:
    """What is retained over the cascade, by the known share: `retained`, `low` and `high`."""
    rows = results.summary
    rows = rows[(rows["check"] == check) & (rows["similarity"] == similarity)]
    rows = rows[(rows["stage"] == AREA) & rows["explainer"].isin(results.provenance["doses"])]
    shares = rows["explainer"].astype(str).map(results.provenance["doses"])
    names = {"retained_low": "low", "retained_high": "high"}
    found = rows[["retained", *names]].rename(columns=names).set_index(shares.rename("share"))
    return found.astype(float).sort_index()


def dose_sentences(results: Results, check: str) -> list[str]:
    """Whether retained rises with the known share and covers it, and where thresholds sit."""
    return [
        f"{check}, {similarity}: retained {'rises' if _rises(found) else 'does NOT rise'} "
        f"monotonically with the share that survives ({_listed(found)}); {_coverage(found)}. Its "
        f"threshold {threshold:g} sits at a share of {view.number(_share_at(threshold, found))}."
        for similarity, threshold, found in _judged(results, check)
    ]


def _judged(results: Results, check: str) -> Iterator[tuple[str, float, pd.DataFrame]]:
    """Each similarity that has a threshold and was measured, its threshold and its doses."""
    for similarity, threshold in results.provenance.get("thresholds", {}).items():
        found = doses(results, check, similarity)
        if threshold is not None and len(found):
            yield similarity, float(threshold), found


def _rises(found: pd.DataFrame) -> bool:
    return bool((np.diff(found["retained"]) > 0).all())


def _share_at(retained: float, found: pd.DataFrame) -> float:
    """The share of which so much was found to be retained, on lines between doses; else NaN."""
    if not _rises(found):
        return np.nan
    return float(np.interp(retained, found["retained"], found.index, left=np.nan, right=np.nan))


def _coverage(found: pd.DataFrame) -> str:
    if found["low"].isna().all():
        return "there are no intervals"
    covered = (found["low"] <= found.index + _ROUNDING) & (found.index - _ROUNDING <= found["high"])
    if covered.all():
        return "every interval covers the known share"
    missed = ", ".join(f"{share:g}" for share in found.index[~covered])
    return f"the interval does NOT cover the known share of {missed}"


def _listed(found: pd.DataFrame) -> str:
    return ", ".join(
        f"{share:g}: {view.interval(*numbers)}"
        for share, numbers in zip(found.index, found.to_numpy(), strict=True)
    )


def _draw(axes: Axes, found: pd.DataFrame, aside: float, colour: str, marker: str) -> None:
    places: Any = found.index + aside
    axes.vlines(places, found["low"], found["high"], color=colour, linewidth=1.2)
    axes.scatter(places, found["retained"], s=14, color=colour, marker=marker)
