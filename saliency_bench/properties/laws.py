"""What must hold for an explainer: one function each, from a case to how far it is off.

A law returns a `Finding`; it raises `NotTestable` where the case cannot show it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from saliency_bench import network, randomize
from saliency_bench.properties.case import Case

CLOSE = 1e-4
"""Largest deviation between maps that must be the same, in units of their largest value."""

ATTRIBUTES = ("signed", "class_specific", "stochastic", "uses_gradients", "multiplies_input")


class NotTestable(Exception):
    """The case cannot show whether a law holds; its message says why."""


@dataclass(frozen=True)
class Finding:
    """How far a case is off, how far it may be, and what was compared."""

    deviation: float
    tolerance: float
    reason: str


def said(holds: bool, reason: str) -> Finding:
    """A finding that has no size."""
    return Finding(0.0 if holds else float("inf"), 0.0, reason)


# ---------------------------------------------------------------- every map


def declared_attributes(case: Case) -> Finding:
    """The class attributes say what the method is."""
    wrong = [n for n in ATTRIBUTES if not isinstance(getattr(case.explainer, n, None), bool)]
    return said(not wrong, f"{', '.join(wrong or ATTRIBUTES)} must be true or false")


def shape_and_type(case: Case) -> Finding:
    """Maps are `[N, H, W, C]` or `[N, h, w, 1]` in float32."""
    maps = case.maps
    fits = maps.ndim == 4 and len(maps) == len(case.images) and maps.dtype == np.float32
    fits = fits and maps.shape[-1] in (1, case.images.shape[-1])
    return said(fits, f"maps of images {case.images.shape} are {maps.dtype} {maps.shape}")


def finite(case: Case) -> Finding:
    """No NaN, no infinity."""
    count = int((~np.isfinite(case.maps)).sum())
    return said(count == 0, f"{count} of {case.maps.size} values are not finite")


def sign(case: Case) -> Finding:
    """Maps that are said to have no sign have no negative value."""
    least = float(case.maps.min())
    signed = case.explainer.signed
    return said(signed or not least < 0, f"signed is {signed}, the smallest value {least:.3g}")


def batch_independent(case: Case) -> Finding:
    """An image has the same map alone, in a batch, and in any order."""
    turned = case.again(np.arange(len(case.images))[::-1])[::-1]
    alone = np.concatenate([case.again(np.array([i])) for i in (0, len(case.images) - 1)])
    off = max(case.deviation(turned, case.maps), case.deviation(alone, case.maps[[0, -1]]))
    return Finding(off, CLOSE, "images alone and in reverse order, against all at once")


def leaves_model_alone(case: Case) -> Finding:
    """Weights, layers, random states and images are bit for bit what they were."""
    changed = case.first[2]
    return said(not changed, f"changed: {', '.join(changed) or 'nothing'}")


def seeded(case: Case) -> Finding:
    """The same keys give the same bits."""
    same = np.array_equal(case.again(), case.maps, equal_nan=True)
    return said(same, "the same images and keys twice")


def noise(case: Case) -> Finding:
    """Other keys give another map if the explainer is stochastic, and only then."""
    moved = not np.array_equal(case.again(keys=10**6), case.maps, equal_nan=True)
    stochastic = case.explainer.stochastic
    return said(moved == stochastic, f"stochastic is {stochastic}, other keys {_moved(moved)}")


def class_specific(case: Case) -> Finding:
    """Another class gives another map if the explainer is class specific, and only then."""
    if case.classes < 2:
        raise NotTestable("there is but one score")
    moved = not np.array_equal(case.again(shift=1), case.maps, equal_nan=True)
    specific = case.explainer.class_specific
    return said(moved == specific, f"class_specific is {specific}, the next class {_moved(moved)}")


def fresh_weights(case: Case) -> Finding:
    """What was bound before the weights changed sees the new ones."""
    bound = case.first[0]
    with case.changed(_redrawn(case)):
        live = bound(case.images, case.targets, keys=case.keys)
        fresh = case.explainer.bind(case.model)(case.images, case.targets, keys=case.keys)
    return Finding(case.deviation(live, fresh), CLOSE, "bound before and after a redraw")


# ---------------------------------------------------------------- what is promised


def weights(case: Case) -> Finding:
    """Another network has another map."""
    with case.changed(_redrawn(case)):
        moved = not np.array_equal(case.again(), case.maps, equal_nan=True)
    return said(moved, f"redrawn weights {_moved(moved)}")


def shift_invariance(case: Case) -> Finding:
    """A constant added to the explained logit changes nothing: the probability is not explained."""
    if case.head is None:
        raise NotTestable("the scores are not made by one kernel and one bias")
    target = int(case.targets[0])
    raised = case.head.bias.numpy()
    raised[target] += 3.0
    rows = np.flatnonzero(case.targets == target)
    with case.changed({case.position(case.head.bias): raised}):
        found = case.again(rows)
    return Finding(case.deviation(found, case.maps[rows]), CLOSE, f"3 more on the logit {target}")


def linearity(case: Case) -> Finding:
    """The map of `2 f_c - 3 f_d` is twice that of c less three times that of d."""
    if case.head is None or case.classes < 2:
        raise NotTestable("the scores are not two or more made by one kernel and one bias")
    expected = 2.0 * case.maps - 3.0 * case.again(shift=1)
    ahead = (np.arange(case.classes) + 1) % case.classes
    kernel, bias = case.head.kernel.numpy(), case.head.bias.numpy()
    mixed = {
        case.position(case.head.kernel): 2 * kernel - 3 * kernel[..., ahead],
        case.position(case.head.bias): 2 * bias - 3 * bias[ahead],
    }
    with case.changed(mixed):
        found = case.again()
    return Finding(case.deviation(found, expected), 1e-3, "a head that mixes two classes")


def completeness(case: Case) -> Finding:
    """The map sums to what the output differs by from that of the explainer's reference."""
    reference = case.explainer.reference(case.images)  # type: ignore[attr-defined]
    score = network.target_score(case.model, case.output)
    ends = score(case.images, case.targets), score(reference, case.targets)
    sums = case.maps.sum(axis=(1, 2, 3), dtype=np.float64)
    size = np.abs(ends[0]).max() + np.abs(ends[1]).max()
    off = np.abs(sums - (np.float64(ends[0]) - ends[1])).max() / size
    return Finding(float(off), 0.02, "sums of the maps, and differences of the output")


