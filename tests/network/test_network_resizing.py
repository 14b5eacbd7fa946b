"""The same network at another picture size."""

import keras
import numpy as np
import pytest

from saliency_bench import explainers, network

layers = keras.layers
SMALL, LARGE = (16, 16, 3), (40, 32, 3)


def trunk():
    return [
        layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.Conv2D(5, 3, activation="relu"),
    ]


def sequential(shape):
    return keras.Sequential(
        [keras.Input(shape), *trunk(), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    )


def residual(shape):
    pixels = keras.Input(shape)
    hidden = layers.Conv2D(6, 3, padding="same")(pixels)
    other = layers.DepthwiseConv2D(3, padding="same")(hidden)
    hidden = keras.ops.relu(layers.Add()([hidden, other]))
    hidden = layers.Concatenate()(
        [layers.MaxPooling2D()(hidden), layers.AveragePooling2D(2)(other)]
    )
    return keras.Model(pixels, layers.Dense(3)(layers.GlobalMaxPooling2D()(hidden)))


def nested(shape):
    inner = keras.Input(shape)
    hidden = inner
    for layer in trunk():
        hidden = layer(hidden)
    backbone = keras.Model(inner, hidden, name="backbone")
    head = keras.Sequential([layers.GlobalAveragePooling2D(), layers.Dense(3)], name="head")
    pixels = keras.Input(shape)
    middle = keras.Model(pixels, head(backbone(layers.Rescaling(0.5)(pixels))), name="middle")
    pixels = keras.Input(shape)
    return keras.Model(pixels, layers.Softmax()(middle(pixels)))


def one_by_one(shape):
    """A classifier of convolutions, as MobileNet's: pooled to 1x1 before, reshaped behind."""
    pooled = layers.GlobalAveragePooling2D(keepdims=True)
    end = [layers.Conv2D(3, 1), layers.Reshape((3,)), layers.Softmax()]
    return keras.Sequential([keras.Input(shape), *trunk(), pooled, *end])


KINDS = [sequential, residual, nested, one_by_one]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_it_is_the_network_that_is_built_for_that_size(kind):
    """A network built for the larger pictures, with the same weights, is the reference."""
    rng = np.random.default_rng(0)
    model, reference = kind(SMALL), kind(LARGE)
    model.set_weights([rng.uniform(0.1, 1, w.shape) for w in model.get_weights()])
    reference.set_weights(model.get_weights())
    images = rng.normal(size=(4, *LARGE)).astype(np.float32)
    found = network.resized(model, LARGE)
    assert found.input_shape == (None, *LARGE)
    np.testing.assert_array_equal(found(images), reference(images))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_weights_are_shared_in_their_order_and_the_model_stays_as_it_was(kind):
    model = kind(SMALL)
    described, images = model.to_json(), np.ones((1, *SMALL), np.float32)
    before = model(images).numpy()
    found = network.resized(model, LARGE)
    assert list(map(id, found.variables)) == list(map(id, model.variables))
    assert model.to_json() == described
    assert model.input_shape == (None, *SMALL)
    np.testing.assert_array_equal(model(images), before)
    larger = np.random.default_rng(1).normal(size=(2, *LARGE)).astype(np.float32)
    scores = found(larger).numpy()
    model.variables[0].assign(np.zeros(model.variables[0].shape))
    assert not np.array_equal(found(larger), scores)


@pytest.mark.parametrize("kind", [keras.applications.MobileNet, keras.applications.ResNet50])
def test_published_networks_keep_the_order_of_their_weights(kind):
    """`resized` refuses any other order; another picture size is also taken without the top."""
    model = kind(weights=None, include_top=True, input_shape=(32, 32, 3), classes=3)
    assert network.resized(model, (64, 64, 3)).output_shape == (None, 3)


def test_a_constant_picture_scores_what_a_small_one_scores():
    """Without padding and behind a mean over the picture, the size cannot count."""
    model = keras.Sequential([
        keras.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(),
        layers.Dense(2),
    ])  # fmt: skip
    model.set_weights([np.full(w.shape, 0.1) for w in model.get_weights()])
    found = network.resized(model, (16, 16, 1))
    small, large = (np.full((1, side, side, 1), 0.7, np.float32) for side in (8, 16))
    np.testing.assert_allclose(found(large), model(small), rtol=1e-5)


def test_explainers_and_a_network_take_it():
    model = network.resized(nested(SMALL), LARGE)
    images = np.random.default_rng(0).normal(size=(2, *LARGE)).astype(np.float32)
    targets = np.array([0, 2])
    assert explainers.Gradient()(model, images, targets).shape == images.shape
    assert explainers.GradCAM()(model, images, targets).shape == (2, 40, 32, 1)
    assert network.KerasNetwork(model).outputs(images).shape == (2, 3)


def test_a_model_that_takes_the_size_is_returned_as_it_is():
    model = sequential((None, None, 3))
    assert network.resized(model, LARGE) is model
    assert network.resized(model, SMALL) is model


def test_a_compiled_model_with_a_loss_of_ones_own_is_resized():
    model = residual(SMALL)
    model.compile(loss=lambda true, found: keras.ops.mean(found))
    assert network.resized(model, LARGE).input_shape == (None, *LARGE)


def test_a_model_that_shares_a_nested_model_is_resized():
    inner = sequential(SMALL)
    pixels = keras.Input(SMALL)
    twice = layers.Add()([inner(pixels), inner(layers.Rescaling(2.0)(pixels))])
    model = keras.Model(pixels, twice)
    images = np.random.default_rng(0).normal(size=(2, *LARGE)).astype(np.float32)
    alone = network.resized(inner, LARGE)
    found = network.resized(model, LARGE)(images)
    np.testing.assert_allclose(found, alone(images) + alone(2 * images), rtol=1e-5)


class Own(keras.Model):
    def __init__(self, *parts):
        super().__init__()
        self.parts = list(parts)

    def call(self, images, training=None):
        for part in self.parts:
            images = part(images)
        return images


def test_a_class_of_ones_own_that_takes_any_size_is_returned_as_it_is():
    model = Own(layers.Conv2D(2, 3), layers.GlobalAveragePooling2D(), layers.Dense(2))
    model(np.zeros((1, *SMALL), np.float32))
    assert network.resized(model, LARGE) is model


def fixed(*end):
    return keras.Sequential([keras.Input(SMALL), layers.Conv2D(2, 3), *end])


def inside(model):
    pixels = keras.Input(SMALL)
    return keras.Model(pixels, model(layers.Rescaling(2.0)(pixels)))


class Functional(keras.Model):
    """A functional model with a call of its own."""

    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=training, mask=mask)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: fixed(layers.Flatten(), layers.Dense(3, name="head")),
            "its layer 'head' has a fixed size",
        ),
        (
            lambda: inside(fixed(layers.Flatten(), layers.Dense(3, name="head"))),
            "its layer 'head' has a fixed size",
        ),
        (lambda: fixed(layers.Reshape((14, 28), name="tokens")), "its layer 'tokens' has a fixed"),
        (
            lambda: keras.Sequential(
                [
                    keras.Input(SMALL),
                    layers.Lambda(lambda x: keras.ops.reshape(x, (-1, 768))),
                ]
            ),
            "of 2 pictures it returns 10 rows",
        ),
    ],
)
def test_a_layer_of_fixed_size_is_named_in_one_line(make, said):
    with pytest.raises(ValueError, match="cannot take pictures of 40x32x3: ") as refused:
        network.resized(make(), LARGE)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_classes_of_ones_own_that_cannot_be_resized_are_refused():
    model = Own(layers.Flatten(), layers.Dense(2))
    model(np.zeros((1, *SMALL), np.float32))
    with pytest.raises(ValueError, match=r"cannot take pictures of 40x32x3: [^\n]*$"):
        network.resized(model, LARGE)
    pixels = keras.Input(SMALL)
    model = Functional(pixels, layers.Dense(2)(layers.GlobalAveragePooling2D()(pixels)))
    with pytest.raises(ValueError, match="is a class of its own with a fixed input"):
        network.resized(model, LARGE)


def test_pictures_of_other_channels_are_refused():
    with pytest.raises(ValueError, match="cannot take pictures of 40x32x1: its layer 'conv2d"):
        network.resized(sequential(SMALL), (40, 32, 1))
