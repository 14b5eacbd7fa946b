"""Maps in the size of the picture: stretched over it, or laid where the network has looked."""

import numpy as np
import pytest
from helpers.lazily import keras, layers, tf

from saliency_bench import explainers as ex
from saliency_bench.network.geometry.receptive_fields import COLUMNS, ROWS, Line
from saliency_bench.network.placement import Placement
from saliency_bench.protocols import NotApplicable

pytestmark = pytest.mark.usefixtures("seeded")

HOW = ["nearest", "bilinear", "bicubic"]


def line(direction, size, start, stride, field, low, high):
    return Line(direction, size, start, stride, field, low, high)


def whole(direction, size):
    return Line.pixels(direction, size)


def maps_of(height, width):
    return np.random.default_rng(0).normal(size=(2, height, width, 3)).astype(np.float32)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    "rows",
    [
        line(ROWS, 4, 0.0, 4.0, 16.0, 0.0, 28.0),  # The paper's CNN: valid convolutions and pools.
        line(ROWS, 7, -100.0, 4.0, 204.0, 0.0, 28.0),  # Its own padding, fields beyond the picture.
        line(ROWS, 6, 0.0, 4.0, 4.0, 0.0, 24.0),  # Patches that leave the last rows out.
    ],
)
def test_ordinary_trunks_are_stretched_bit_for_bit(rows, how):
    place = Placement(rows, line(COLUMNS, 5, -2.0, 4.0, 8.0, 0.0, 20.0), (28, 20))
    maps = maps_of(rows.size, 5)
    np.testing.assert_array_equal(place.resize(maps, how), tf.image.resize(maps, (28, 20), how))
    assert place.resize(maps, None) is maps


@pytest.mark.parametrize("how", HOW)
def test_a_cropped_side_lies_apart_and_the_other_is_still_stretched(how):
    """Rows 14 to 27 are cut off: a grid of 7 rows of 2 pixels lies on rows 0 to 13."""
    rows = line(ROWS, 7, 0.0, 2.0, 2.0, 0.0, 14.0)
    columns = line(COLUMNS, 5, 0.0, 4.0, 4.0, 0.0, 20.0)
    maps = maps_of(7, 5)
    placed = Placement(rows, columns, (28, 20)).resize(maps, how).numpy()
    assert not placed[:, 14:].any()
    wanted = tf.image.resize(maps, (14, 20), how)
    np.testing.assert_allclose(placed[:, :14], wanted, rtol=1e-5, atol=1e-6)


def test_a_large_padding_is_left_out():
    """14 rows of zeros on each side: of 56 positions those of the picture stay, as they are."""
    rows = line(ROWS, 56, -14.0, 1.0, 1.0, 0.0, 28.0)
    maps = maps_of(56, 20)
    placed = Placement(rows, whole(COLUMNS, 20), (28, 20)).resize(maps, "bilinear")
    np.testing.assert_allclose(placed, maps[:, 14:42], rtol=1e-6)


def test_pixels_that_only_the_outermost_position_sees_have_its_value():
    """Two positions with centres 10 and 14 see pixels 6 to 17 of 40."""
    rows = line(ROWS, 2, 6.0, 4.0, 8.0, 6.0, 18.0)
    maps = np.array([1.0, 2.0], np.float32).reshape(1, 2, 1, 1)
    placed = Placement(rows, whole(COLUMNS, 1), (40, 1)).resize(maps, "bilinear").numpy().ravel()
    between = 1 + (np.arange(10, 14) + 0.5 - 10) / 4
    wanted = [*np.zeros(6), *np.ones(4), *between, *np.full(4, 2.0), *np.zeros(22)]
    np.testing.assert_allclose(placed, wanted, rtol=1e-6)


SEEN = {
    "cropped": (lambda: [layers.Cropping2D(((2, 12), (10, 3)))], (2, 16), (10, 25)),
    "centre": (lambda: [layers.CenterCrop(14, 12)], (7, 21), (8, 20)),
    "cropped and enlarged": (
        lambda: [layers.Cropping2D(((0, 14), (0, 14))), layers.Resizing(28, 28)],
        (0, 14),
        (0, 14),
    ),
    "sliced": (lambda: [layers.Lambda(lambda x: x[:, 4:16, 12:])], (4, 16), (12, 28)),
}
CAMS = [
    *(ex.GradCAM(relu=False), ex.HiResCAM(), ex.LayerCAM(), ex.GradCAMPlusPlus()),
    *(ex.EigenCAM(), ex.FEM(), ex.Activations(), ex.ScoreCAM()),
]


