"""Variants of each metric that should not change what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from saliency_bench import network
from saliency_bench.metrics import Blur, Fill, Histogram, Mean, Neighbours
from saliency_bench.protocols import TargetOutput

OWN, RETEST, CHANCE, RETEST_CHANCE = "own", "retest", "chance", "retest chance"
"""By the settings of the preset; with another seed; and of the moved maps, likewise."""

DISTURBED, REDRAWN = "disturbed", "redrawn"
"""Of the map and image after a minor disturbance; of the map of a redrawn network."""

LEAST, MOST = "least first", "most first"
"""Halves of a metric that hides the least, and the most, relevant parts first."""


@dataclass(frozen=True)
class Probability(TargetOutput):
    """The softmax of the class logits, also of a network that ends in logits."""

    classifies: ClassVar[bool] = True

    def __call__(self, output: network.ModelOutput) -> Any:
        """`[N, K]`."""
        import keras

        return keras.ops.softmax(network.logits(output.head()))


PROBABILITY = {"probability": {"output": Probability()}}
_FILL = {"fill 1": {"fill": 1.0}}

SETTINGS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "symmetric_relevance_gain": {
        "imputer blur": {"imputer": Blur()},
        "imputer histogram": {"imputer": Histogram()},
        "imputer neighbours": {"imputer": Neighbours()},
        **PROBABILITY,
    },
    "road": {"noise .2": {"noise": 0.2}, **PROBABILITY},
    "deletion": {
        "imputer mean": {"imputer": Mean()},
        "imputer blur": {"imputer": Blur()},
        "imputer histogram": {"imputer": Histogram()},
        **PROBABILITY,
    },
    "insertion": {
        "imputer mean": {"imputer": Mean()},
        "imputer fill 0": {"imputer": Fill(0.0)},
        "imputer histogram": {"imputer": Histogram()},
        **PROBABILITY,
    },
    "faithfulness_correlation": {**_FILL, "share .3": {"share": 0.3}, **PROBABILITY},
    "infidelity": {**_FILL, "largest .6": {"largest": 0.6}, **PROBABILITY},
    "max_sensitivity": {"radius .05": {"radius": 0.05}, "not matched": {"matched": False}},
    "relative_stability": {"radius .05": {"radius": 0.05}, "wrt output": {"wrt": "output"}},
    "grid_pointing": {"magnitude": {"absolute": True}},
    "relevance_rank": {"magnitude": {"absolute": True}},
    "pointing_game": {"magnitude": {"absolute": True}, "tolerance 2": {"tolerance": 2.0}},
    "localization_auc": {"magnitude": {"absolute": True}},
}
"""By the metric's name in conf/metric, then by the name of the variant: what it changes."""

HALVES = {"symmetric_relevance_gain": ("lif", "mif"), "road": ("lerf", "morf")}
"""Curves of the metric while the least, and the most, relevant parts are hidden first."""


def variants(name: str, metric: Any) -> dict[str, Any]:
    """The variants of a metric, by name."""
    return {what: replace(metric, **changed) for what, changed in SETTINGS.get(name, {}).items()}


def seeded(metric: Any) -> Any:
    """The same metric with another seed, where it has one beside the images' keys."""
    return replace(metric, seed=metric.seed + 1) if hasattr(metric, "seed") else metric
