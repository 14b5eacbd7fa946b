"""Controls: explainers whose verdict is known beforehand, with which a run tests itself."""

from saliency_bench.explainers.controls.base import Control
from saliency_bench.explainers.controls.images import (
    CentrePrior,
    Constant,
    EdgeDetector,
    InputMagnitude,
    OwnRegion,
)
from saliency_bench.explainers.controls.mixture import Mixture
from saliency_bench.explainers.controls.noise import (
    InputNoise,
    RandomFresh,
    RandomFrozen,
    TargetHash,
    WeightHash,
)

__all__ = [
    "CONTROLS",
    "NAMED_CONTROLS",
    "CentrePrior",
    "Constant",
    "Control",
    "EdgeDetector",
    "InputMagnitude",
    "InputNoise",
    "Mixture",
    "OwnRegion",
    "RandomFresh",
    "RandomFrozen",
    "TargetHash",
    "WeightHash",
]

CONTROLS: dict[str, type[Control]] = {
    "edge_detector": EdgeDetector,
    "random_frozen": RandomFrozen,
    "centre_prior": CentrePrior,
    "weight_hash": WeightHash,
    "constant": Constant,
    "random_fresh": RandomFresh,
}
"""The controls of every run, by their name in results."""

NAMED_CONTROLS: dict[str, type[Control]] = {"target_hash": TargetHash, "own_region": OwnRegion}
"""The controls of runs with a check that expects a verdict of them, by their name in results."""
