"""What every metric of faithfulness keeps, whatever it measures."""

import dataclasses

import numpy as np
import pytest

from saliency_bench import metrics, network
from saliency_bench.metrics.planes import enlarged
from saliency_bench.protocols.metrics import CURVE, VALUE, Detailed, MetricFacts

ALL = [
    metrics.Deletion(steps=10),
    metrics.FaithfulnessCorrelation(subsets=20),
    metrics.FFidelity(samples=3),
    metrics.Infidelity(samples=20),
    metrics.Insertion(steps=10),
    metrics.Deletion(metrics.Histogram(), steps=7),
    metrics.ROAD(),
    metrics.SymmetricRelevanceGain(segments=9, steps=5),
    metrics.SymmetricRelevanceGain(segments=9, steps=5, imputer=metrics.Histogram(), draws=2),
    metrics.VersusInverse(metrics.Insertion(steps=6)),
]
CURVES = [m for m in ALL if not isinstance(m, metrics.FaithfulnessCorrelation | metrics.Infidelity)]


def named(metric):
    return f"{type(metric).__name__}-{ALL.index(metric)}"


every = pytest.mark.parametrize("metric", ALL, ids=named)


@pytest.fixture(scope="module")
def maps(images):
    return np.random.default_rng(4).normal(size=images.shape).astype(np.float32)


@every
def test_it_says_what_it_is(metric):
    assert isinstance(metric, metrics.Metric)
    assert metric.family == "faithfulness"
    assert metric.direction in ("higher", "lower")
    assert metric.chance
    assert metric.unit
    facts = MetricFacts.of(metric)
    assert facts.words[0].islower()
    assert not facts.words.endswith(".")
    assert facts.remark.endswith(".")
    assert not metric.needs_regions
    assert not metric.explains
    assert dict(metric.controls) == {"PatchOracle": "better", "RandomFresh": "not better"}
    assert hash(metric) == hash(dataclasses.replace(metric))


@every
def test_equal_networks_have_equal_values(metric, model, functional, images, maps, targets):
    values = metric.bind(model)(maps, images, targets)
    assert values.shape == (5,)
    assert np.isfinite(values).all()
    expected = metric.bind(functional)(maps, images, targets)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


@every
def test_an_image_is_on_its_own(metric, functional, images, maps, targets):
    """Neither its place, nor its neighbours, nor the size of the batch has any effect."""
    bound = metric.bind(functional)
    together = bound(maps, images, targets)
    turned = bound(maps[::-1], images[::-1], targets[::-1])[::-1]
    alone = [bound(maps[i : i + 1], images[i : i + 1], targets[i : i + 1])[0] for i in range(5)]
    with network.evaluating(7):
        others = metric.bind(functional)(maps, images, targets)
    for values in (turned, alone, others):
        np.testing.assert_allclose(values, together, rtol=1e-4, atol=1e-5)


@every
def test_a_map_that_says_nothing_has_no_value(metric, functional, images, maps, targets):
    bad = maps.copy()
    bad[0], bad[1] = 0, 0.1
    bad[2, 3, 4, 0], bad[3, 0, 0, 1] = np.nan, np.inf
    found = metric.bind(functional).measure(bad, images, targets)
    assert np.isnan(found[VALUE]).tolist() == [True, True, True, True, False]
    expected = metric.bind(functional)(maps[4:], images[4:], targets[4:])
    np.testing.assert_allclose(found[VALUE][4], expected[0], rtol=1e-4, atol=1e-5)
    for rows in found.values():
        assert len(rows) == 5
        assert np.isnan(rows[:4]).all()


@every
def test_maps_of_a_layer_and_of_one_channel(metric, functional, images, targets):
    """A small map is worth as much as the same map enlarged to the image, linearly."""
    cells = np.random.default_rng(5).normal(size=(5, 4, 3, 1)).astype(np.float32)
    large = np.stack([enlarged(cell[..., 0].astype(float), (12, 12)) for cell in cells])[..., None]
    bound = metric.bind(functional)
    np.testing.assert_allclose(
        bound(cells, images, targets), bound(large, images, targets), rtol=1e-4, atol=1e-5
    )
    flat = np.full_like(cells, 0.1)
    assert np.isnan(bound(flat, images, targets)).all()
    with pytest.raises(ValueError, match=r"^maps must be no larger .* \(24, 12\) for \(12, 12\)$"):
        bound(large.repeat(2, axis=1), images, targets)


@every
def test_a_scale_of_the_map_has_no_effect(metric, functional, images, maps, targets):
    bound = metric.bind(functional)
    np.testing.assert_allclose(
        bound(maps * 64, images, targets), bound(maps, images, targets), rtol=1e-6
    )


@every
def test_keys_seed_the_draws_and_images_do_without(metric, functional, images, targets):
    maps = np.zeros((5, 12, 12, 1), np.float32)
    maps[:, :6] = 1  # many ties, for superpixels too
    bound = metric.bind(functional)
    one, same, other = (
        bound(maps, images, targets, keys=keys + np.arange(5)) for keys in (3, 3, 9)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    np.testing.assert_array_equal(bound(maps, images, targets), bound(maps, images, targets))


@pytest.mark.parametrize("metric", CURVES, ids=named)
def test_curves_are_kept(metric, functional, images, maps, targets):
    bound = metric.bind(functional)
    assert isinstance(bound, Detailed)
    found = bound.measure(maps, images, targets)
    assert found[CURVE].shape == (5, len(bound.places))
    assert (np.diff(bound.places) > 0).all()
    assert MetricFacts.of(metric).places == tuple(bound.places)
    assert np.isfinite(found[CURVE]).all()
    np.testing.assert_array_equal(found[VALUE], bound(maps, images, targets))


@every
def test_weights_are_read_when_it_is_called(metric, fresh_model_of, images, maps, targets):
    model = fresh_model_of("sequential")
    bound = metric.bind(model)
    before = bound(maps, images, targets)
    model.set_weights([w * 1.5 for w in model.get_weights()])
    assert (bound(maps, images, targets) != before).any()


@every
def test_no_image_and_one_image(metric, functional, images, maps, targets):
    bound = metric.bind(functional)
    assert bound(maps[:0], images[:0], targets[:0]).shape == (0,)
    assert bound(maps[:1], images[:1], targets[:1]).shape == (1,)


@pytest.mark.parametrize("metric", [m for m in ALL if hasattr(m, "output")], ids=named)
def test_probability_is_another_quantity(metric, functional, images, maps, targets):
    asked = dataclasses.replace(metric, output="probability")
    values = asked.bind(functional)(maps, images, targets)
    assert (values != metric.bind(functional)(maps, images, targets)).any()
    assert (np.abs(values) <= 1).all()
