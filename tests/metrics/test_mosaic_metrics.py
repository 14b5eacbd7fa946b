import numpy as np
import pytest

from saliency_bench import metrics
from saliency_bench.protocols import NotApplicable


def values(metric, maps, regions):
    maps, regions = np.asarray(maps, np.float32)[..., None], np.asarray(regions, bool)
    images = np.zeros((*regions.shape, 1), np.float32)
    targets = np.zeros(len(maps), np.int64)
    return metric.bind(None)(maps, images, targets, regions=regions, keys=targets)


def cells(*rows):
    """Each letter a cell of 2x3 pixels; `x` belongs to the region."""
    grid = np.array([[letter == "x" for letter in row] for row in rows])
    return np.kron(grid, np.ones((2, 3))) > 0


def test_a_map_of_four_cells():
    shares = np.kron([[1.0, 2.0], [3.0, -4.0]], np.ones((2, 3)))
    assert values(metrics.GridPointing(), [shares], [cells("..", "x.")]) == [3 / 6]
    assert values(metrics.Focus(), [shares], [cells(".x", "x.")]) == [5 / 6]


@pytest.mark.parametrize("side", [2, 3])
def test_a_constant_map_scores_the_share_of_a_cell(side):
    region = cells(*["." * side] * (side - 1), "x" + "." * (side - 1))
    found = values(metrics.GridPointing(), [np.ones(region.shape)], [region])
    assert found == pytest.approx([1 / side**2], rel=1e-12)
    assert values(metrics.GridPointing(), [region], [region]) == [1]


def test_a_constant_map_has_a_focus_of_a_half():
    region = cells("x.", ".x")
    assert values(metrics.Focus(), [np.ones(region.shape)], [region]) == [0.5]


@pytest.mark.parametrize("metric", [metrics.GridPointing(), metrics.Focus()], ids=repr)
def test_a_map_without_positive_relevance_is_undefined_not_zero(metric):
    region = cells("x.", "..") if isinstance(metric, metrics.GridPointing) else cells("xx", "..")
    maps = np.stack([np.zeros(region.shape), -np.ones(region.shape)])
    assert np.isnan(values(metric, maps, [region] * 2)).all()


@pytest.mark.parametrize(
    "region",
    [
        cells("xx", ".."),
        cells("x.", "x."),
        np.eye(6) > 0,
        np.roll(cells("x.", ".."), 1, axis=1),
        np.roll(cells("x.", ".."), 1, axis=0),
        cells("x..", "..."),  # as high as a cell of 2x2, and as wide as one of 3x3
    ],
)
def test_grid_pointing_refuses_a_region_that_is_no_cell(region):
    with pytest.raises(NotApplicable, match=r"n x n images \(dataset=mosaic\)"):
        values(metrics.GridPointing(), [np.ones(region.shape)], [region])


@pytest.mark.parametrize("region", [cells("x.", ".."), cells("xx", "x."), np.eye(5) > 0])
def test_focus_refuses_a_region_that_is_not_two_quadrants(region):
    with pytest.raises(NotApplicable, match=r"dataset\.focus=true"):
        values(metrics.Focus(), [np.ones(region.shape)], [region])


@pytest.mark.parametrize("metric", [metrics.GridPointing(), metrics.Focus()], ids=repr)
def test_a_picture_without_a_region_is_undefined(metric):
    assert np.isnan(values(metric, [np.ones((4, 4))], [np.zeros((4, 4))])).all()
