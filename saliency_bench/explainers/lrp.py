"""Layer-wise relevance propagation."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from saliency_bench import network
from saliency_bench.explainers.base import Method
from saliency_bench.protocols import Bound, Floats, Output

RULES = ("epsilon", "gamma", "z_plus", "alpha_beta", "w_square", "flat", "z_box")

COMPOSITES: Mapping[str, Mapping[str, str]] = {
    "epsilon_plus": {"dense": "epsilon", "convolution": "z_plus", "input": "z_plus"},
    "epsilon_plus_flat": {"dense": "epsilon", "convolution": "z_plus", "input": "flat"},
    "epsilon_alpha_beta": {"dense": "epsilon", "convolution": "alpha_beta", "input": "alpha_beta"},
    "epsilon_alpha_beta_flat": {"dense": "epsilon", "convolution": "alpha_beta", "input": "flat"},
    "epsilon_gamma_box": {"dense": "epsilon", "convolution": "gamma", "input": "z_box"},
    "deep_taylor": {"dense": "z_plus", "convolution": "z_plus", "input": "z_box"},
}
"""Rules by place. `epsilon_plus` and those like it: (Montavon et al., 2019)."""

PLACES = ("dense", "convolution", "input")
UNSIGNED = {"z_plus", "w_square", "flat", "z_box"}
"""Rules that never turn a sign."""


@dataclass(frozen=True)
class LRP(Method):
    """Relevance: the logit, handed back through each layer to its inputs (Bach et al., 2015).

    A convolution or dense layer, with the BatchNorm beside it folded in, is one linear map; sums,
    means and pools are linear maps as well; a max pool hands all to the winner, and an
    activation hands on what it gets. z includes the bias, which keeps its part.

    Under the epsilon rule alone the map sums to the logit, but for what biases keep. Other rules
    hardly ask what the logit's sign was, so that a network with the other sign would turn the whole
    map and no more: they hand back its magnitude, and positive is what the logit is made of.

    Attributes:
        rule: of all layers (`epsilon`, `gamma`, `z_plus`, `alpha_beta`, `w_square`, `flat`), the
            name of a composite, or rules by place: a layer's name or pattern, `dense`,
            `convolution`, `input` (the first layer with weights).
        epsilon: of the epsilon rule, absolute.
        gamma: of the gamma rule.
        alpha: share of the positive parts in the alpha-beta rule; its beta is `alpha - 1`.
        low: for z_box, the smallest value an input can have, model units.
        high: for z_box, the largest.
        output: what is explained.
    """

    rule: str | Mapping[str, str] = "epsilon"
    epsilon: float = 1e-6
    gamma: float = 0.25
    alpha: float = 2.0
    low: float | None = None
    high: float | None = None
    output: Output = "logit"

    multiplies_input: ClassVar[bool] = True
    promises: ClassVar[frozenset[str]] = frozenset({"noise", "weights", "conservation"})

    def __post_init__(self) -> None:
        for name, least in (("epsilon", 0), ("gamma", 0), ("alpha", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}; got {getattr(self, name)}")
        if isinstance(self.rule, str) and self.rule not in (*RULES, *COMPOSITES):
            known = ", ".join((*RULES, *COMPOSITES))
            raise ValueError(f"rule must be one of {known}, or rules by place; got {self.rule!r}")
        _check_places(self.by_place)
        if "z_box" in self.by_place.values():
            _check_box(self.low, self.high)

    @property
    def by_place(self) -> Mapping[str, str]:
        """The rule of each place."""
        if not isinstance(self.rule, str):
            return self.rule
        return COMPOSITES.get(self.rule) or dict.fromkeys(PLACES, self.rule)

    @property
    def signed(self) -> bool:  # type: ignore[override]
        """Unless no rule ever turns a sign."""
        return not set(self.by_place.values()) <= UNSIGNED

    def bind(self, model: Any) -> Bound:
        """Compile for `model`; `NotApplicable` with the layer that has no rule."""
        return network.relevance(
            model, self._choose, self.output, magnitude=self._hands_back_magnitude
        )

    def conserved(self, scores: Floats) -> Floats:
        """What the map sums to where nothing is biased: the score or its magnitude."""
        return np.abs(scores) if self._hands_back_magnitude else scores

    @property
    def _hands_back_magnitude(self) -> bool:
        return set(self.by_place.values()) != {"epsilon"}

    def _choose(self, place: str, layer: str) -> network.LayerRule:
        patterns = [p for p in self.by_place if p not in PLACES and fnmatch.fnmatchcase(layer, p)]
        return self._rule(self.by_place[patterns[0] if patterns else place])

    def _rule(self, name: str) -> network.LayerRule:
        made: Mapping[str, Callable[[], network.LayerRule]] = {
            "epsilon": lambda: network.Epsilon(self.epsilon),
            "gamma": lambda: network.Gamma(self.gamma),
            "alpha_beta": lambda: network.AlphaBeta(self.alpha, self.alpha - 1),
            "z_plus": network.ZPlus,
            "w_square": network.WSquare,
            "flat": network.Flat,
            "z_box": lambda: network.ZBox(self.low or 0.0, self.high or 0.0),
        }
        return made[name]()


def _check_places(by_place: Mapping[str, str]) -> None:
    unknown = [name for name in by_place.values() if name not in RULES]
    if unknown:
        known = ", ".join(RULES)
        raise ValueError(f"rule must give each place one of {known}; got {unknown[0]!r}")
    missing = [place for place in PLACES if place not in by_place]
    if missing:
        raise ValueError(f"rule must hold a rule for {', '.join(missing)}; got {dict(by_place)}")
    if "z_box" in (by_place["dense"], by_place["convolution"]):
        raise ValueError(f"z_box must be the rule of the input alone; got {dict(by_place)}")


def _check_box(low: float | None, high: float | None) -> None:
    if low is None or high is None or not low < high:
        raise ValueError(
            "low and high must be the smallest and the largest value an input can have, "
            f"for the rule z_box; got {low} and {high}"
        )
