"""Deliberate changes of a network, and the inputs of one run."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols.expectations import Expectation
from saliency_bench.protocols.fine_tuning import FineTuner, NotTuned
from saliency_bench.protocols.methods import Bound, Explainer, Measure, Similarity
from saliency_bench.protocols.metrics import Metric
from saliency_bench.protocols.scenes import BLOCK, Floats, Scene, TargetMode
from saliency_bench.protocols.trained_networks import Networks, Untrainable

Place = tuple[int, int]
"""Stage and draw, which identify a condition within its check."""

Values = dict[int, NDArray[Any]]
"""New values of variables, by their position in `model.variables`."""


class Network(Protocol):
    """A model, as conditions and the engine use it."""

    model: Any

    def outputs(self, images: Floats) -> NDArray[np.float32]:
        """Logits `[N, K]` of the live weights."""
        ...

    def fingerprint(self) -> str:
        """Hash of all live weights."""
        ...

    def evidence(self) -> Mapping[str, int]:
        """Counts for the current change: `variables_changed` and `variables_exempt`."""
        ...

    def changed(self, values: Values) -> AbstractContextManager[None]:
        """Swap values in, and the old ones back on exit; verifies both.

        Raises:
            ProofError: if other variables changed than these, or the old values did not come back.
        """
        ...

    def bind(self, explainer: Explainer) -> Bound:
        """An explainer for the model, and for what takes its place.

        Raises:
            NotApplicable: if it cannot handle the model.
        """
        ...

    def behind(self, shift: Floats, *, baseline: float = 0.0) -> AbstractContextManager[None]:
        """A block in which the model subtracts `shift` `[H, W, C]` from its images first.

        Explainers follow it there; `baseline` is added to their baselines.
        """
        ...

    def guarded(self) -> AbstractContextManager[list[str]]:
        """A block that must leave the model as it is; what it changes is put back.

        It yields the names of the feature maps that are taken inside the block.

        Raises:
            ModelChanged: if it changed the model; an error of the block itself passes.
        """
        ...

    def once(self, condition: Hashable, draw: Callable[[Any], Values]) -> Values:
        """The values `draw(model)`, which are reused while the same condition is used in a row."""
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
        """Changed share of what the check can change, layers or labels; in [0, 1]."""
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
    def destroys(self) -> bool:
        """Whether nothing that was learned remains, so that the network must be at chance."""
        ...

    @property
    def references(self) -> tuple[Place, ...]:
        """Conditions of the check whose maps are the references; scores are averaged over them.

        If empty, the reference is the map of the untouched network.
        """
        ...

    def applied(self, network: Network, scene: Scene) -> AbstractContextManager[Scene]:
        """Make the change, yield the scene to explain, and undo the change on exit."""
        ...


@runtime_checkable
class Check(Protocol):
    """A named family of conditions."""

    declares: ClassVar[Expectation]
    """What the check declares about itself for any study."""

    trains: ClassVar[bool]
    """Whether the check needs further networks, and so images to train on."""

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """Every condition of the check on this study, in the order of the stages.

        Raises:
            NotApplicable: if the check cannot serve this study.
        """
        ...

    def expectation(self, study: Study) -> Expectation:
        """What the check declares, and which conclusions this study allows."""
        ...


@runtime_checkable
class Measuring(Protocol):
    """A check that scores maps by measures of its own, in place of the study's similarities."""

    def measures(self, condition: Condition | None = None) -> Mapping[str, Measure]:
        """By name, which is that of no similarity.

        Args:
            condition: only those that have a meaning under this condition; default: all.
        """
        ...


@runtime_checkable
class Asking(Protocol):
    """A check that asks explainers for something else than their maps."""

    def asked(self, explainer: Explainer) -> Explainer:
        """What it asks an explainer for, as an explainer; its `bind` may not apply."""
        ...


@dataclass(frozen=True)
class Study:
    """The validated inputs of one run.

    Attributes:
        network: the model under test.
        scene: all images to explain.
        explainers: by name, controls included.
        similarities: by name.
        checks: by name.
        metrics: by name; they assess the maps of the untouched network.
        labels: `[N]` int64 true classes, or None.
        regions: `[N, H, W]` bool: where in the images the evidence lies, for metrics that ask;
            an image with an empty mask has none. None if it is not known.
        controls: the name of each control's class, by explainer name.
        seed: the root of every random stream of the run.
        draws: redraws per stage, unless a check has its own number.
        target: how the explained class is chosen.
        batch_size: most rows evaluated at once.
        full: whether fewer are filled up.
        cores: explanations made at once; no number depends on it.
        weights: trains or finds networks by name, before the loop.
        tuner: fine-tunes the network under test for metrics that ask, before the loop.
        settings: what else affects the numbers (threads, versions); part of the key of each cell.
        remarks: what weakens the study, a line each.
        misfit: the input or the labels with which the network is far better, in one line; empty if
            none is known.
    """

    network: Network
    scene: Scene
    explainers: Mapping[str, Explainer]
    similarities: Mapping[str, Similarity]
    checks: Mapping[str, Check]
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    labels: NDArray[np.int64] | None = None
    regions: NDArray[np.bool_] | None = None
    controls: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    draws: int = 5
    target: TargetMode = "label"
    batch_size: int = BLOCK
    full: bool = True
    cores: int = 1
    weights: Networks = field(default_factory=Untrainable)
    tuner: FineTuner = field(default_factory=NotTuned)
    settings: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    misfit: str = ""

    @property
    def images_at_once(self) -> int:
        """Images of one call of an explainer: a batch, or a block if batches are not filled up."""
        return self.batch_size if self.full else min(BLOCK, self.batch_size)

    def call(self, check: str, explainer: str) -> str:
        """The name of what a check asks an explainer for: the explainer's own for its maps."""
        return f"{explainer} ({check})" if isinstance(self.checks[check], Asking) else explainer

    def calls(self) -> Mapping[str, Explainer]:
        """All that the checks ask the explainers for, each once, by the name of `call`."""
        return {
            self.call(check, name): own.asked(explainer) if isinstance(own, Asking) else explainer
            for check, own in self.checks.items()
            for name, explainer in self.explainers.items()
        } | (dict(self.explainers) if self.metrics else {})

    def measures(self, check: str, condition: Condition | None = None) -> Mapping[str, Measure]:
        """What scores the maps of a check, by name.

        Args:
            check: its name.
            condition: only what has a meaning under this condition; default: everything.
        """
        own = self.checks[check]
        return own.measures(condition) if isinstance(own, Measuring) else self.similarities

    @property
    def all_measures(self) -> Mapping[str, Measure]:
        """The similarities, and what else scores the maps of any check, by name."""
        own = (self.measures(check) for check in self.checks)
        return {name: measure for of in (self.similarities, *own) for name, measure in of.items()}
