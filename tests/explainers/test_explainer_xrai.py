"""XRAI: regions in order of their mean, against a plain greedy search."""

import numpy as np
import pytest
from scipy import sparse

from saliency_bench import explainers as ex
from saliency_bench.explainers.forgrad import ForGrad
from saliency_bench.explainers.xrai import XRAI, _pixels, cover, segments
from saliency_bench.randomize import redraw

pytestmark = pytest.mark.usefixtures("seeded")

SCALES = (50, 100, 150, 250, 500, 1200)


class Given(ex.Method):
    """A base whose maps are known."""

    def __init__(self, maps):
        self.maps = maps

    def bind(self, model):
        return lambda images, targets, *, keys=None: self.maps[: len(images)]


def greedy(gains, members):
    """The same by looking at every segment anew each time."""
    gains, left = gains.ravel(), np.ones(gains.size, bool)
    found = np.full(gains.size, np.nan)
    least = max(1, round(50 * gains.size / 224**2))
    while True:
        parts = [segment & left for segment in members]
        means = [gains[p].mean() if p.sum() >= least else -np.inf for p in parts]
        best = int(np.argmax(means))
        if means[best] == -np.inf:
            break
        found[parts[best]] = means[best]
        left &= ~parts[best]
    if left.any():
        found[left] = gains[left].mean()
    return found


