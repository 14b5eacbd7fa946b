"""Cosine convergence: does what is put in at the logits change the direction of the relevance?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from saliency_bench import randomize
from saliency_bench.checks.base import PreparedNumbers, Repeated
from saliency_bench.protocols import (
    Bound,
    Ceiling,
    Condition,
    Expectation,
    Explainer,
    Floats,
    Measure,
    Network,
    NotApplicable,
    Number,
    Place,
    Scene,
    Study,
    Words,
)

LEAST_SCORES = 3
"""Fewest logits: of one, any two relevances are parallel, and of two nearly so."""

DECLARED = Expectation(
    Words(
        breaks="noise takes the place of the logits, and the method's rule hands it back",
        passes="the direction of the relevance depends on what the later layers hand back",
        fails="the relevance has one direction, whatever the later layers hand back",
        kept="of its direction",
        untouched="one noise",
        depth="share of the logits that hold noise",
    ),
    ceiling=Ceiling(
        caption="Noise from N(0, 1) is put in at the logits and handed back by the method's rule "
        "to the lowest layer with at least 3 channels. The score of an image is the median over "
        "the positions of |cos| between the channel vectors of two such draws; 1, the ceiling, "
        "means parallel. The number is 1 minus the geometric mean of 1 - |cos|, as the authors "
        "plot 1 - |cos| on a logarithmic axis. The null is the same between two images. "
        "random_fresh hands back noise that no layer has touched: its score is that of random "
        "vectors with as many channels.",
    ),
    number=Number(
        name="median |cos|",
        says="hands back relevance whose median |cos| is",
        passes="below",
        near=True,
    ),
    controls={"RandomFrozen": "fail", "RandomFresh": "pass"},
)


@runtime_checkable
class HandsBack(Protocol):
    """An explainer with a rule that hands a signal back from layer to layer."""

    def handing_back(self, model: Any) -> Bound:
        """Noise at the logits, handed back to the lowest layer with at least 3 channels."""
        ...


@dataclass(frozen=True)
class Relevance:
    """Noise at the logits, handed back by the rule of an explainer.

    Attributes:
        base: the explainer.
    """

    signed: ClassVar[bool] = True
    class_specific: ClassVar[bool] = False
    stochastic: ClassVar[bool] = True
    uses_gradients: ClassVar[bool] = True
    multiplies_input: ClassVar[bool] = False

    base: Explainer

    @property
    def thread_safe(self) -> bool:
        """As the base."""
        return bool(getattr(self.base, "thread_safe", False))

    def bind(self, model: Any) -> Bound:
        """Compile for `model`; the keys seed the noise.

        Raises:
            NotApplicable: if the explainer has no such rule, or it cannot serve the model.
        """
        if not isinstance(self.base, HandsBack):
            raise NotApplicable("it has no rule that hands relevance back from layer to layer")
        return self.base.handing_back(model)


@dataclass(frozen=True)
class ChannelCosine:
    """Median over the positions of |cos| between channel vectors of two maps (Sixt et al., 2020).

    Positions where either vector is 0 are left out.

    Attributes:
        threshold: the largest number that passes.
    """

    threshold: float = 0.99

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must be in (0, 1); got {self.threshold}")

    def prepare(self, maps: Floats) -> PreparedNumbers:
        """Unit vectors `[N, h * w, C]` of maps `[N, h, w, C]`; NaN where a vector is 0."""
        vectors = np.asarray(maps, np.float64).reshape(len(maps), -1, maps.shape[-1])
        with np.errstate(invalid="ignore", divide="ignore"):
            # Scaled first, so that no square underflows.
            peaks = np.abs(vectors).max(axis=-1, keepdims=True)
            scaled = vectors / peaks
            units = scaled / np.linalg.norm(scaled, axis=-1, keepdims=True)
        return PreparedNumbers(np.isfinite(units).any(axis=(1, 2)), units.astype(np.float32))

    def compare(self, reference: PreparedNumbers, changed: PreparedNumbers) -> NDArray[np.float64]:
        """`[N]` medians in [0, 1], NaN where no position has two vectors."""
        cosines = np.abs(np.einsum("npc,npc->np", reference.values, changed.values))
        medians = np.full(len(cosines), np.nan)
        for row, own in enumerate(cosines):
            known = own[np.isfinite(own)]
            if known.size:
                medians[row] = min(1.0, float(np.median(known)))
        return medians


@dataclass(frozen=True)
class Reseeded:
    """A condition that draws other noise at the logits; the network stays as it is."""

    name: str
    stage: int
    draw: int
    depth: float = 1.0
    moves_output: bool = False
    destroys: bool = False
    references: tuple[Place, ...] = ()

    @contextmanager
    def applied(self, network: Network, scene: Scene) -> Iterator[Scene]:
        """The same scene with other keys."""
        keys = randomize.other_keys(scene.keys, f"relevance {self.draw}")
        yield replace(scene, keys=keys)


@dataclass(frozen=True)
class CosineConvergence:
    """Cosine similarity convergence (Sixt et al., 2020): does a rule ignore the later layers?

    Attributes:
        draws: of the noise, each compared with one more; None takes the study's number.
        threshold: the largest median |cos| that passes.
    """

    papers: ClassVar[tuple[str, ...]] = ("sixt2020",)
    declares: ClassVar[Expectation] = DECLARED
    trains: ClassVar[bool] = False

    draws: int | None = None
    threshold: float = 0.99

    def __post_init__(self) -> None:
        ChannelCosine(self.threshold)
        if self.draws is not None and self.draws < 1:
            raise ValueError(f"draws must be at least 1; got {self.draws}")

    def measures(self, condition: Condition | None = None) -> Mapping[str, Measure]:
        """The median |cos|."""
        return {"channel_cosine": ChannelCosine(self.threshold)}

    def asked(self, explainer: Explainer) -> Explainer:
        """The explainer's rule, which hands back noise."""
        return Relevance(explainer)

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """The repeat, then every draw of other noise.

        Raises:
            NotApplicable: if the network has fewer than 3 logits.
        """
        scores = study.network.outputs(study.scene.images[:1]).shape[1]
        if scores < LEAST_SCORES:
            raise NotApplicable(
                f"noise at {scores} logits has hardly more than one direction; it needs "
                f"{LEAST_SCORES}"
            )
        draws = range(self.draws or study.draws)
        return (Repeated(), *(Reseeded("other noise", 1, draw) for draw in draws))

    def expectation(self, study: Study) -> Expectation:
        """What it declares."""
        return self.declares
