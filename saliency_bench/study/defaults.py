"""The parts of a study by name: explainers and controls, checks, similarities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from saliency_bench.explainers import CONTROLS, Control, Function, Method
from saliency_bench.protocols import Check, Explainer, Floats, Ints, Similarity
from saliency_bench.similarities import SSIM, HOGCorrelation, Spearman

AnyExplainer = Explainer | Callable[[Any, Floats, Ints], Floats]


def default_similarities() -> dict[str, Similarity]:
    """The four similarities of (Adebayo et al., 2018), by their name in results."""
    return {
        "spearman_signed": Spearman(absolute=False),
        "spearman_abs": Spearman(absolute=True),
        "ssim": SSIM(),
        "hog": HOGCorrelation(),
    }


def named(checks: Sequence[Check]) -> dict[str, Check]:
    """Checks by the name of their class in snake case; further ones of a class get a number."""
    names: dict[str, Check] = {}
    for check in checks:
        stem = "".join(f"_{c.lower()}" if c.isupper() else c for c in type(check).__name__)[1:]
        stem = stem.replace("parameter_", "param_")
        names[stem if stem not in names else f"{stem}_{len(names) + 1}"] = check
    return names


def with_controls(explainers: Mapping[str, AnyExplainer]) -> dict[str, Explainer]:
    """The explainers, with callables wrapped, followed by the controls that are missing.

    Raises:
        ValueError: if there is no explainer, if one is a class or cannot be called, or if one that
            is no control has the name of a control.
    """
    for name, explainer in explainers.items():
        if isinstance(explainer, type):
            raise ValueError(f"{name} must be an explainer; got the class {explainer.__name__}")
        if not isinstance(explainer, Method | Explainer) and not callable(explainer):
            raise ValueError(f"{name} must be an explainer or a function; got {explainer!r}")
    own = {
        name: explainer if isinstance(explainer, Method | Explainer) else Function(explainer)
        for name, explainer in explainers.items()
    }
    clashes = [n for n, e in own.items() if n in CONTROLS and not isinstance(e, CONTROLS[n])]
    if clashes:
        raise ValueError(f"an explainer must not bear the name of a control; got {clashes[0]!r}")
    if all(isinstance(explainer, Control) for explainer in own.values()):
        raise ValueError(f"explainers must name one that is no control; got {list(own)}")
    return own | {name: control() for name, control in CONTROLS.items() if name not in own}
