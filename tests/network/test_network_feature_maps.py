"""The feature map that class activation maps take: its tensor, its axes, its place."""

import numpy as np
import pytest
from helpers.lazily import keras, layers, tf

from saliency_bench import explainers as ex
from saliency_bench import network, outputs
from saliency_bench.protocols import NotApplicable

pytestmark = pytest.mark.usefixtures("seeded")

FAMILY = [
    *(ex.GradCAM, ex.GradCAMPlusPlus, ex.LayerCAM, ex.HiResCAM),
    *(ex.ScoreCAM, ex.EigenCAM, ex.FEM, ex.Activations),
]
TARGETS = np.array([0, 1, 2])


def pictures(height, width, channels=3):
    return np.random.default_rng(1).random((3, height, width, channels)).astype(np.float32)


def conv(filters, width, **settings):
    return layers.Conv2D(filters, width, activation="relu", **settings)


def classifier(shape, body, *, classes=3):
    images = keras.Input(shape)
    pooled = layers.GlobalAveragePooling2D()(body(images))
    return keras.Model(images, layers.Dense(classes)(pooled))


def default(model, shape, output="logit"):
    """The layer and the grid that are taken by default."""
    found = []

    def body(traced):
        found.append(traced.features())
        return traced.scores

    network.Kernel(model, body, output)(np.zeros((1, *shape), np.float32))
    return found[0].layer, found[0].place.grid


@pytest.mark.parametrize("explainer", FAMILY)
def test_channels_first_is_channels_last(explainer):
    images = keras.Input((16, 20, 3))
    first = layers.Permute((3, 1, 2))(images)
    first = conv(5, 3, data_format="channels_first", name="c")(first)
    last = conv(5, 3, name="c")(images)
    ends = [layers.Flatten()(first), layers.Flatten()(layers.Permute((3, 1, 2))(last))]
    one, other = (keras.Model(images, layers.Dense(3)(end)) for end in ends)
    other.set_weights(one.get_weights())
    for settings in ({}, {"layer": "c"}, {"upsample": None}):
        found, wanted = (
            explainer(**settings)(model, pictures(16, 20), TARGETS) for model in (one, other)
        )
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("explainer", FAMILY)
def test_a_sum_is_the_default_however_it_is_written(explainer):
    def with_sum(add):
        def body(images):
            stem = conv(8, 3, strides=2, padding="same")(images)
            return add(stem, layers.Conv2D(8, 3, padding="same", name="branch")(stem))

        return classifier((16, 16, 3), body)

    layer = with_sum(lambda x, y: layers.Add(name="sum")([x, y]))
    operator = with_sum(lambda x, y: x + y)
    operator.set_weights(layer.get_weights())
    maps = [explainer()(model, pictures(16, 16), TARGETS) for model in (layer, operator)]
    np.testing.assert_array_equal(*maps)
    named = explainer(layer="sum")(layer, pictures(16, 16), TARGETS)
    np.testing.assert_array_equal(maps[0], named)


def attention(images):
    """A residual attention block on the places of a feature map, in Keras's own layer."""
    stem = conv(8, 3, strides=2, padding="same", name="stem")(images)
    tokens = layers.Reshape((64, 8))(stem)
    mixed = layers.MultiHeadAttention(2, 4, name="attention")(tokens, tokens)
    return layers.Reshape((8, 8, 8), name="grid")(layers.Add(name="sum")([tokens, mixed]))


def branches(images):
    stem = conv(4, 3, strides=2, name="stem")(images)
    left, right = conv(3, 1, name="left")(stem), conv(2, 3, padding="same", name="right")(stem)
    return layers.Concatenate(name="both")([left, right])


def excited(images):
    features = conv(4, 3, name="features")(images)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(features)
    gate = layers.Dense(4, activation="sigmoid", name="gate")(gate)
    return layers.Multiply(name="gated")([features, gate])


def pooled_to_one(images):
    last = conv(4, 3, name="last")(images)
    return conv(5, 1, name="single")(layers.AveragePooling2D(14)(last))


