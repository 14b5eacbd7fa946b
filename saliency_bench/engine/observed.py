"""What is kept of the network itself under a condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.engine.outcome import EXAMPLE, EXAMPLES
from saliency_bench.engine.plan import Step
from saliency_bench.protocols import Ints, ProofError, Scene

Outputs = NDArray[np.float32]

LABELS = "labels"
"""The array of a network's cell that holds the true classes, where the images are others."""


def observe(
    step: Step, targets: Ints, logits: Outputs, moved: Outputs, evidence: Mapping[str, int]
) -> dict[str, NDArray[Any]]:
    """The network's own cell under a condition.

    Args:
        step: with the condition.
        targets: `[N]` the explained classes of the unchanged network.
        logits: `[N, K]` outputs of the unchanged network.
        moved: `[N, K]` outputs under the condition.
        evidence: counts for the change.

    Raises:
        ProofError: if the condition must change the outputs and does not.
    """
    if step.condition.moves_output and np.array_equal(moved, logits):
        raise ProofError(
            f"the output did not move under {step.condition.name!r}: "
            "the model does not use the weights that were changed; exclude such layers"
        )
    rows = np.arange(len(moved)), targets
    equal = moved.std(axis=0).max() < 1e-5 * np.abs(moved).mean()
    return {
        "predicted": moved.argmax(axis=1),
        "shift": np.abs(np.asarray(moved, np.float64)[rows] - logits[rows]),
        "input_independent": np.array(len(moved) > 1 and bool(equal)),
        **{name: np.array(n) for name, n in evidence.items()},
    }


def other_images(scene: Scene, changed: Scene) -> dict[str, NDArray[Any]]:
    """Labels of the images that a condition shows instead of the study's, and a few of them."""
    if changed.images is scene.images or changed.labels is None:
        return {}
    return {LABELS: changed.labels, EXAMPLE: changed.images[:EXAMPLES]}
