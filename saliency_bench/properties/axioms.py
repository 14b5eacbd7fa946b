"""The axioms of an explainer, one function each: how far does a tested explainer violate it?

An axiom returns a `Finding`; it raises `NotTestable` if model and images cannot decide it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from saliency_bench import network, randomize
from saliency_bench.properties.findings import (
    CLOSE,
    Finding,
    NotTestable,
    differ,
    effect,
    require_finite,
    yes_or_no,
)
from saliency_bench.properties.subject import Head, TestedExplainer, deviation
from saliency_bench.protocols import Floats, NotApplicable, one_line

ATTRIBUTES = ("signed", "class_specific", "stochastic", "uses_gradients", "multiplies_input")


# ---------------------------------------------------------------- of every explainer


def runs(subject: TestedExplainer) -> Finding:
    """The explainer returns maps."""
    return yes_or_no(len(subject.maps) > 0, "called with all images")


def declared_attributes(subject: TestedExplainer) -> Finding:
    """The class attributes say what the method is."""
    wrong = [n for n in ATTRIBUTES if not isinstance(getattr(subject.explainer, n, None), bool)]
    return yes_or_no(not wrong, f"{', '.join(wrong or ATTRIBUTES)} must be true or false")


def shape_and_type(subject: TestedExplainer) -> Finding:
    """Maps are `[N, H, W, C]`, or `[N, h, w, 1]` of a grid of the model, in float32."""
    maps = subject.maps
    fits = len(maps) == len(subject.images) and maps.dtype == np.float32
    fits = fits and network.Grids(subject.model).fit(maps.shape, subject.images.shape)
    return yes_or_no(fits, f"maps of images {subject.images.shape} are {maps.dtype} {maps.shape}")


def finite(subject: TestedExplainer) -> Finding:
    """No NaN, no infinity."""
    count = int((~np.isfinite(subject.maps)).sum())
    return yes_or_no(count == 0, f"{count} of {subject.maps.size} values are not finite")


def sign(subject: TestedExplainer) -> Finding:
    """Maps of an unsigned explainer have no negative value."""
    least = float(subject.maps.min())
    signed = subject.explainer.signed
    return yes_or_no(signed or not least < 0, f"signed is {signed}, the smallest value {least:.3g}")


def batch_independent(subject: TestedExplainer) -> Finding:
    """An image has the same map alone, in a batch and in any order."""
    reverse = subject.explain(np.arange(len(subject.images))[::-1])[::-1]
    alone = np.concatenate([subject.explain(np.array([i])) for i in range(len(subject.images))])
    off = max(deviation(reverse, subject.maps), deviation(alone, subject.maps))
    return Finding(off, CLOSE, "images alone and in reverse order, compared with one batch")


def leaves_model_alone(subject: TestedExplainer) -> Finding:
    """Weights, layers, images and random states are unchanged, bit for bit."""
    changed = subject.first[1]
    return yes_or_no(not changed, f"changed: {', '.join(changed) or 'nothing'}")


def seeded(subject: TestedExplainer) -> Finding:
    """Equal keys give equal bits."""
    same = np.array_equal(subject.explain(), subject.maps, equal_nan=True)
    return yes_or_no(same, "the same images and keys twice")


def noise(subject: TestedExplainer) -> Finding:
    """Other keys change the map if and only if the explainer is stochastic."""
    changed = differ(require_finite(subject.explain(keys=10**6), "under other keys"), subject.maps)
    stochastic = subject.explainer.stochastic
    if stochastic and not changed and _is_linear(subject):
        raise NotTestable("the scores are linear in the images, so noise can average out")
    return yes_or_no(
        changed == stochastic, f"stochastic is {stochastic}, other keys {effect(changed)}"
    )


def class_specific(subject: TestedExplainer) -> Finding:
    """Another target changes the map if and only if the explainer is class specific."""
    if subject.classes < 2:
        raise NotTestable("fewer than two scores are known")
    changed = differ(require_finite(subject.explain(shift=1), "of the next class"), subject.maps)
    specific = subject.explainer.class_specific
    return yes_or_no(
        changed == specific, f"class_specific is {specific}, the next class {effect(changed)}"
    )


def fresh_weights(subject: TestedExplainer) -> Finding:
    """An explainer that was bound earlier reads the new weights."""
    with subject.change(_redrawn_values(subject)):
        live = subject.bound(subject.images, subject.targets, keys=subject.keys)
        fresh = subject.explainer.bind(subject.model)(
            subject.images, subject.targets, keys=subject.keys
        )
    if np.array_equal(np.isfinite(live), np.isfinite(fresh)):
        require_finite(live, "of redrawn weights")
    off = deviation(live, fresh)
    if off <= CLOSE and "weights" in subject.axioms and not differ(live, subject.maps):
        # A copy of the network in a cache serves the old weights, however often it is bound.
        if subject.classes < 2 or not differ(subject.explain(shift=1), subject.maps):
            raise NotTestable("redrawn weights do not change the map")
        return yes_or_no(False, "redrawn weights do not change the map, and the next class does")
    return Finding(off, CLOSE, "bound before and after a redraw of the weights")


# ---------------------------------------------------------------- of those that claim it


def weights(subject: TestedExplainer) -> Finding:
    """Redrawn weights change the map."""
    with subject.change(_redrawn_values(subject)):
        changed = differ(require_finite(subject.explain(), "of redrawn weights"), subject.maps)
    return yes_or_no(changed, f"redrawn weights {effect(changed)}")


def shift_invariance(subject: TestedExplainer) -> Finding:
    """A constant added to the target's logit does not change its map."""
    head = _head(subject)
    target, units = int(subject.targets[0]), head.bias.shape[0]
    raised = head.bias.numpy()
    raised[target if units == subject.classes else 0] += 3.0
    rows = np.flatnonzero(subject.targets == target)
    before = head.scores(subject.images)[:, target]
    with subject.change({subject.position(head.bias): raised}):
        changed = np.abs(head.scores(subject.images)[:, target] - before)
        _require_head_decides(changed, np.full(len(changed), 3.0))
        maps = require_finite(subject.explain()[rows], f"with 3 more on the logit {target}")
    return Finding(deviation(maps, subject.maps[rows]), CLOSE, f"3 more on the logit {target}")


