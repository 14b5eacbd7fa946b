"""The network under test, and all that one run needs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols.checks import Check
from saliency_bench.protocols.methods import Explainer, Similarity
from saliency_bench.protocols.scenes import BLOCK, Floats, Scene, TargetMode
from saliency_bench.protocols.trained_networks import Networks, Untrainable

Values = dict[int, NDArray[Any]]
"""New values of variables, by their position in `model.variables`."""


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

    def changed(self, values: Values) -> AbstractContextManager[None]:
        """Swap values in, and the old ones back on leaving; proves both.

        Raises:
            ProofError: if just those did not change, or did not come back.
        """
        ...

    def once(self, condition: Hashable, draw: Callable[[Any], Values]) -> Values:
        """`draw(model)`, called for the first of all uses of a condition in a row."""
        ...


@dataclass(frozen=True)
class Study:
    """Everything one run needs, built and checked.

    Attributes:
        network: the model under test.
        scene: all images to explain.
        explainers: by name, the controls among them.
        similarities: by name.
        checks: by name.
        labels: `[N]` int64 true classes, or None.
        controls: the name of each control's class, by explainer name.
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
    similarities: Mapping[str, Similarity]
    checks: Mapping[str, Check]
    labels: NDArray[np.int64] | None = None
    controls: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    draws: int = 5
    target: TargetMode = "label"
    batch_size: int = BLOCK
    weights: Networks = field(default_factory=Untrainable)
    settings: Mapping[str, Any] = field(default_factory=dict)
