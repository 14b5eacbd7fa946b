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
from saliency_bench.explainers.controls.oracle import PatchOracle

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
    "PatchOracle",
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

NAMED_CONTROLS: dict[str, type[Control]] = {
    "target_hash": TargetHash, "own_region": OwnRegion, "patch_oracle": PatchOracle
}  # fmt: skip
"""The controls of runs with a check or a metric that expects a result of them, by their name in
results."""
