"""What is changed, what that promises, and all that one run needs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols.methods import Explainer, Measure
from saliency_bench.protocols.scenes import BLOCK, Floats, Scene, TargetMode
from saliency_bench.protocols.trained_networks import Networks, Untrainable

AREA = -1
"""The `stage` of the summary's row over the whole cascade, the one that carries the verdict."""

TWINS = 1
"""The stage, of a check anchored in twins, that compares networks trained alike: `score` and
`ceiling` there are a network's mean similarity with its twins, and the ceilings of later stages."""

Place = tuple[int, int]
"""Stage and draw: what tells the conditions of a check apart."""


class Network(Protocol):
    """What conditions act on and what the engine asks of a model."""

    model: Any

    def outputs(self, images: Floats) -> NDArray[np.float32]:
        """Logits `[N, K]` of the live weights."""
        ...

    def fingerprint(self) -> str:
        """Hash of all live weights."""
        ...

    def evidence(self) -> Mapping[str, int]:
        """What the change now in force did: `variables_changed` and `variables_exempt`."""
        ...


class Condition(Protocol):
    """One deliberate change: plain, picklable data."""

    @property
    def name(self) -> str:
        """Unique within a check and a draw, e.g. the name of the last redrawn block."""
        ...

    @property
    def stage(self) -> int:
        """Place in the cascade; 0 is the untouched model."""
        ...

    @property
    def depth(self) -> float:
        """Share of what a check can change that is changed: layers, or labels; in [0, 1]."""
        ...

    @property
    def draw(self) -> int:
        """Which of the repeated random draws."""
        ...

    @property
    def moves_output(self) -> bool:
        """Whether the network's output must differ from the untouched one's."""
        ...

    @property
    def references(self) -> tuple[Place, ...]:
        """Conditions of the check with whose maps these are compared, one by one, then on average.

        Empty: the maps of the untouched network.
        """
        ...

    def applied(self, network: Any, scene: Scene) -> AbstractContextManager[Scene]:
        """Make the change; yields the scene to explain; undoes the change on leaving."""
        ...


@dataclass(frozen=True)
class Expectation:
    """What a check promises, all that inference needs to know of it.

    Attributes:
        expects: what a trustworthy map does under the check's conditions.
        anchor: where the ceiling comes from: the untouched map itself, or retrained twins.
        statistic: which summary of the stages the verdict is taken on.
        no_verdict: why no verdict is given (a descriptive check); empty if one is.
        guards: what makes every verdict of the check undefined and the run fail: a line each.
    """

    expects: Literal["change", "keep", "rise"] = "change"
    anchor: Literal["self", "twins"] = "self"
    statistic: Literal["area", "last", "mean"] = "area"
    no_verdict: str = ""
    guards: tuple[str, ...] = ()


class Check(Protocol):
    """A named family of conditions."""

    expects: ClassVar[str]
    anchor: ClassVar[str]
    statistic: ClassVar[str]

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """Every condition of the check on this study, in the order of the stages.

        Raises:
            NotApplicable: if the check cannot serve this study.
        """
        ...

    def expectation(self, study: Study) -> Expectation:
        """What inference may conclude from these conditions."""
        ...


@dataclass(frozen=True)
class Study:
    """Everything one run needs, built and checked.

    Attributes:
        network: the model under test.
        scene: all images to explain.
        explainers: by name, the controls among them.
        similarities: measures by name.
        checks: by name.
        labels: `[N]` int64 true classes, or None.
        controls: the verdict each control must get, by explainer name.
        seed: the root of every random stream of the run.
        draws: redraws per stage where a check does not say otherwise.
        target: how the explained class is chosen.
        batch_size: rows evaluated at once.
        weights: trains or finds networks by name, before the loop.
        settings: whatever else decides the numbers (threads, versions); part of each cell's key.
    """

    network: Network
    scene: Scene
    explainers: Mapping[str, Explainer]
    similarities: Mapping[str, Measure]
    checks: Mapping[str, Check]
    labels: NDArray[np.int64] | None = None
    controls: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    draws: int = 5
    target: TargetMode = "label"
    batch_size: int = BLOCK
    weights: Networks = field(default_factory=Untrainable)
    settings: Mapping[str, Any] = field(default_factory=dict)
