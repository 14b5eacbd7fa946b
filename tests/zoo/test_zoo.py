"""Every explainer on every family of keras.applications: right, or refused for a true reason."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import pytest
from helpers import zoo, zoo_reference
from helpers.configured import NAMES
from helpers.zoo_table import documented, without_layer

from saliency_bench import network, randomize
from saliency_bench.models.saved import read
from saliency_bench.properties import axioms
from saliency_bench.properties import subject as tested
from saliency_bench.protocols import NotApplicable

pytestmark = pytest.mark.slow

SOME = ("gradient", "guided_backprop", "grad_cam", "deep_lift", "lrp_epsilon", "occlusion")
"""One explainer of every mechanism, for variants of a network."""

AXIOMS = (
    axioms.finite, axioms.sign, axioms.batch_independent, axioms.seeded, axioms.class_specific,
    axioms.noise, axioms.weights, axioms.completeness, axioms.conservation,
)  # fmt: skip
"""Those that need no second compilation."""

ONCE = {("score_cam", family) for family in ("Xception", "InceptionV3", "InceptionResNetV2", "VGG")}
"""A pass for each of a thousand channels or more: one map, and no others to compare it with."""

INEXACT = {("integrated_gradients", "completeness"), ("blur_ig", "completeness")}
"""A few steps are not complete; the first is compared with plain TensorFlow."""

SHIFTED = {name for name, family in zoo.FAMILIES.items() if family.scale == zoo.BYTES}
"""Families that subtract a constant from their images: it has relevance of its own, so that the map
does not sum to the score. MobileNetV3 without that step misses the score by .00001 of it."""

MISSED = {("mixed_float16", "MobileNetV2", "lrp_epsilon")}
"""Half precision rounds relevance of both signs, 1600 times the score in all: its sum misses the
score by .11 where .05 is allowed. In float32 the same map misses it by .00003."""


def _marks(variant: str, family: str, name: str) -> list[pytest.MarkDecorator]:
    missed = (variant, family, name) in MISSED
    own = [pytest.mark.xfail(strict=True, raises=AssertionError)] if missed else []
    return [pytest.mark.xdist_group(f"{variant}-{family}"), *own]


CASES = [
    pytest.param(variant, family, name, marks=_marks(variant, family, name))
    for variant in zoo.VARIANTS
    for family in zoo.FAMILIES
    for name in (NAMES if variant == "plain" else SOME)
]
NETWORKS = [
    pytest.param(variant, family, marks=pytest.mark.xdist_group(f"{variant}-{family}"))
    for variant in zoo.VARIANTS
    for family in zoo.FAMILIES
]


@dataclass(frozen=True)
class Shared(tested.TestedExplainer):
    """A tested explainer; the scores of the network are compiled once for all explainers."""

    scores: Any


@dataclass(frozen=True)
class Member:
    """A network with two images, and a class to explain in each.

    Attributes:
        tolerance: largest deviation from plain TensorFlow, relative to the largest value.
    """

    family: str
    model: Any
    images: np.ndarray
    targets: np.ndarray
    scores: Any
    tolerance: float

    def bound(self, name: str) -> tuple[Shared | None, list[str], str]:
        """The explainer bound to the model, the feature maps that it takes, or why it refuses."""
        explainer = zoo.explainer(name)
        try:
            with network.taking() as taken, network.evaluating(zoo_reference.ROWS):
                bound = explainer.bind(self.model)
        except NotApplicable as refusal:
            return None, [], refusal.reason
        data = self.images, self.targets, {}, bound, self.scores
        return Shared(explainer, self.model, *data), taken, ""


@lru_cache(maxsize=1)
def member(variant: str, family: str) -> Member:
    keras.backend.clear_session()
    model = zoo.make(variant, family)
    scores = network.Kernel(model, lambda traced: traced.scores, "logit")
    tolerance = 0.05 if variant == "mixed_float16" else 1e-4
    images = zoo.images_of(family)
    return Member(family, model, images, np.array([0, 1]), scores, tolerance)


@pytest.mark.parametrize(("variant", "family", "name"), CASES)
def test_an_explainer_is_right_or_refused_for_a_true_reason(variant, family, name):
    own = member(variant, family)
    subject, taken, reason = own.bound(name)
    assert without_layer(reason) == documented()[name][family]
    if subject is None:
        require_true(reason, own)
        return
    assert subject.maps.dtype == np.float32
    assert subject.maps.shape[:3] == own.images.shape[:3]
    for axiom in AXIOMS[:2] if (name, family) in ONCE else AXIOMS:
        if axiom is axioms.conservation and family in SHIFTED:
            continue
        claimed = axiom in axioms.UNIVERSAL or axiom.__name__ in subject.axioms
        if claimed and (name, axiom.__name__) not in INEXACT:
            finding = axiom(subject)
            assert finding.deviation <= max(finding.tolerance, own.tolerance), axiom.__name__
    if name in REFERENCES:
        found, expected = REFERENCES[name](own, subject, taken)
        np.testing.assert_allclose(found, expected, 0, own.tolerance * np.abs(expected).max())


def require_true(reason: str, own: Member) -> None:
    """The reason is one short line, and what it says of the network is so."""
    assert len(reason.splitlines()) == 1
    assert len(reason) < 300
    lacking = re.fullmatch(r"(\w+)(?: with [^()]+)? has no rule \(layer '([^']+)'\)", reason)
    places = re.match(r"none of (\d+)x(\d+) positions can lie", reason)
    if lacking:
        kinds = {layer.name: type(layer).__name__ for layer in own.model._flatten_layers()}
        assert kinds[lacking[2]] == lacking[1]
    elif places:
        assert int(places[1]) * int(places[2]) <= 5
    elif "attention" in reason:
        assert reason == "the network has no softmax attention between tokens of the picture"
        assert not zoo_reference.mixes_tokens(own.model, own.images)
    else:
        assert reason == "the network has no ReLU to guide the gradient through"
        with zoo_reference.counting_relus() as relus:
            own.model(own.images, training=False)
        assert relus == []


# ---------------------------------------------------------------- plain TensorFlow


def of_gradient(own: Member, subject: Shared, taken: list[str]) -> tuple[Any, Any]:
    return subject.maps, zoo_reference.gradient(own.model, own.images, own.targets)


def of_gradient_input(own: Member, subject: Shared, taken: list[str]) -> tuple[Any, Any]:
    gradient = zoo_reference.gradient(own.model, own.images, own.targets)
    return subject.maps, gradient * own.images


def of_integrated(own: Member, subject: Shared, taken: list[str]) -> tuple[Any, Any]:
    steps = subject.explainer.steps
    expected = zoo_reference.integrated(own.model, own.images, own.targets, steps)
    return subject.maps, expected


def of_smoothgrad(own: Member, subject: Shared, taken: list[str]) -> tuple[Any, Any]:
    copies = []
    for image, key in zip(own.images, subject.keys, strict=True):
        random = randomize.stream("smoothgrad", subject.explainer.seed, int(key))
        shape = (subject.explainer.samples, *image.shape)
        spread = np.float32(subject.explainer.noise) * np.ptp(image)
        copies.append(random.standard_normal(shape, np.float32) * spread + image)
    noisy = np.stack(copies)
    return subject.maps, zoo_reference.mean_of_copies(own.model, noisy, own.targets)


def of_grad_cam(own: Member, subject: Shared, taken: list[str]) -> tuple[Any, Any]:
    """Of the layer that it names; the scores depend on the image by this layer alone."""
    layer = taken[0].split("'")[1]
    small = dataclasses.replace(subject.explainer, upsample=None)
    maps = small(own.model, own.images, own.targets)[..., 0]
    assert zoo_reference.decides_alone(own.model, own.images, layer)
    return maps, zoo_reference.grad_cam(own.model, own.images, own.targets, layer)


REFERENCES = {
    "gradient": of_gradient,
    "gradient_input": of_gradient_input,
    "integrated_gradients": of_integrated,
    "smoothgrad": of_smoothgrad,
    "grad_cam": of_grad_cam,
}


# ---------------------------------------------------------------- redrawn and read back


@pytest.mark.parametrize(("variant", "family"), NETWORKS)
def test_two_stages_move_every_weight_they_name_and_put_all_back(variant, family):
    own = member(variant, family)
    changes = network.KerasNetwork(own.model)
    blocks = network.blocks(own.model)
    everything = own.model.variables
    positions = {id(variable): place for place, variable in enumerate(everything)}
    before = [variable.numpy().copy() for variable in everything]
    scores = own.scores(own.images)
    for stage, depth in ((1, 1), (2, len(blocks))):
        variables = [variable for block in blocks[:depth] for variable in block.variables]
        named = {positions[id(variable)] for variable in variables}
        values = randomize.redraw(own.model, variables, seed=0, stage=stage)
        drawn = dict(zip((positions[id(v)] for v in variables), values, strict=True))
        with changes.changed(drawn):
            moved = {p for p, old in enumerate(before) if (everything[p].numpy() != old).any()}
            assert moved <= named
            assert all(np.ptp(before[place]) == 0 for place in named - moved)
            assert not np.allclose(own.scores(own.images), scores)
        for variable, old in zip(everything, before, strict=True):
            np.testing.assert_array_equal(variable.numpy(), old)
    statistics_of_data = {
        id(variable)
        for layer in own.model._flatten_layers()
        if isinstance(layer, keras.layers.Normalization)
        for variable in layer.variables
    }
    weights = {id(variable) for variable in own.model.weights} - statistics_of_data
    assert named == {positions[identity] for identity in weights}


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_a_network_from_its_file_explains_as_before(family, tmp_path):
    model = zoo.make("plain", family)
    model.save(tmp_path / "network.keras")
    again = read(tmp_path / "network.keras")
    images, targets = zoo.images_of(family), np.array([0, 1])
    maps = [zoo.explainer("gradient")(network, images, targets) for network in (model, again)]
    np.testing.assert_array_equal(*maps)
