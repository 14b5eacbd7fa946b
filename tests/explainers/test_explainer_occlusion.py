"""Occlusion against loops over patches, written out."""

import numpy as np
import pytest

from saliency_bench import explainers as ex


def by_loops(drops, patch, stride):
    """Mean over the covering patches of the summed `drops` `[N, H, W]` under each patch."""
    height, width = drops.shape[1:]
    totals, times = np.zeros(drops.shape), np.zeros(drops.shape[1:])
    tops = sorted({*range(0, height - patch + 1, stride), height - patch})
    lefts = sorted({*range(0, width - patch + 1, stride), width - patch})
    for top in tops:
        for left in lefts:
            place = slice(top, top + patch), slice(left, left + patch)
            totals[:, *place] += drops[:, *place].sum(axis=(1, 2), keepdims=True)
            times[place] += 1
    assert times.all()
    return totals / times


@pytest.mark.parametrize("fill", [0.0, 0.75])
@pytest.mark.parametrize(("patch", "stride"), [(2, 2), (3, 1), (3, 2), (4, 3), (6, 6), (1, 1)])
def test_occlusion_of_a_linear_model_takes_its_share_away(
    linear, scenes, slopes, patch, stride, fill
):
    """The logit loses `sum w (x - fill)` under the patch; 6 x 7 is no multiple of most patches."""
    drops = (slopes * (scenes[0] - fill)).sum(axis=-1)
    maps = ex.Occlusion(patch=patch, stride=stride, fill=fill)(linear, *scenes)
    assert maps.shape == (4, 6, 7, 1)
    np.testing.assert_allclose(maps[..., 0], by_loops(drops, patch, stride), rtol=1e-3, atol=1e-4)


def test_defaults_are_a_seventh_and_half_of_it(functional, images, targets):
    patches = ex.Occlusion().patches(30, 28)
    tops = sorted({down.start for down, _ in patches})
    lefts = sorted({right.start for _, right in patches})
    assert {span.stop - span.start for patch in patches for span in patch} == {4}
    assert (tops, lefts) == ([*range(0, 27, 2)], [*range(0, 25, 2)])
    assert len(patches) == len(tops) * len(lefts)


def test_patches_reach_every_border():
    patches = ex.Occlusion(patch=2, stride=2).patches(3, 5)
    assert [(down.start, right.start) for down, right in patches] == [
        (0, 0), (0, 2), (0, 3), (1, 0), (1, 2), (1, 3),
    ]  # fmt: skip
    covered = np.zeros((3, 5), bool)
    for patch in patches:
        covered[patch] = True
    assert covered.all()


def test_a_constant_model_loses_nothing(images, targets):
    import keras

    model = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            keras.layers.Flatten(),
            keras.layers.Dense(3, kernel_initializer="zeros", bias_initializer="ones"),
        ]
    )
    assert not ex.Occlusion(patch=5)(model, images, targets).any()


def test_what_already_has_the_fill_loses_nothing(functional, targets):
    images = np.full((5, 12, 12, 2), 0.5, np.float32)
    maps = ex.Occlusion(patch=4, fill=0.5)(functional, images, targets)
    np.testing.assert_allclose(maps, 0, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"patch": 0}, "patch must be at least 1; got 0"),
        ({"stride": 0}, "stride must be at least 1; got 0"),
        ({"patch": 2, "stride": 3}, "stride must be at most the patch of 2; got 3"),
    ],
)
def test_settings_are_checked_when_made(settings, rule):
    with pytest.raises(ValueError, match=rule):
        ex.Occlusion(**settings)


def test_settings_must_fit_the_image(linear, scenes):
    with pytest.raises(ValueError, match="patch must fit the image of 6x7; got 8"):
        ex.Occlusion(patch=8)(linear, *scenes)
    with pytest.raises(ValueError, match="stride must be at most the patch of 1; got 3"):
        ex.Occlusion(stride=3)(linear, *scenes)
