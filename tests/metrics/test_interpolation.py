"""Interpolation from neighbours: the system of ROAD, solved by dense elimination."""

import numpy as np
import pytest

from saliency_bench.metrics.interpolation import interpolate


def dense(image, hidden):
    """The paper's equations, written pixel by pixel and solved in float64."""
    height, width, channels = image.shape
    cells = [tuple(cell) for cell in np.argwhere(hidden)]
    system, known = np.zeros((len(cells), len(cells))), np.zeros((len(cells), channels))
    for row, (y, x) in enumerate(cells):
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                place = (y + down, x + across)
                inside = 0 <= place[0] < height and 0 <= place[1] < width
                if (down, across) == (0, 0) or not inside:
                    continue
                weight = 1 / 12 if down and across else 1 / 6
                system[row, row] += weight
                if hidden[place]:
                    system[row, cells.index(place)] -= weight
                else:
                    known[row] += weight * image[place]
    result = image.astype(np.float64)
    result[hidden] = np.linalg.solve(system, known)
    return result


def blob(height, width, share):
    """The share of the pixels that lie nearest to a point beside the centre."""
    down, across = np.mgrid[:height, :width]
    distance = np.hypot(down - 0.4 * height, across - 0.6 * width).ravel()
    mask = np.zeros(height * width, bool)
    mask[np.argsort(distance, kind="stable")[: round(share * height * width)]] = True
    return mask.reshape(height, width)


@pytest.mark.parametrize(
    "shape", [(2, 1, 1), (1, 9, 2), (5, 8, 1), (13, 17, 3), (28, 28, 1)], ids=str
)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_it_is_the_solution_of_the_papers_system(shape, share):
    rng = np.random.default_rng(7)
    image = rng.uniform(-3, 5, shape).astype(np.float32)
    scattered = rng.permutation(np.arange(shape[0] * shape[1]) < share * shape[0] * shape[1] - 1)
    masks = np.stack([scattered.reshape(shape[:2]), blob(*shape[:2], share)])
    found = interpolate(image, masks)
    span = np.ptp(image)
    for copy, mask in zip(found, masks, strict=True):
        if not mask.all():
            np.testing.assert_allclose(copy / span, dense(image, mask) / span, atol=1e-4)


def test_a_large_hole_in_a_large_image_satisfies_the_equations():
    """At 224x224 and 90 % removed each hidden pixel is the weighted mean of its neighbours."""
    from scipy.ndimage import convolve

    rng = np.random.default_rng(8)
    image = rng.random((224, 224, 3)).astype(np.float32)
    mask = blob(224, 224, 0.9)
    (copy,) = interpolate(image, mask[None])
    kernel = np.array([[1, 2, 1], [2, 0, 2], [1, 2, 1]]) / 12
    total = convolve(np.ones(mask.shape), kernel, mode="constant")
    for channel in np.moveaxis(copy.astype(np.float64), -1, 0):
        means = convolve(channel, kernel, mode="constant") / total
        np.testing.assert_allclose(channel[mask], means[mask], atol=2e-5)
    np.testing.assert_array_equal(copy[~mask], image[~mask])


def test_a_ramp_comes_back():
    """A plane is the mean of its neighbours, so that what is hidden inside it is found again."""
    down, across = np.mgrid[:31, :40]
    image = (2.0 * down - 3.0 * across)[..., None].astype(np.float32)
    mask = np.zeros((31, 40), bool)
    mask[3:-2, 4:-5] = True
    (copy,) = interpolate(image, mask[None])
    np.testing.assert_allclose(copy, image, atol=1e-4 * np.ptp(image))


def test_nothing_hidden_and_everything_hidden():
    image = np.random.default_rng(9).random((6, 5, 2)).astype(np.float32)
    none, every = np.zeros((6, 5), bool), np.ones((6, 5), bool)
    same, mean = interpolate(image, np.stack([none, every]))
    np.testing.assert_array_equal(same, image)
    np.testing.assert_allclose(mean, np.broadcast_to(image.mean((0, 1)), image.shape), atol=1e-6)


def test_a_copy_does_not_depend_on_the_others():
    rng = np.random.default_rng(10)
    image = rng.random((20, 23, 3)).astype(np.float32)
    masks = rng.random((40, 20, 23)) < rng.uniform(0.1, 0.99, 40)[:, None, None]
    together = interpolate(image, masks)
    for index in (0, 17, 39):
        np.testing.assert_array_equal(
            interpolate(image, masks[index : index + 1])[0], together[index]
        )


def test_a_constant_image_stays_one():
    image = np.full((9, 9, 1), -7.0, np.float32)
    (copy,) = interpolate(image, blob(9, 9, 0.8)[None])
    np.testing.assert_allclose(copy, image, atol=1e-5)
