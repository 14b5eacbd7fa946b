"""Images that are changed until their logits are given ones, on linear networks by hand."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from saliency_bench import network as networks
from saliency_bench.protocols import NotApplicable

WIDE = networks.Bounds(np.float32(-100), np.float32(100))


def linear(kernel):
    """A network of images `[2, 2, 1]` with a kernel `[4, K]`; one logit stands beside a 0."""
    kernel = [[*row, 0] if len(row) == 1 else row for row in kernel]
    model = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(len(kernel[0]))]
    )
    model.layers[-1].set_weights([np.array(kernel, np.float32), np.zeros(len(kernel[0]))])
    return model


def pictures(*rows):
    return np.array(rows, np.float32).reshape(-1, 2, 2, 1)


def masks(*rows):
    return np.array(rows, bool).reshape(-1, 2, 2)


def reached(model, images, logits, mask, *, bounds=WIDE, close=1e-4, steps=300):
    search = networks.reaching(model, steps=steps)
    ends = np.full(len(images), close, np.float32)
    return search(images, np.array(logits, np.float32), mask, bounds, close=ends)


def test_one_step_on_a_linear_network_is_the_projection_onto_the_images_with_that_logit():
    model = linear([[3], [4], [0], [5]])
    mask = masks([1, 1, 1, 0])
    # f = 3 * 3 + 4 * 4 + 5 = 30, 25 too much; the slope inside the mask has the length 5.
    found = reached(model, pictures([3, 4, 7, 1]), [[5, 0]], mask, steps=1)
    assert_allclose(found, pictures([3 - 3, 4 - 4, 7, 1]), atol=1e-5)


def test_what_the_network_does_not_see_stays():
    """(4, -3) is orthogonal to the kernel: its share of the image is the same afterwards."""
    model = linear([[3], [4], [0], [0]])
    found = reached(model, pictures([2, 9, 1, 1]), [[0, 0]], masks([1, 1, 1, 1]))
    flat = found.reshape(4)
    assert_allclose(4 * flat[0] - 3 * flat[1], 4 * 2 - 3 * 9, rtol=1e-5)
    assert_allclose(3 * flat[0] + 4 * flat[1], 0, atol=1e-3)
    assert flat[2:].tolist() == [1, 1]


def test_several_logits_are_reached_inside_the_mask_alone():
    rng = np.random.default_rng(0)
    model = linear(rng.normal(size=(4, 2)))
    images, others = rng.normal(size=(2, 3, 2, 2, 1)).astype(np.float32)
    mask = np.broadcast_to(masks([1, 1, 1, 0]), (3, 2, 2))
    start = np.where(mask[..., None], others, images)
    wanted = model.predict(images, verbose=0)
    found = reached(model, start, wanted, mask)
    assert_allclose(model.predict(found, verbose=0), wanted, atol=2e-4)
    assert_array_equal(found[~mask], images[~mask])
    assert np.abs(found - images)[mask].max() > 0.1


def test_pixels_stay_within_their_bounds():
    model = linear([[1], [1], [0], [0]])
    bounds = networks.Bounds(np.float32(0), np.float32(1))
    found = reached(model, pictures([1, 0, 0, 0]), [[2, 0]], masks([1, 1, 1, 1]), bounds=bounds)
    assert_allclose(found, pictures([1, 1, 0, 0]), atol=1e-3)


def test_an_image_that_is_close_already_keeps_its_bits():
    model = linear([[3], [4], [0], [0]])
    images = pictures([0.1, 0.2, 0.3, 0.4], [5, 5, 5, 5])
    logits = np.add(model.predict(images, verbose=0), [[0.009, 0], [9, 0]])
    found = reached(model, images, logits, masks([1, 1, 1, 1], [1, 1, 1, 1]), close=0.01)
    assert_array_equal(found[0], images[0])
    assert np.abs(found[1] - images[1]).max() > 0.1


def test_an_image_is_found_again_alone_and_in_any_order():
    rng = np.random.default_rng(1)
    model = linear(rng.normal(size=(4, 3)))
    images = rng.normal(size=(5, 2, 2, 1)).astype(np.float32)
    logits = rng.normal(size=(5, 3)).astype(np.float32)
    mask = np.ones((5, 2, 2), bool)
    with networks.evaluating(4):
        whole = reached(model, images, logits, mask, steps=20)
        reverse = reached(model, images[::-1], logits[::-1], mask, steps=20)[::-1]
        alone = [
            reached(model, *(v[[i]] for v in (images, logits, mask)), steps=20) for i in range(5)
        ]
    assert_array_equal(whole, reverse)
    assert_array_equal(whole, np.concatenate(alone))


def test_an_empty_mask_leaves_the_image_as_it_is():
    model = linear([[1], [0], [0], [0]])
    images = pictures([1, 2, 3, 4])
    assert_array_equal(reached(model, images, [[9, 0]], masks([0, 0, 0, 0])), images)


def test_logits_that_do_not_depend_on_the_image_by_differentiable_steps_are_refused():
    inputs = keras.Input((2, 2, 1))
    steps = keras.ops.sign(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.ops.cast(steps > 0, "float32")))
    with pytest.raises(NotApplicable, match="differentiable"):
        reached(model, pictures([1, 2, 3, 4]), [[0, 0]], masks([1, 1, 1, 1]))
