"""The parts of a study by name: explainers and controls, checks, similarities."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from saliency_bench.explainers import CONTROLS, NAMED_CONTROLS, Control, Function, Method
from saliency_bench.protocols import Check, Explainer, Floats, Ints, Metric, Similarity
from saliency_bench.similarities import SSIM, HOGCorrelation, Spearman

T = TypeVar("T")

AnyExplainer = Explainer | Callable[[Any, Floats, Ints], Floats]


def default_similarities() -> dict[str, Similarity]:
    """The four similarities of (Adebayo et al., 2018), by their name in results."""
    return {
        "spearman_signed": Spearman(absolute=False),
        "spearman_abs": Spearman(absolute=True),
        "ssim": SSIM(),
        "hog": HOGCorrelation(),
    }


def named(parts: Sequence[T]) -> dict[str, T]:
    """Parts by name: a function's own, or that of an object's class in snake case, as in conf/.

    A text is its own name. Further parts of the same name get a number.
    """
    names: dict[str, T] = {}
    for part in parts:
        stem = part if isinstance(part, str) else _own_name(part)
        if isinstance(part, str) and names.get(stem) == part:
            continue
        names[stem if stem not in names else f"{stem}_{len(names) + 1}"] = part
    return names


def _own_name(part: object) -> str:
    name = getattr(part, "__name__", type(part).__name__).strip("<>")
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return words.replace("parameter_", "param_")


def with_controls(
    explainers: Mapping[str, AnyExplainer], checks: Iterable[Check], metrics: Iterable[Metric] = ()
) -> dict[str, Explainer]:
    """The explainers, with callables wrapped, followed by the controls that are missing.

    Args:
        explainers: by name.
        checks: each may name controls beyond those of every run.
        metrics: likewise.

    Raises:
        ValueError: if there is no explainer, if one is a class or cannot be called, or if one that
            is no control has the name of a control.
    """
    for name, explainer in explainers.items():
        if isinstance(explainer, type):
            raise ValueError(f"{name} must be an explainer; got the class {explainer.__name__}")
        if not isinstance(explainer, Method | Explainer) and not callable(explainer):
            text = " ".join(repr(explainer).split())
            raise ValueError(f"{name} must be an explainer or a function; got {text:.80}")
    own = {
        name: explainer if isinstance(explainer, Method | Explainer) else Function(explainer)
        for name, explainer in explainers.items()
    }
    named = {kind for check in checks for kind in check.declares.controls}
    named |= {kind for metric in metrics for kind in metric.controls}
    further = {name: kind for name, kind in NAMED_CONTROLS.items() if kind.__name__ in named}
    controls = CONTROLS | further
    clashes = [n for n, e in own.items() if n in controls and not isinstance(e, controls[n])]
    if clashes:
        raise ValueError(f"an explainer must not bear the name of a control; got {clashes[0]!r}")
    if all(isinstance(explainer, Control) for explainer in own.values()):
        raise ValueError(f"explainers must name one that is no control; got {list(own)}")
    return own | {name: control() for name, control in controls.items() if name not in own}
