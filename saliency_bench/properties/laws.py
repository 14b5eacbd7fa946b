"""What must hold for an explainer: one function each, from a case to how far it is off.

A law returns a `Finding`; it raises `NotTestable` where the case cannot show it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from saliency_bench import network, randomize
from saliency_bench.properties.case import Case, Head, deviation
from saliency_bench.protocols import Floats

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


def runs(case: Case) -> Finding:
    """It explains the images."""
    return said(len(case.maps) > 0, "called with all images")


def declared_attributes(case: Case) -> Finding:
    """The class attributes say what the method is."""
    wrong = [n for n in ATTRIBUTES if not isinstance(getattr(case.explainer, n, None), bool)]
    return said(not wrong, f"{', '.join(wrong or ATTRIBUTES)} must be true or false")


def shape_and_type(case: Case) -> Finding:
    """Maps are `[N, H, W, C]` or `[N, h, w, 1]` in float32."""
    maps = case.maps
    fits = maps.ndim == 4 and len(maps) == len(case.images) and maps.dtype == np.float32
    fits = fits and (maps.shape[-1] == 1 or maps.shape == case.images.shape)
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
    alone = np.concatenate([case.again(np.array([i])) for i in range(len(case.images))])
    off = max(deviation(turned, case.maps), deviation(alone, case.maps))
    return Finding(off, CLOSE, "images alone and in reverse order, against all at once")


def leaves_model_alone(case: Case) -> Finding:
    """Weights, layers, images and random states are what they were, bit for bit."""
    changed = case.first[1]
    return said(not changed, f"changed: {', '.join(changed) or 'nothing'}")


def seeded(case: Case) -> Finding:
    """The same keys give the same bits."""
    same = np.array_equal(case.again(), case.maps, equal_nan=True)
    return said(same, "the same images and keys twice")


def noise(case: Case) -> Finding:
    """Other keys give another map if the explainer is stochastic, and only then."""
    moved = _differ(case.again(keys=10**6), case.maps)
    stochastic = case.explainer.stochastic
    if stochastic and not moved and _is_linear(case):
        raise NotTestable("the scores are linear in the images, where noise can average out")
    return said(moved == stochastic, f"stochastic is {stochastic}, other keys {_moved(moved)}")


def class_specific(case: Case) -> Finding:
    """Another class gives another map if the explainer is class specific, and only then."""
    if case.classes < 2:
        raise NotTestable("there are no two scores to choose from")
    moved = _differ(case.again(shift=1), case.maps)
    specific = case.explainer.class_specific
    return said(moved == specific, f"class_specific is {specific}, the next class {_moved(moved)}")


def fresh_weights(case: Case) -> Finding:
    """What was bound before the weights changed sees the new ones."""
    bound = case.bound
    with case.changed(_redrawn(case)):
        live = bound(case.images, case.targets, keys=case.keys)
        fresh = case.explainer.bind(case.model)(case.images, case.targets, keys=case.keys)
    return Finding(deviation(live, fresh), CLOSE, "bound before and after a redraw")


# ---------------------------------------------------------------- what is promised


def weights(case: Case) -> Finding:
    """Another network has another map."""
    with case.changed(_redrawn(case)):
        moved = _differ(case.again(), case.maps)
    return said(moved, f"redrawn weights {_moved(moved)}")


def shift_invariance(case: Case) -> Finding:
    """A constant added to the explained logit changes nothing: the probability is not explained."""
    head = _head(case)
    target, units = int(case.targets[0]), head.bias.shape[0]
    raised = head.bias.numpy()
    raised[target if units == case.classes else 0] += 3.0
    rows = np.flatnonzero(case.targets == target)
    before = head.scores(case.images)[:, target]
    with case.changed({case.position(head.bias): raised}):
        moved = np.abs(head.scores(case.images)[:, target] - before)
        _require_made_by_head(moved, np.full(len(moved), 3.0))
        found = case.again()[rows]
    return Finding(deviation(found, case.maps[rows]), CLOSE, f"3 more on the logit {target}")


def linearity(case: Case) -> Finding:
    """The map of `2 f_c - 3 f_d` is twice that of c less three times that of d."""
    head = _head(case)
    if case.classes < 2 or head.bias.shape[0] != case.classes:
        raise NotTestable("the scores are not two or more of a unit each")
    expected = 2.0 * case.maps - 3.0 * case.again(shift=1)
    ahead = (np.arange(case.classes) + 1) % case.classes
    kernel, bias, scores = head.kernel.numpy(), head.bias.numpy(), head.scores(case.images)
    mixed = {
        case.position(head.kernel): 2 * kernel - 3 * kernel[..., ahead],
        case.position(head.bias): 2 * bias - 3 * bias[ahead],
    }
    with case.changed(mixed):
        _require_made_by_head(head.scores(case.images), 2 * scores - 3 * scores[:, ahead])
        found = case.again()
    return Finding(deviation(found, expected), 1e-3, "a head that mixes two classes")


def completeness(case: Case) -> Finding:
    """The map sums to what the output differs by from that of the explainer's reference."""
    if case.scores is None or case.outputs is None:
        raise NotTestable("nobody says which output is explained")
    reference = case.explainer.reference(case.images)  # type: ignore[attr-defined]
    differences = np.subtract(case.outputs, case.scores(reference), dtype=np.float64)
    if not differences.any():
        raise NotTestable("the images have the outputs of the explainer's reference")
    kept = np.take_along_axis(differences, case.targets[:, None], axis=1)[:, 0]
    sums = case.maps.sum(axis=(1, 2, 3), dtype=np.float64)
    # What an integral is off by grows with how much the network moves, not with one class alone.
    off = np.abs(sums - kept).max() / np.abs(differences).max()
    told = "sums of the maps, and differences of the output; few steps leave an integral off"
    return Finding(float(off), 0.05, told)


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
    off = deviation(sums[None], kept[None])
    return Finding(off, 0.01, "sums of the maps, and scores, with all biases 0")


def _head(case: Case) -> Head:
    if case.head is None:
        raise NotTestable("the scores are not made by one kernel and one bias")
    return case.head


def _require_made_by_head(found: Floats, expected: Floats) -> None:
    if deviation(found, expected) > 0.02:
        raise NotTestable("what follows the last kernel and bias changes the scores")


def _is_linear(case: Case) -> bool:
    """Whether the scores midway between images lie midway."""
    if case.scores is None:
        return False
    others = np.roll(case.images, 1, axis=0)
    middle = case.scores((case.images + others) / 2)
    return not _differ(middle, (case.scores(case.images) + case.scores(others)) / 2)


def _redrawn(case: Case) -> dict[int, np.ndarray]:
    values = randomize.redraw(case.model, case.model.variables, seed=0)
    return dict(enumerate(values))


def _differ(found: Floats, expected: Floats) -> bool:
    """Whether maps are others, not the same but for rounding."""
    return deviation(found, expected) > CLOSE


def _moved(moved: bool) -> str:
    return "moved the map" if moved else "left the map as it was"


Law = Callable[[Case], Finding]

UNIVERSAL: tuple[Law, ...] = (
    runs, declared_attributes, shape_and_type, finite, sign, batch_independent, leaves_model_alone,
    seeded, class_specific, fresh_weights,
)  # fmt: skip
"""What holds for every explainer."""

PROMISED: tuple[Law, ...] = (
    noise, weights, shift_invariance, linearity, completeness, conservation,
)  # fmt: skip
"""What holds for those that promise it, by name."""
