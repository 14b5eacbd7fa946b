"""Each verdict in one sentence for non-specialists, and known facts about a method."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from saliency_bench.protocols import AREA
from saliency_bench.report import lines, view
from saliency_bench.results import Results

_INPUT = (
    "It multiplies by the input: magnitudes keep the input's shape also where the signs are lost "
    "(Adebayo et al., 2018)."
)
_POSITIVE = (
    "Rules that hand back positive parts only converge to one direction, whatever the later layers "
    "hold (Sixt et al., 2020)."
)
_RECOVERS = "It recovers the input, whatever the class (Nie et al., 2018)."

FACTS = (
    (r"(GuidedBackprop|Deconvnet)\(", _RECOVERS),
    (
        r"GuidedGradCAM\(",
        "Its detail is that of guided backpropagation, which recovers the input, whatever the "
        "class (Nie et al., 2018).",
    ),
    (r"GradientInput\(", _INPUT),
    (r"IntegratedGradients\((?!.*multiply_by_inputs=False)", _INPUT),
    (r"LRP\(.*rule='?(z_plus|alpha_beta|epsilon_plus)", _POSITIVE),
    (
        r"GradCAM\(",
        "It averages gradients over the feature map, and may point at places that the network did "
        "not use (Draelos and Carin, 2020).",
    ),
    (
        r"(EigenCAM|FEM|Activations)\(",
        "It is made of feature maps alone: it cannot tell classes apart.",
    ),
    (
        r"EdgeDetector\(",
        "It never sees the network, and yet looks convincing (Adebayo et al., 2018).",
    ),
)
"""Known facts about methods, each with a pattern of the method's settings."""


def fact(results: Results, explainer: str) -> str:
    """A known fact about a method, with its paper; empty if there is none."""
    settings = str(dict(results.provenance.get("explainers", {})).get(explainer, ""))
    return next((text for pattern, text in FACTS if re.match(pattern, settings)), "")


def plain(results: Results, check: str) -> dict[str, str]:
    """The meaning of each explainer's verdict under a check, in one sentence."""
    verdicts = results.verdicts[results.verdicts["check"] == check]
    return {str(row["explainer"]): _sentence(results, check, row) for _, row in verdicts.iterrows()}


_ASPECTS = {"absolute=False": "sign", "absolute=True": "magnitude"}
"""What a similarity looks at, by one of its settings."""


def sides(results: Results, row: view.Row) -> Iterator[tuple[str, str]]:
    """What each similarity looks at, and its verdict, the one that decides first.

    Nothing where all give the same verdict.
    """
    if row.disagrees:
        for similarity, verdict in ({row.similarity: row.verdict} | row.disagrees).items():
            yield _aspect(results, similarity), verdict.replace("_", " ")


def _aspect(results: Results, similarity: str) -> str:
    settings = str(results.provenance.get("similarities", {}).get(similarity, ""))
    told = next((words for setting, words in _ASPECTS.items() if setting in settings), "")
    return f"{told} ({similarity})" if told else similarity


def _sentence(results: Results, check: str, row: pd.Series) -> str:
    name, verdict, reason = (str(row[key]) for key in ("explainer", "verdict", "reason"))
    if verdict in ("pass", "fail", "inconclusive"):
        return f"{_remainder(results, check, row)}: {_ending(results, check, row)}."
    reason = reason.rstrip(".") if view.given(reason) else "no reason is known"
    beginnings = {
        "undefined": f"Nothing can be said of {name}",
        "not_applicable": f"{name} does not apply here",
        "error": f"{name} failed",
    }
    return f"{beginnings.get(verdict, f'{name} gets no verdict here')}: {reason}."


def _remainder(results: Results, check: str, row: pd.Series) -> str:
    """How much of the map is retained and under which change, or the check's own number."""
    name, expectation = row["explainer"], view.expectation(results, check)
    if expectation.is_scored:
        (decided,) = [r for r in view.verdict_rows(results, check) if r.explainer == name]
        number, judged = expectation.number, expectation.judged
        return f"{name} {number.says if number else f'keeps a {judged} of'} {decided.retained}"
    if not np.isfinite(row["retained"]):
        return f"{name} draws the same map, whatever is broken"
    bounds = f"{_percent(row['retained_low'])}, {_percent(row['retained_high'])}"
    return f"{name} keeps {_percent(row['retained'])} % [{bounds}] {expectation.words.kept}"


def _ending(results: Results, check: str, row: pd.Series) -> str:
    words = view.expectation(results, check).words
    if row["verdict"] == "pass":
        return f"{words.passes}, which does not make it right"
    if row["verdict"] == "inconclusive":
        where = _line(results, check, str(row["similarity"]))
        return f"too close to call{where}; more {words.draws} or images may decide"
    return words.fails


def _line(results: Results, check: str, similarity: str) -> str:
    """The line of the verdict in brackets; empty if there is none."""
    own = lines.line(results, check, similarity)
    if own is None:
        return ""
    scored = view.expectation(results, check).is_scored
    return f" (the line is {own:g})" if scored else f" (the line is {_percent(own)} %)"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}".replace("-0", "0") if abs(share) < 0.005 else f"{100 * share:.0f}"


def stages(results: Results, check: str, explainer: str) -> list[tuple[str, list[str]]]:
    """The number that decides, with its interval, at every stage and for the verdict.

    Args:
        results: of the run.
        check: name of the check.
        explainer: name of the explainer.

    Returns:
        Rows `(name of the stage, a text per similarity)`.
    """
    names = view.stage_names(results, check) | {AREA: view.expectation(results, check).statistic}
    rows = view.summary(results, check)
    rows = rows[rows["explainer"] == explainer]
    places = zip(rows["stage"], rows["similarity"].astype(str), strict=True)
    values = rows[view.deciding(results, check)].to_numpy(float)
    digits = view.expectation(results, check).digits
    texts = {
        place: view.interval(*numbers, digits=digits)
        for place, numbers in zip(places, values, strict=True)
    }
    similarities = view.similarities(results, check)
    return [
        (name, [texts.get((stage, similarity), "-") for similarity in similarities])
        for stage, name in names.items()
        if stage != 0
    ]
