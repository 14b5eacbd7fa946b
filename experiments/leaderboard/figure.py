"""Figures of the leaderboard: what each explainer gets where, and what its maps cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from saliency_bench.report.figures import style

OPEN = "#D9D9D9"
NOTHING = "white"

VERDICTS = {"pass": style.BLUE, "fail": style.VERMILLION, "open": OPEN}
RESULTS = {
    "better": style.BLUE, "not better": style.ORANGE, "worse": style.VERMILLION, "open": OPEN,
}  # fmt: skip
HEADLINE = "symmetric_relevance_gain"
FIRST = "param_randomization"


def verdicts(table: pd.DataFrame, names: Sequence[str]) -> bytes:
    """The verdict of every explainer by every check that has some, a panel for each network.

    Args:
        table: the verdicts of all networks.
        names: the explainers under test.
    """
    tested = table[table["explainer"].isin(names)]
    judged = tested["verdict"].isin(["pass", "fail"]).groupby(
        [tested["network"], tested["check"]]
    )  # fmt: skip
    own = tested[judged.transform("any")]
    return _outcomes(own, "check", VERDICTS, "Does the map depend on what is broken?")


def metrics(table: pd.DataFrame, names: Sequence[str]) -> bytes:
    """Whether every explainer is better than chance by every metric that has one.

    Args:
        table: the metrics of all networks.
        names: the explainers under test.
    """
    own = table[table["explainer"].isin(names) & table["gain"].notna()]
    return _outcomes(own, "metric", RESULTS, "Is the map better than the same map moved away?")


@mpl.rc_context(style.STYLE)
def _outcomes(table: pd.DataFrame, what: str, colours: Mapping[str, str], title: str) -> bytes:
    networks = list(dict.fromkeys(table["network"]))
    names = sorted(set(table["explainer"]))
    asked = {n: list(dict.fromkeys(table[what][table["network"] == n])) for n in networks}
    height = 2.2 + 0.135 * len(names)
    figure = style.new_figure(style.WIDTH, height, constrained=True)
    panels = figure.subplots(
        1, len(networks), sharey=True, squeeze=False, width_ratios=[len(asked[n]) for n in networks]
    )[0]
    for axes, network in zip(panels, networks, strict=True):
        for row in table[table["network"] == network].to_dict("records"):
            place = asked[network].index(row[what]), names.index(row["explainer"])
            corner = place[0] - 0.46, place[1] - 0.44
            axes.add_patch(Rectangle(corner, 0.92, 0.88, color=_colour(row["verdict"], colours)))
        axes.set(xlim=(-0.5, len(asked[network]) - 0.5), ylim=(len(names) - 0.5, -0.5))
        axes.set_title(network.replace("_", "\n", 1))
        axes.set_xticks(range(len(asked[network])), asked[network], rotation=90, fontsize=6)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    panels[0].set_yticks(range(len(names)), names)
    handles = [Patch(color=colour, label=name) for name, colour in colours.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    figure.suptitle(f"{title} White: it does not apply.", x=0.01, ha="left")
    return style.encoded(figure, "png")


def _colour(verdict: object, colours: Mapping[str, str]) -> str:
    if verdict == "not_applicable":
        return NOTHING
    return colours.get(str(verdict).replace("_", " "), OPEN)


@mpl.rc_context(style.STYLE)
def costs(quality: pd.DataFrame, verdicts: pd.DataFrame, costs: pd.DataFrame) -> bytes:
    """What a map costs against what the faithful headline says of it, a panel for each network.

    Args:
        quality: the metrics of all networks.
        verdicts: the verdicts of all networks.
        costs: of the explainers, see `experiments.leaderboard.costs`.
    """
    found = quality[quality["metric"] == HEADLINE].merge(costs, on="explainer")
    networks = list(dict.fromkeys(found["network"]))
    first = verdicts[verdicts["check"] == FIRST].set_index(["network", "explainer"])["verdict"]
    figure = style.new_figure(style.WIDTH, 0.6 + 2.1 * -(-len(networks) // 3), constrained=True)
    panels = figure.subplots(-(-len(networks) // 3), min(3, len(networks)), squeeze=False).ravel()
    for axes in panels[len(networks) :]:
        axes.remove()
    for axes, network in zip(panels, networks, strict=False):
        own = found[found["network"] == network]
        for row in own.to_dict("records"):
            colour = _colour(first.get((network, row["explainer"]), "open"), VERDICTS)
            span = [[row["gain"] - row["gain_low"]], [row["gain_high"] - row["gain"]]]
            axes.errorbar(
                [row["gradients"]], [row["gain"]], yerr=np.maximum(span, 0), fmt="o", markersize=3,
                color=colour if colour != OPEN else style.SUBDUED, linewidth=0.7,
            )  # fmt: skip
        _name_best(axes, own)
        axes.axhline(0, color=style.SUBDUED, linewidth=0.6)
        axes.set(xscale="log", title=network, xlabel="cost of a map, in gradients")
        axes.set_ylabel("gain over chance")
    handles = [
        Line2D([], [], marker="o", linestyle="", color=colour, label=f"{name}: weights redrawn")
        for name, colour in (VERDICTS | {"open": style.SUBDUED}).items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle("Does a dear map say more? (symmetric relevance gain)", x=0.01, ha="left")
    return style.encoded(figure, "png")


def _name_best(axes: mpl.axes.Axes, own: pd.DataFrame) -> None:
    """The names of the three best explainers, one below the other."""
    for place, row in enumerate(own.nlargest(3, "gain").to_dict("records")):
        left = row["gradients"] > 100
        axes.annotate(
            row["explainer"], (row["gradients"], row["gain"]), fontsize=5.5,
            xytext=(-4 if left else 4, 6 - 6 * place), textcoords="offset points",
            ha="right" if left else "left",
        )  # fmt: skip