def behind(crop):
    trunk = [layers.Conv2D(6, 3, padding="same", activation="relu") for _ in range(2)]
    head = [layers.GlobalAveragePooling2D(), layers.Dense(3)]
    return keras.Sequential([keras.Input((28, 28, 1)), *crop, *trunk, *head])


@pytest.mark.parametrize("name", SEEN)
@pytest.mark.parametrize("explainer", CAMS, ids=lambda e: type(e).__name__)
def test_a_map_lies_where_the_network_looked(explainer, name):
    crop, rows, columns = SEEN[name]
    images = np.random.default_rng(0).random((4, 28, 28, 1)).astype(np.float32)
    maps = np.abs(explainer(behind(crop()), images, np.array([0, 1, 2, 0])))[..., 0]
    inside = maps[:, slice(*rows), slice(*columns)]
    assert inside.any()
    np.testing.assert_allclose(inside.sum(), maps.sum(), rtol=1e-6)


def test_the_map_behind_a_crop_is_the_map_of_the_crop():
    """The network on the picture and the network on its part have the same map of that part."""
    model = behind([layers.Cropping2D(((4, 8), (6, 6)))])
    part = keras.Sequential([keras.Input((16, 16, 1)), *model.layers[1:]])
    images = np.random.default_rng(0).random((3, 28, 28, 1)).astype(np.float32)
    targets = np.array([0, 1, 2])
    whole, alone = (
        ex.HiResCAM()(model, images, targets),
        ex.HiResCAM()(part, images[:, 4:20, 6:22], targets),
    )
    np.testing.assert_allclose(whole[:, 4:20, 6:22], alone, rtol=1e-4, atol=1e-7)


def test_the_masks_of_score_cam_lie_where_the_features_lie():
    """Masks would else let through what the network does not see."""
    model = behind([layers.Cropping2D(((14, 0), (14, 0)))])
    image = np.zeros((1, 28, 28, 1), np.float32)
    image[0, 21, 21] = 1
    found = ex.ScoreCAM()(model, image, np.array([0]))[0, :, :, 0]
    assert found[:14].sum() == found[:, :14].sum() == 0


def test_a_slice_behind_a_deep_trunk_lies_where_it_was_cut():
    """Receptive fields span the picture; of the features the left half stays."""
    images = keras.Input((24, 24, 1))
    hidden = images
    for _ in range(12):
        hidden = layers.Conv2D(1, 3, padding="same", use_bias=False)(hidden)
    scores = layers.Dense(3)(layers.GlobalAveragePooling2D()(hidden[:, :, :12]))
    model = keras.Model(images, scores)
    centre = np.zeros((3, 3, 1, 1), np.float32)
    centre[1, 1] = 1
    model.set_weights([*[centre] * 12, np.ones((1, 3)), np.zeros(3)])
    picture = np.zeros((1, 24, 24, 1), np.float32)
    picture[0, 4:8, 8:11] = 1
    found = ex.HiResCAM()(model, picture, np.array([0]))[0, :, :, 0]
    np.testing.assert_allclose(found / found.max(), picture[0, :, :, 0], atol=1e-6)


PARTS = {
    "a row": lambda x: x[:, 5],
    "unstacked": lambda x: tf.unstack(x, axis=1)[3],
    "a mean of some rows": lambda x: tf.reduce_mean(x[:, 4:8], axis=1),
    "rows as channels": lambda x: tf.reshape(tf.transpose(x[:, 4:8], [0, 2, 1, 3]), [-1, 24, 16]),
}


@pytest.mark.parametrize("name", PARTS)
def test_what_saw_some_rows_only_is_not_shown_over_all(name):
    images = keras.Input((24, 24, 1))
    part = layers.Lambda(PARTS[name])(layers.Conv2D(4, 3, padding="same")(images))
    moved = layers.Conv1D(4, 3, padding="same")(part)
    model = keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling1D()(moved)))
    with pytest.raises(NotApplicable, match="nothing tells where"):
        ex.EigenCAM().bind(model)


def test_pictures_in_the_batch_axis_are_not_taken_for_others():
    def polyphase(x):
        parts = tf.transpose(tf.reshape(x, [-1, 12, 2, 12, 2, 3]), [0, 2, 4, 1, 3, 5])
        return tf.reshape(parts, [-1, 12, 12, 3])

    images = keras.Input((24, 24, 3))
    hidden = layers.Conv2D(4, 3, padding="same")(layers.Lambda(polyphase)(images))
    pooled = layers.GlobalAveragePooling2D()(hidden)
    model = keras.Model(
        images, layers.Dense(3)(layers.Lambda(lambda x: tf.reshape(x, [-1, 16]))(pooled))
    )
    with pytest.raises(NotApplicable, match="lie in the picture in another order"):
        ex.EigenCAM().bind(model)