def linearity(subject: TestedExplainer) -> Finding:
    """The map of `2 f_c - 3 f_d` is twice the map of c minus three times the map of d."""
    head = _head(subject)
    if subject.classes < 2 or head.bias.shape[0] != subject.classes:
        raise NotTestable("the scores must be two or more, with one unit each")
    others = require_finite(subject.explain(shift=1), "of the next class")
    expected = 2.0 * subject.maps - 3.0 * others
    ahead = (np.arange(subject.classes) + 1) % subject.classes
    kernel, bias, scores = head.kernel.numpy(), head.bias.numpy(), head.scores(subject.images)
    mixed = {
        subject.position(head.kernel): 2 * kernel - 3 * kernel[..., ahead],
        subject.position(head.bias): 2 * bias - 3 * bias[ahead],
    }
    with subject.change(mixed):
        _require_head_decides(head.scores(subject.images), 2 * scores - 3 * scores[:, ahead])
        maps = require_finite(subject.explain(), "of a head that mixes two classes")
    return Finding(deviation(maps, expected), 1e-3, "a head that mixes two classes")


def completeness(subject: TestedExplainer) -> Finding:
    """The map sums to the difference of the outputs of the image and the explainer's reference."""
    if subject.scores is None or subject.outputs is None:
        raise NotTestable("the explained output is not known")
    reference = subject.explainer.reference(subject.images)  # type: ignore[attr-defined]
    differences = np.subtract(subject.outputs, subject.scores(reference), dtype=np.float64)
    if not differences.any():
        raise NotTestable("images and reference have equal outputs")
    explained = np.take_along_axis(differences, subject.targets[:, None], axis=1)[:, 0]
    sums = subject.maps.sum(axis=(1, 2, 3), dtype=np.float64)
    # The error of an integral grows with the change of all outputs, not of one class alone.
    off = np.abs(sums - explained).max() / np.abs(differences).max()
    reason = "sums of the maps and differences of the output; few steps make the sum inexact"
    return Finding(float(off), 0.05, reason)