@pytest.mark.parametrize(
    ("body", "layer", "grid"),
    [
        (attention, "sum", (8, 8)),
        (branches, "both", (7, 7)),
        (excited, "gated", (14, 14)),
        (pooled_to_one, "last", (14, 14)),
    ],
)
def test_every_way_to_the_scores_passes_the_default(body, layer, grid):
    assert default(classifier((16, 16, 3), body), (16, 16, 3)) == (layer, grid)


def test_branches_that_never_meet_have_no_feature_map_but_the_one_before_them():
    def body(images, stem):
        start = conv(4, 3, name="stem")(images) if stem else images
        ends = [layers.GlobalMaxPooling2D()(conv(2, k)(start)) for k in (1, 3)]
        return keras.Model(images, layers.Dense(3)(layers.Concatenate()(ends)))

    assert default(body(keras.Input((16, 16, 3)), True), (16, 16, 3))[0] == "stem"
    with pytest.raises(NotApplicable, match="that every way from the picture to the scores passes"):
        ex.GradCAM().bind(body(keras.Input((16, 16, 3)), False))


ENDS = {
    "softmax": lambda u: layers.Conv2D(2, 1, activation="softmax", name="out")(u),
    "sigmoid": lambda u: layers.Conv2D(1, 1, activation="sigmoid", name="out")(u),
    "softmax layer": lambda u: layers.Softmax(name="out")(layers.Conv2D(2, 1)(u)),
    "logits": lambda u: layers.Conv2D(2, 1, name="out")(u),
    "enlarged": lambda u: layers.UpSampling2D(2, name="out")(layers.Conv2D(2, 1)(u)),
    "transposed": lambda u: layers.Conv2DTranspose(2, 2, strides=2, name="out")(u),
    "reshaped": lambda u: layers.Reshape((16, 16, 2), name="out")(layers.Conv2D(2, 1)(u)),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_default_is_never_what_is_explained(end):
    images = keras.Input((16, 16, 3))
    model = keras.Model(images, ENDS[end](conv(5, 3, padding="same", name="dec")(images)))
    region = outputs.Region(top=4, left=4, height=4, width=4)
    assert default(model, (16, 16, 3), region) == ("dec", (16, 16))
    for explainer in (ex.GradCAM, ex.LayerCAM, ex.EigenCAM):
        maps = [
            explainer(output=region, layer=layer)(model, pictures(16, 16), TARGETS * 0)
            for layer in (None, "dec")
        ]
        np.testing.assert_array_equal(*maps)


def test_what_is_not_differentiable_is_passed_by():
    def body(images):
        features = conv(4, 3, name="features")(images)
        rounded = layers.Lambda(lambda x: tf.round(x), name="rounded")(features)
        return layers.Lambda(lambda both: both[0] + tf.stop_gradient(both[1]), name="sum")(
            [features, rounded]
        )

    assert default(classifier((16, 16, 3), body), (16, 16, 3)) == ("sum", (14, 14))


def eeg(shape):
    images = keras.Input(shape)
    time = layers.Conv2D(4, (1, 5), padding="same")(images)
    space = layers.DepthwiseConv2D((shape[0], 1), activation="elu", name="space")(time)
    flat = layers.Flatten()(layers.AveragePooling2D((1, 4), name="pool")(space))
    return keras.Model(images, layers.Dense(3)(flat))


def series(shape):
    images = keras.Input(shape)
    moved = layers.Conv1D(6, 5, activation="relu", name="pool")(layers.Reshape((60, 1))(images))
    return keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling1D()(moved)))


def column(shape):
    images = keras.Input(shape)
    moved = layers.Conv2D(6, (5, 1), activation="relu", name="pool")(images)
    return keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling2D()(moved)))


@pytest.mark.parametrize(
    ("build", "shape", "grid"),
    [(eeg, (8, 60, 1), (1, 15)), (series, (60, 1, 1), (56, 1)), (column, (60, 1, 1), (56, 1))],
)
@pytest.mark.parametrize("explainer", FAMILY)
def test_one_row_or_column_is_a_feature_map(build, shape, grid, explainer):
    model = build(shape)
    x = np.random.default_rng(2).normal(size=(3, *shape)).astype(np.float32)
    assert default(model, shape) == ("pool", grid)
    assert explainer(upsample=None)(model, x, TARGETS).shape == (3, *grid, 1)
    whole = explainer()(model, x, TARGETS)
    assert whole.shape == (3, *shape[:2], 1)
    assert np.isfinite(whole).all()