def conservation(case: Case) -> Finding:
    """Without biases the map sums to what the explainer hands back of the score."""
    zeros = {
        position: np.zeros(variable.shape, np.float32)
        for position, variable in enumerate(case.model.variables)
        if variable.path.rpartition("/")[2] in {"bias", "beta", "moving_mean"}
    }
    with case.changed(zeros):
        scores = network.target_score(case.model, case.output)(case.images, case.targets)
        sums = case.again().sum(axis=(1, 2, 3), dtype=np.float64)
    kept = case.explainer.conserved(scores)  # type: ignore[attr-defined]
    off = case.deviation(sums, kept)
    return Finding(off, 0.01, "sums of the maps, and scores, with all biases 0")


def _redrawn(case: Case) -> dict[int, np.ndarray]:
    values = randomize.redraw(case.model, case.model.variables, seed=0)
    return dict(enumerate(values))


def _moved(moved: bool) -> str:
    return "moved the map" if moved else "left the map as it was"


Law = Callable[[Case], Finding]

UNIVERSAL: tuple[Law, ...] = (
    declared_attributes, shape_and_type, finite, sign, batch_independent, leaves_model_alone,
    seeded, class_specific, fresh_weights,
)  # fmt: skip
"""What holds for every explainer."""

PROMISED: tuple[Law, ...] = (
    noise, weights, shift_invariance, linearity, completeness, conservation,
)  # fmt: skip
"""What holds for those that promise it, by name."""
