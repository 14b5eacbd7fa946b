"""Layer-wise relevance propagation."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from saliency_bench import network
from saliency_bench.explainers.base import Compiled
from saliency_bench.explainers.handing_back import handing_back
from saliency_bench.protocols import Bound, Floats, Output

RULES = ("epsilon", "gamma", "z_plus", "alpha_beta", "w_square", "flat", "z_box")

COMPOSITES: Mapping[str, Mapping[str, str]] = {
    "epsilon_plus": {"dense": "epsilon", "convolution": "z_plus", "input": "z_plus"},
    "epsilon_plus_flat": {"dense": "epsilon", "convolution": "z_plus", "input": "flat"},
    "epsilon_alpha_beta": {"dense": "epsilon", "convolution": "alpha_beta", "input": "alpha_beta"},
    "epsilon_alpha_beta_flat": {"dense": "epsilon", "convolution": "alpha_beta", "input": "flat"},
    "epsilon_gamma_box": {"dense": "epsilon", "convolution": "gamma", "input": "z_box"},
    "deep_taylor": {"dense": "z_plus", "convolution": "z_plus", "input": "z_box"},
    # AttnLRP (Achtibat et al., 2024): with other rules for products and the softmax, too.
    "attention": {"dense": "epsilon", "convolution": "epsilon", "input": "epsilon"},
    "attention_gamma": {"dense": "gamma", "convolution": "gamma", "input": "gamma"},
}
"""Rules by place. Source of the `epsilon_plus` family: (Montavon et al., 2019)."""

HALVING = frozenset({"attention", "attention_gamma"})
"""Composites under which both factors of a product get half of its relevance (AttnLRP)."""

PLACES = ("dense", "convolution", "input")
UNSIGNED = {"z_plus", "w_square", "flat", "z_box"}
"""Rules that never change the sign of relevance."""

_PAPERS = {
    "z_plus": "montavon2017",
    "deep_taylor": "montavon2017",
    "attention": "achtibat2024",
    "attention_gamma": "achtibat2024",
}
"""Those of rules with a paper of their own."""


@dataclass(frozen=True)
class LRP(Compiled):
    """Relevance: the logit, propagated back through each layer to its inputs (Bach et al., 2015).

    A convolution or dense layer is one linear map, with a BatchNorm next to it folded in. Sums,
    means and average pools are linear maps too. A max pool passes all relevance to the maximum, and
    an activation passes it on unchanged, GELU and SiLU as well. z includes the bias, which absorbs
    its part. The standard deviation of a LayerNorm or RMSNorm counts as a constant, so that the
    rest is linear (Ali et al., 2022).

    In a product of features and a gate (a sigmoid, attention weights) the gate counts as a constant
    (Arras et al., 2017; Ali et al., 2022). Under the composites `attention` and `attention_gamma`
    each factor of any product gets half, and relevance goes through the softmax as
    `x_i (R_i - s_i sum_j R_j)`: AttnLRP (Achtibat et al., 2024). There the image, the added
    parameters and the constants of the softmax together have the logit's relevance.

    Under the epsilon rule alone the map sums to the logit, up to what biases absorb. Under the
    other rules a logit of the other sign would only change the sign of the whole map. So they
    propagate the logit's magnitude, and positive relevance marks what the logit is made of.

    Attributes:
        rule: one rule for all layers (`epsilon`, `gamma`, `z_plus`, `alpha_beta`, `w_square`,
            `flat`), the name of a composite, or rules by place: `dense`, `convolution`, `input`
            (the first layer with weights), and names of layers or patterns (`fnmatch`).
        epsilon: of the epsilon rule; an absolute value.
        gamma: of the gamma rule.
        alpha: weight of the positive parts in the alpha-beta rule; beta is `alpha - 1`.
        low: for z_box, the smallest value an input can have, model units.
        high: for z_box, the largest value.
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
    def papers(self) -> tuple[str, ...]:
        """That of the method, and that of the rule: if rules differ by place, the overview."""
        rule = self.rule if isinstance(self.rule, str) else ""
        own = _PAPERS.get(rule, "" if rule in RULES else "montavon2019")
        return ("bach2015", own) if own else ("bach2015",)

    @property
    def by_place(self) -> Mapping[str, str]:
        """The rule of each place."""
        if not isinstance(self.rule, str):
            return self.rule
        return COMPOSITES.get(self.rule) or dict.fromkeys(PLACES, self.rule)

    @property
    def axioms(self) -> frozenset[str]:  # type: ignore[override]
        """Conservation, too, unless a softmax may have a share of its own."""
        always = frozenset({"noise", "weights", "confinement"})
        return always if self._products == "halves" else always | {"conservation"}

    @property
    def signed(self) -> bool:  # type: ignore[override]
        """Unless no rule changes a sign."""
        return not set(self.by_place.values()) <= UNSIGNED

    def compile(self, model: Any) -> Bound:
        """Compile for `model`; `NotApplicable` if a layer has no rule."""
        return network.relevance(
            model,
            self._choose,
            self.output,
            products=self._products,
            magnitude=self._propagates_magnitude,
        )

    def handing_back(self, model: Any) -> Bound:
        """Noise at the scores, handed back by the rules of the layers."""
        return handing_back(model, self.output, network.Relevance(self._choose, self._products))

    def conserved(self, scores: Floats) -> Floats:
        """What maps sum to in a network without biases: the scores or their magnitudes."""
        return np.abs(scores) if self._propagates_magnitude else scores

    @property
    def _products(self) -> Literal["signal", "halves"]:
        return "halves" if isinstance(self.rule, str) and self.rule in HALVING else "signal"

    @property
    def _propagates_magnitude(self) -> bool:
        return set(self.by_place.values()) != {"epsilon"}

    def _choose(self, place: str, layer: str) -> network.LayerRule:
        patterns = [p for p in self.by_place if p not in PLACES and fnmatch.fnmatchcase(layer, p)]
        return self._rule(self.by_place[patterns[0] if patterns else place])

    def _rule(self, name: str) -> network.LayerRule:
        rules: Mapping[str, Callable[[], network.LayerRule]] = {
            "epsilon": lambda: network.Epsilon(self.epsilon),
            "gamma": lambda: network.Gamma(self.gamma),
            "alpha_beta": lambda: network.AlphaBeta(self.alpha, self.alpha - 1),
            "z_plus": network.ZPlus,
            "w_square": network.WSquare,
            "flat": network.Flat,
            "z_box": lambda: network.ZBox(self.low or 0.0, self.high or 0.0),
        }
        return rules[name]()


def _check_places(by_place: Mapping[str, str]) -> None:
    unknown = [name for name in by_place.values() if name not in RULES]
    if unknown:
        known = ", ".join(RULES)
        raise ValueError(f"rule must give each place one of {known}; got {unknown[0]!r}")
    missing = [place for place in PLACES if place not in by_place]
    if missing:
        raise ValueError(f"rule must name a rule for {', '.join(missing)}; got {dict(by_place)}")
    if "z_box" in (by_place["dense"], by_place["convolution"]):
        raise ValueError(f"z_box must be a rule for the input alone; got {dict(by_place)}")


def _check_box(low: float | None, high: float | None) -> None:
    if low is None or high is None or not low < high:
        raise ValueError(
            "low and high must be the smallest and the largest value an input can have, "
            f"for the rule z_box; got {low} and {high}"
        )