def test_tokens_are_a_grid():
    images = keras.Input((16, 24, 3))
    patches = layers.Conv2D(5, 4, strides=4, name="patches")(images)
    tokens = layers.Reshape((24, 5))(patches)
    mixed = layers.Dense(6, activation="gelu", name="mlp")(layers.LayerNormalization()(tokens))
    model = keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling1D()(mixed)))
    assert default(model, (16, 24, 3)) == ("mlp", (4, 6))
    native = ex.Activations(upsample=None)(model, pictures(16, 24), TARGETS)
    values = keras.Model(images, mixed)(pictures(16, 24)).numpy().mean(axis=-1)
    np.testing.assert_allclose(native[..., 0], values.reshape(3, 4, 6), rtol=1e-5)


def test_a_layer_that_lies_nowhere_is_refused():
    images = keras.Input((8, 8, 1))
    made = layers.Reshape((4, 4, 2), name="made")(layers.Dense(32)(layers.Flatten()(images)))
    model = keras.Model(images, layers.Dense(3)(layers.Flatten()(conv(2, 3)(made))))
    with pytest.raises(NotApplicable, match="'made' is not a feature map larger than 1x1"):
        ex.GradCAM(layer="made").bind(model)
    turned = classifier(
        (8, 8, 1), lambda i: layers.Lambda(lambda x: x[:, ::-1], name="turned")(conv(2, 3)(i))
    )
    with pytest.raises(NotApplicable, match=r"nothing tells where .* of layer 'turned' lies"):
        ex.GradCAM().bind(turned)


ORDINARY = {
    "reversed channels": lambda i: conv(4, 3)(layers.Lambda(lambda x: x[..., ::-1])(i)),
    "stacked channels": lambda i: conv(4, 3)(
        layers.Lambda(lambda x: tf.stack([x[:, :, :, 2], x[:, :, :, 0]], axis=-1))(i)
    ),
    "preprocessing": lambda i: conv(4, 3)(keras.applications.vgg16.preprocess_input(i)),
    "pooled image": lambda i: pooled_beside(conv(4, 3, strides=2, padding="same")(i)),
    "gate by new axes": lambda i: newly_gated(conv(4, 3)(i)),
}


def gated_when_small(x):
    small = conv(4, 3, strides=2, name="small")(x)
    one = conv(4, 7)(small)
    return one * layers.GlobalAveragePooling2D(keepdims=True)(one)


def test_a_gate_on_one_place_is_passed_by():
    model = classifier((16, 16, 3), lambda images: conv(5, 1)(gated_when_small(images)))
    assert default(model, (16, 16, 3)) == ("small", (7, 7))


def pooled_beside(x):
    pooled = conv(4, 1)(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Concatenate()([x, layers.UpSampling2D(8, interpolation="bilinear")(pooled)])


def newly_gated(x):
    return x * layers.GlobalAveragePooling2D()(x)[:, None, None, :]


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_networks_have_a_feature_map(name):
    model = classifier((16, 16, 3), ORDINARY[name])
    assert default(model, (16, 16, 3))[1] == ((8, 8) if name == "pooled image" else (14, 14))


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_the_sequence_of_a_loop_has_no_known_place_and_a_layer_before_it_has(kind):
    images = keras.Input((12, 10, 1))
    rows = layers.Reshape((12, 40))(conv(4, 3, padding="same", name="features")(images))
    model = keras.Model(images, layers.Dense(3)(getattr(layers, kind)(5, name="loop")(rows)))
    with pytest.raises(NotApplicable, match=r"of layer .loop. lies; layer=\.\.\. names another"):
        ex.GradCAM().bind(model)
    maps = ex.GradCAM(layer="features", relu=False)(model, pictures(12, 10, 1), TARGETS)
    assert maps.any()


def test_a_rule_that_cannot_read_its_indices_tells_nothing():
    gathered = layers.Lambda(lambda x: tf.reduce_sum(tf.gather(x, [[0, 1], [2, 3]], axis=3), -1))
    with pytest.raises(NotApplicable, match="nothing tells where"):
        ex.GradCAM().bind(classifier((16, 16, 3), lambda i: gathered(conv(4, 3)(i))))
