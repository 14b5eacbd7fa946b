"""Controls by hand, and callables as explainers."""

import numpy as np
import pytest

from saliency_bench import checks, network
from saliency_bench import explainers as ex


@pytest.fixture
def ramp():
    """Values 0, 1, 2, ... along the columns of one 5 x 6 image."""
    return np.tile(np.arange(6, dtype=np.float32), (5, 1))[None, :, :, None]


def of(explainer, images):
    return explainer(None, images, np.zeros(len(images), int))


def test_edges_of_a_ramp_are_constant_inside_and_half_at_the_border(ramp):
    """Sobel: (right - left) weighted 1, 2, 1: 2 x 4 inside; borders repeat their own value."""
    maps = of(ex.EdgeDetector(), ramp)
    np.testing.assert_array_equal(maps[0, :, 1:-1, 0], np.full((5, 4), 8))
    np.testing.assert_array_equal(maps[0, :, [0, -1], 0], np.full((2, 5), 4))


def test_edges_do_not_depend_on_the_direction(ramp):
    turned = of(ex.EdgeDetector(), ramp.swapaxes(1, 2))
    np.testing.assert_array_equal(turned.swapaxes(1, 2), of(ex.EdgeDetector(), ramp))


def test_edges_of_a_constant_are_none():
    assert not of(ex.EdgeDetector(), np.full((2, 5, 6, 3), 7.0)).any()


def test_channels_have_their_own_edges(ramp):
    images = np.concatenate([ramp, 0 * ramp], axis=-1)
    maps = of(ex.EdgeDetector(), images)
    np.testing.assert_array_equal(maps[..., :1], of(ex.EdgeDetector(), ramp))
    assert not maps[..., 1].any()


def test_magnitude_is_the_absolute_value(ramp):
    np.testing.assert_array_equal(of(ex.InputMagnitude(), -ramp), ramp)


def test_constant_is_one_everywhere(ramp):
    assert (of(ex.Constant(), ramp) == 1).all()


def test_the_centre_prior_is_one_blob(ramp):
    maps = of(ex.CentrePrior(), np.concatenate([ramp[:, :, :5], 3 - ramp[:, :, :5]]))
    np.testing.assert_array_equal(maps[0], maps[1])
    blob = maps[0, ..., 0]
    assert blob[2, 2] == blob.max() == 1
    np.testing.assert_allclose(blob, blob[::-1])
    np.testing.assert_allclose(blob, blob.T)
    # A quarter of the side from the centre is one standard deviation.
    assert blob[2, 3] == pytest.approx(np.exp(-0.5), rel=1e-6)


def test_frozen_noise_is_of_the_image_and_the_seed(ramp):
    images = np.concatenate([ramp, ramp + 1, ramp])
    maps = of(ex.RandomFrozen(), images)
    np.testing.assert_array_equal(maps[0], maps[2])
    assert not np.array_equal(maps[0], maps[1])
    assert not np.array_equal(of(ex.RandomFrozen(seed=1), images), maps)


def test_each_check_says_which_verdict_a_control_must_get():
    due = {
        "edge_detector": "fail",
        "random_frozen": "fail",
        "centre_prior": "fail",
        "weight_hash": "pass",
        "constant": "undefined",
        "random_fresh": "undefined",
    }
    kinds = {name: control.__name__ for name, control in ex.CONTROLS.items()}
    controls = checks.ParameterRandomization.declares.controls
    assert {name: controls[kind] for name, kind in kinds.items()} == due
    # Networks trained anew have other weights: noise keyed by them can tell nothing.
    controls = checks.DataRandomization.declares.controls
    assert "WeightHash" not in controls
    assert {n: controls[k] for n, k in kinds.items() if k in controls} == {
        name: verdict for name, verdict in due.items() if name != "weight_hash"
    }


# ---------------------------------------------------------------- callables


def doubled(model, images, targets):
    return 2 * images


def test_a_callable_is_an_explainer(ramp):
    np.testing.assert_array_equal(of(ex.Function(doubled), ramp), 2 * ramp)


def test_a_callable_may_leave_out_the_channel(ramp):
    summed = ex.Function(lambda model, images, targets: images.sum(axis=-1))
    maps = of(summed, ramp)
    assert maps.shape == ramp.shape
    assert maps.dtype == np.float32


def test_callables_are_told_apart_by_what_they_do():
    """Their repr keys the cells: two lambdas of one name must not share them."""

    def scaled(factor):
        return lambda model, images, targets: factor * images

    functions = [
        doubled,
        lambda model, images, targets: images,
        lambda model, images, targets: -images,
        lambda model, images, targets: images * 2,
        lambda model, images, targets: images * 3,
        lambda model, images, targets, factor=4: images * factor,
        lambda model, images, targets, factor=5: images * factor,
        scaled(2),
        scaled(3),
    ]
    assert len({repr(ex.Function(function)) for function in functions}) == len(functions)


def test_a_callable_is_called_the_same_every_time():
    def scaled(factor):
        return lambda model, images, targets: factor * images

    assert repr(ex.Function(scaled(2))) == repr(ex.Function(scaled(2)))
    assert "0x" not in repr(ex.Function(doubled))


# ---------------------------------------------------------------- image-sample pairs


@pytest.mark.parametrize("batch", [1, 2, 4, 5, 100])
def test_pairs_come_image_by_image_and_add_up(batch):
    values = np.arange(12.0).reshape(3, 4)
    totals = np.zeros(3)
    seen = []
    for part in network.pairs(3, 4, batch):
        assert len(part.image) <= batch
        seen += zip(part.image.tolist(), part.sample.tolist(), strict=True)
        part.add_to(totals, values[part.image, part.sample])
    assert seen == [(image, sample) for image in range(3) for sample in range(4)]
    np.testing.assert_array_equal(totals, values.sum(axis=1))