ADDED = frozenset({"bias", "beta", "moving_mean", "token", "vectors"})
"""Names of variables that are added: biases, and the tokens and positions of transformers."""


def conservation(subject: TestedExplainer) -> Finding:
    """Without biases and learned tokens the map sums to the relevance that it starts from."""
    zeros = {
        position: np.zeros(variable.shape, np.float32)
        for position, variable in enumerate(subject.model.variables)
        if variable.path.rpartition("/")[2] in ADDED
    }
    with subject.change(zeros):
        scores = network.target_score(subject.model, subject.output)(
            subject.images, subject.targets
        )
        maps = require_finite(subject.explain(), "without biases")
    sums = maps.sum(axis=(1, 2, 3), dtype=np.float64)
    expected = subject.explainer.conserved(scores)  # type: ignore[attr-defined]
    off = deviation(sums[None], expected[None])
    return Finding(off, 0.01, "sums of the maps and scores, with all biases 0")


def confinement(subject: TestedExplainer) -> Finding:
    """Behind a crop, pixels that were cut off get nothing (DiFull: Rao et al., 2022).

    A frame of other images is put around the images, and the model begins with the crop that takes
    it away. Up to the explainer's `reach` beside the images, a map may have values.
    """
    height, width = subject.images.shape[1:3]
    around = max(2, height // 4, width // 4)
    wide = subject.reach(height + 4 * around, width + 4 * around)
    around = 2 * around if wide >= around else around
    size = height + 2 * around, width + 2 * around
    reach = subject.reach(*size)
    if reach >= around:
        raise NotTestable(f"the map may reach {reach:g} pixels beside what the network sees")
    try:
        maps = np.abs(subject.behind_a_crop(around), dtype=np.float64)
    except (NotApplicable, ValueError) as error:
        raise NotTestable(f"behind a crop: {one_line(error, longest=160)}") from None
    if maps.shape[1:3] != size:
        raise NotTestable("the map has not the image's size")
    sides = [slice(int(around - reach), int(side - around + reach)) for side in size]
    inside = maps[:, *sides].sum(axis=(1, 2, 3))
    whole = require_finite(maps.sum(axis=(1, 2, 3)), "behind a crop")
    leak = 1 - np.divide(inside, whole, out=np.ones_like(whole), where=whole > 0)
    return Finding(float(leak.max()), 1e-6, f"share beyond {reach:g} pixels beside a crop")


def _head(subject: TestedExplainer) -> Head:
    if subject.head is None:
        raise NotTestable("the model must end in one kernel and one bias")
    return subject.head


def _require_head_decides(actual: Floats, expected: Floats) -> None:
    if deviation(actual, expected) > 0.02:
        raise NotTestable("operations behind the last kernel and bias change the scores")


def _is_linear(subject: TestedExplainer) -> bool:
    """Whether the scores of a mean of two images are the mean of their scores."""
    if subject.scores is None:
        return False
    others = np.roll(subject.images, 1, axis=0)
    middle = subject.scores((subject.images + others) / 2)
    return not differ(middle, (subject.scores(subject.images) + subject.scores(others)) / 2)


def _redrawn_values(subject: TestedExplainer) -> dict[int, np.ndarray]:
    values = randomize.redraw(subject.model, subject.model.variables, seed=0)
    return dict(enumerate(values))


Axiom = Callable[[TestedExplainer], Finding]

UNIVERSAL: tuple[Axiom, ...] = (
    runs, declared_attributes, shape_and_type, finite, sign, batch_independent, leaves_model_alone,
    seeded, class_specific, fresh_weights,
)  # fmt: skip
"""Those that every explainer must satisfy."""

CLAIMED: tuple[Axiom, ...] = (
    noise, weights, shift_invariance, linearity, completeness, conservation, confinement,
)  # fmt: skip
"""Those that an explainer must satisfy if its `axioms` name them."""

NEED_FINITE = frozenset({sign, batch_independent, class_specific, fresh_weights, *CLAIMED})
"""Those that say nothing of maps with NaN or infinity."""
