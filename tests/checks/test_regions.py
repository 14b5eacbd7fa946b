"""Where a map lies: shares of mass and mean importance, by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from saliency_bench.checks.regions import AsImportant, ContrastKept, MassKept, NoMoreImportant

LEFT = np.array([[[True, True, False, False]] * 2])


def maps(*values):
    """One map of two equal rows of four pixels."""
    return np.array([[values, values]], np.float32)[..., np.newaxis]


def score(measure, reference, changed, region=LEFT, other=LEFT):
    return measure.compare(measure.prepare(reference, region), measure.prepare(changed, other))


def test_the_share_of_the_mass_that_stays():
    # Of the magnitudes, 3 of 4 lie on the left, then 1 of 4.
    assert_allclose(score(MassKept(), maps(-2, 1, 1, 0), maps(0, 1, -1, 2)), 1 - (3 / 4 - 1 / 4))


def test_equal_maps_keep_all_and_regions_that_do_not_meet_nothing():
    own, other = LEFT[..., np.newaxis].astype(np.float32), ~LEFT
    opposite = other[..., np.newaxis].astype(np.float32)
    assert score(MassKept(), own, own) == 1
    assert score(MassKept(), own, opposite, LEFT, other) == 0
    assert score(ContrastKept(), own, opposite, LEFT, other) == 0


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_scale_of_a_map_does_not_matter(scale):
    reference, changed = maps(2, 1, 1, 0), maps(0, 1, 1, 2)
    for measure in (MassKept(), ContrastKept(), NoMoreImportant()):
        expected = score(measure, reference, changed)
        assert_allclose(score(measure, scale * reference, changed), expected, rtol=1e-6)


def test_a_coarse_map_is_weighed_by_how_much_of_a_cell_lies_inside():
    # One cell over both halves: half of its mass counts, so that none can move.
    one = np.ones((1, 1, 3, 1), np.float32) * np.float32([1, 5, 1])[:, None]
    coarse = MassKept().prepare(one, LEFT)
    assert_allclose(coarse.inside[0, 0], [1, 0.5, 0], atol=1e-6)
    assert_allclose(coarse.mass(coarse.inside), (1 + 2.5) / 7)


def test_importance_is_the_positive_part_from_0_to_1():
    prepared = ContrastKept().prepare(maps(-5, 2, 4, 0), LEFT)
    assert_allclose(prepared.values[0, 0], [0, 0.5, 1, 0], atol=1e-6)
    assert_allclose(prepared.mean(prepared.inside), 0.25)
    assert_allclose(score(ContrastKept(), maps(4, 4, 0, 0), maps(-5, 2, 4, 0)), 1 - (1 - 0.25))


def test_importance_is_clipped_at_its_99th_percentile():
    random = np.random.default_rng(0)
    values = random.random((1, 20, 20, 1)).astype(np.float32)
    peak = values.copy()
    peak[0, 3, 3] = 1e6
    region = np.ones((1, 20, 20), np.bool_)
    high = np.percentile(peak, 99)
    expected = (np.minimum(peak, high) - peak.min()) / (high - peak.min())
    assert_allclose(ContrastKept().prepare(peak, region).values, expected[..., 0], rtol=1e-5)


def test_a_map_with_a_single_positive_pixel_keeps_it():
    values = -np.ones((1, 20, 20, 1), np.float32)
    values[0, 3, 3] = 2
    prepared = ContrastKept().prepare(values, np.ones((1, 20, 20), np.bool_))
    assert prepared.defined.all()
    assert prepared.values.sum() == 1


def test_an_image_counts_if_what_lies_outside_gains():
    assert score(NoMoreImportant(), maps(4, 0, 1, 1), maps(4, 0, 2, 2)) == 0
    assert score(NoMoreImportant(), maps(4, 0, 2, 2), maps(4, 0, 1, 1)) == 1
    assert score(NoMoreImportant(), maps(4, 0, 2, 2), maps(4, 0, 2, 2)) == 1


@pytest.mark.parametrize(
    ("inside", "expected"), [((4, 4), 1), ((4.3, 4.3), 1), ((4.5, 4.5), 0), ((3.5, 3.5), 0)]
)
def test_an_image_counts_if_the_object_is_as_important_to_within_a_tenth(inside, expected):
    # The object lies outside of the changed map's region: its importance is .4, then .43, ...
    reference, changed = maps(10, 0, 4, 4), maps(10, 0, *inside)
    assert score(AsImportant(), reference, changed, region=np.ones_like(LEFT)) == expected


def test_equal_maps_are_as_important_also_where_they_are_0():
    for values in ((2, 0, 1, 1), (2, 1, 0, 0)):
        assert score(AsImportant(), maps(*values), maps(*values)) == 1


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
@pytest.mark.parametrize(
    "measure", [MassKept(), ContrastKept(), NoMoreImportant(), AsImportant()], ids=repr
)
def test_a_map_that_says_nothing_of_places_is_undefined(measure, value):
    flat = maps(value, value, value, value)
    assert_array_equal(measure.prepare(flat, LEFT).defined, [False])
    assert np.isnan(score(measure, flat, maps(1, 2, 3, 4))).all()
