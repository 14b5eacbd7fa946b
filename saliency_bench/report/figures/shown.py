"""The one figure that `Results.plot` returns: curves along a check, with the line that decides."""

from __future__ import annotations

from collections import Counter

from matplotlib.figure import Figure

from saliency_bench.protocols import known_names
from saliency_bench.report import view
from saliency_bench.report.figures import planned
from saliency_bench.report.figures.curves import explainer_figure
from saliency_bench.results import Results


def figure(
    results: Results,
    explainer: str | None = None,
    check: str | None = None,
    similarity: str | None = None,
) -> Figure:
    """Curves of all explainers by one similarity, or of one explainer by all similarities.

    Args:
        results: of the run.
        explainer: its name; None: all.
        check: its name; None: the first one that ran.
        similarity: its name, for all explainers; None: the one on which most verdicts are taken.

    Raises:
        ValueError: in one line with what there is, if a name is unknown, or has no curves.
    """
    checks = view.ran(results)
    if not checks:
        raise ValueError("a check must have run to be plotted; report(folder) draws the metrics")
    check = _known(check or checks[0], checks, "check")
    if explainer is not None:
        names = list(dict.fromkeys(results.verdicts["explainer"].astype(str)))
        name = _known(explainer, names, "explainer")
        drawn = explainer_figure(results, check, name)
        if drawn is None:
            raise ValueError(f"explainer must have run under {check}; {name} has no scores there")
        return drawn
    similarities = view.similarities(results, check)
    name = _known(similarity or _deciding(results, check), similarities, "similarity")
    if not view.curves(results, check, name):
        raise ValueError(f"an explainer must have run under {check}; none has scores there")
    return planned.COMPARED[planned.kinds(results, check)[0]][1](results, check, name)


def _deciding(results: Results, check: str) -> str:
    """The similarity on which most verdicts of explainers under test are taken."""
    rows = results.verdicts[results.verdicts["check"] == check]
    tested = rows[~rows["explainer"].isin(view.controls(results))]
    known = view.similarities(results, check)
    taken = Counter(name for name in map(str, tested["similarity"]) if name in known)
    return taken.most_common(1)[0][0] if taken else next(iter(known), "none")


def _known(name: str, names: list[str], what: str) -> str:
    if name not in names:
        raise ValueError(
            f"{what} must be one of this run, got {name!r}; {known_names(name, names)}"
        )
    return name
