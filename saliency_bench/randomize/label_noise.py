"""Random labels for a network to learn."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Ints
from saliency_bench.randomize.streams import stream


def labels(
    labels: Ints,
    *,
    seed: int,
    draw: int = 0,
    policy: Literal["permuted", "uniform"] = "permuted",
    fraction: float = 1.0,
) -> NDArray[np.int64]:
    """Random labels `[N]`; the argument is not changed.

    Policies: `permuted` shuffles the labels among the chosen images, so that every class keeps its
    size (Adebayo et al., 2018, section 4); `uniform` draws each from the classes that occur, with
    equal probabilities. By chance some images keep their label. Within one draw, the images chosen
    for a fraction are also chosen for a larger one.

    Args:
        labels: `[N]` class of each image.
        seed: root of the stream, which differs from those of weights and noise.
        draw: number of the repeated draw.
        policy: see above.
        fraction: share of the images that are chosen, in [0, 1].

    Raises:
        ValueError: if the policy is unknown or the fraction is not in [0, 1].
    """
    if policy not in ("permuted", "uniform"):
        raise ValueError(f"policy must be one of permuted, uniform; got {policy!r}")
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must be in [0, 1]; got {fraction}")
    random = stream("labels", seed, draw)
    chosen = random.permutation(len(labels))[: round(fraction * len(labels))]
    changed = np.array(labels, np.int64)
    if policy == "permuted":
        changed[chosen] = random.permutation(changed[chosen])
    else:
        changed[chosen] = random.choice(np.unique(changed), len(chosen))
    return changed