def quarters(size=8):
    """An image of four plain quarters, and which quarter each pixel is in."""
    which = np.repeat(np.repeat(np.array([[0, 1], [2, 3]]), size // 2, 0), size // 2, 1)
    return np.array([-3.0, 4.0, 11.0, -9.0], np.float32)[which][..., None], which


@pytest.mark.parametrize(
    ("shape", "margin"), [((12, 12, 2), 1), ((28, 28, 1), None), ((9, 14, 5), 0)]
)
def test_xrai_is_the_greedy_cover(shape, margin):
    random = np.random.default_rng(0)
    members = segments(random.random(shape), (50, 250), margin)
    gains = random.normal(size=shape[:2])
    plain = greedy(gains, members.toarray().astype(bool))
    np.testing.assert_allclose(cover(gains, members).ravel(), plain, rtol=1e-9)


def test_a_part_too_small_to_count_is_left_over():
    """In 64 x 64 pixels a part must have 4; of the three at the bottom the mean is taken."""
    members = np.zeros((2, 64 * 64), np.int32)
    members[0, :-3] = members[1, -3:] = 1
    gains = np.zeros((64, 64))
    gains[-1, -3:] = [1, 2, 6]
    found = cover(gains, sparse.csr_array(members))
    np.testing.assert_allclose(found[-1, -3:], 3)
    assert not found.ravel()[:-3].any()


def test_plain_quarters_are_parts_of_the_map():
    """All but the seams, which the segmentation smooths."""
    image, which = quarters(32)
    base = np.random.default_rng(1).normal(size=(1, 32, 32, 1)).astype(np.float32)
    found = XRAI(Given(base), margin=0).bind(None)(image[None], np.array([0]))[0, ..., 0]
    middle = np.abs(np.indices((32, 32)) - 15.5).min(axis=0) > 4
    values = [np.unique(found[middle & (which == quarter)]) for quarter in range(4)]
    assert [len(own) for own in values] == [1, 1, 1, 1]
    assert len(np.unique(np.concatenate(values))) == 4


def test_segments_that_overlap_give_the_pixel_to_the_better():
    """Two of three pixels each: first (5, 5), then 1 for the rest of the other."""
    members = sparse.csr_array(np.array([[1, 1, 0], [0, 1, 1]], np.int32))
    found = cover(np.array([[1.0, 5.0, 5.0]]), members)
    np.testing.assert_allclose(found, [[1, 5, 5]])


def test_segments_know_no_units_and_every_pixel_is_in_one_of_each_scale():
    image = np.random.default_rng(2).random((16, 16, 3))
    members = segments(image, SCALES)
    assert (members.sum(axis=0) >= len(SCALES)).all()
    again = segments(image * 255 - 100, SCALES)
    np.testing.assert_array_equal(members.toarray(), again.toarray())


def test_a_margin_widens_each_segment_by_its_pixels():
    _, which = quarters(10)
    rows, columns = np.indices((10, 10))
    for margin in (0, 1, 2):
        first = next(_pixels(which, margin))
        away = np.hypot(np.maximum(rows - 4, 0), np.maximum(columns - 4, 0))
        np.testing.assert_array_equal(first, np.flatnonzero(away <= margin))


def test_xrai_sums_to_what_its_base_sums_to(functional, images, targets):
    base = ex.IntegratedGradients(steps=2)
    maps = base(functional, images, targets).sum(axis=-1)
    found = XRAI(base)(functional, images, targets)
    assert found.shape == (5, 12, 12, 1)
    np.testing.assert_allclose(
        found.sum(axis=(1, 2, 3)), maps.sum(axis=(1, 2)), rtol=1e-3, atol=1e-4
    )
    for own, plain, image in zip(found[..., 0], maps, images, strict=True):
        members = segments(image, SCALES).toarray().astype(bool)
        expected = greedy(np.float64(plain), members).reshape(12, 12)
        np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-5)


def test_segments_are_of_the_image_and_not_of_the_network(functional, images, targets):
    """One part before and after a redraw; and an image alone, in any order, again."""
    from saliency_bench import network

    bound = XRAI(ex.IntegratedGradients(steps=1), scales=(1200,), margin=0).bind(functional)
    before = bound(images, targets)
    values = redraw(functional, functional.variables, seed=0)
    with network.swapped(functional, functional.variables, values):
        after = bound(images, targets)
    for one, other, image in zip(before[..., 0], after[..., 0], images, strict=True):
        for part in segments(image, (1200,), 0).toarray().astype(bool):
            assert np.ptp(one.ravel()[part]) == np.ptp(other.ravel()[part]) == 0
    np.testing.assert_allclose(bound(images[::-1], targets[::-1])[::-1], before, rtol=1e-4)
    np.testing.assert_allclose(bound(images[3:4], targets[3:4]), before[3:4], rtol=1e-4)


def test_no_more_segments_are_kept_than_the_limit(monkeypatch):
    from saliency_bench.explainers import xrai

    monkeypatch.setattr(xrai, "CACHE_SIZE", 3 * 64)
    kept = xrai._SegmentCache((50,), 0)
    image = quarters()[0]
    for key in (1, 2, 3, 1, 4):
        kept(image, key)
    assert list(kept._cache) == [3, 1, 4]


@pytest.mark.parametrize("image", [np.zeros((8, 8, 1)), np.full((224, 8, 3), -7.0)])
def test_an_image_without_edges_is_one_segment(image):
    members = segments(image.astype(np.float32), (50,))
    assert members.shape[0] == 1
    assert members.sum() == image[..., 0].size


def test_xrai_says_of_itself_what_its_base_says():
    assert XRAI(ex.IntegratedGradients()).multiplies_input
    assert not XRAI(ex.GradCAM()).signed
    assert XRAI(ex.SmoothGrad(ex.Gradient())).stochastic
    assert XRAI(ForGrad(ex.Gradient()), scales=[10.0]).scales == (10.0,)


def test_settings_are_checked(functional, images, targets):
    with pytest.raises(ValueError, match="scales must be numbers above 0, at least one; got"):
        XRAI(ex.Gradient(), scales=())
    with pytest.raises(ValueError, match="scales must be numbers above 0"):
        XRAI(ex.Gradient(), scales=(5.0, 0.0))
    with pytest.raises(ValueError, match="margin must be at least 0; got -1"):
        XRAI(ex.Gradient(), margin=-1)
    with pytest.raises(ValueError, match=r"base must have maps of the images' size \(12, 12\)"):
        XRAI(ex.GradCAM(upsample=None))(functional, images, targets)
