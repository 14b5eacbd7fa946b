"""New weights: never the network's own first ones, and one random stream per key."""

import numpy as np
import pytest

from saliency_bench.randomize import POLICIES, image_keys, other_keys, redraw, stream

pytestmark = pytest.mark.usefixtures("seeded")


def dense(units=60, inputs=80, **settings):
    """One dense layer with enough weights to speak of a distribution."""
    import keras

    return keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(units, **settings)])


def kernel_of(model, **key):
    return redraw(model, model.variables[:1], **{"seed": 0, **key})[0]


def correlation(a, b):
    return np.corrcoef(np.ravel(a), np.ravel(b))[0, 1]


# ---------------------------------------------------------------- streams


def test_a_stream_is_named_by_its_key():
    first = stream("weights", 0, 1).random(4)
    np.testing.assert_array_equal(stream("weights", 0, 1).random(4), first)
    np.testing.assert_array_equal(stream("weights", np.int64(0), np.int32(1)).random(4), first)
    for other in (("noise", 0, 1), ("weights", 1, 1), ("weights", 0, 2), ("weights", 1, 0)):
        assert not np.array_equal(stream(*other).random(4), first)


def test_image_keys_are_of_the_image_alone():
    images = np.random.default_rng(0).random((4, 3, 3, 1)).astype(np.float32)
    images[3] = images[0]
    keys = image_keys(images)
    assert keys[3] == keys[0]
    assert len(set(keys)) == 3
    np.testing.assert_array_equal(image_keys(images[[2, 0]]), keys[[2, 0]])
    np.testing.assert_array_equal(image_keys(np.asfortranarray(images)), keys)


def test_other_keys_differ_and_repeat():
    keys = np.array([1, 2, -3])
    assert not set(other_keys(keys, "repeat")) & set(keys)
    np.testing.assert_array_equal(other_keys(keys, "repeat"), other_keys(keys, "repeat"))
    assert not np.array_equal(other_keys(keys, "repeat"), other_keys(keys, "twin"))


# ---------------------------------------------------------------- the seed clash


@pytest.mark.parametrize("trained", [False, True])
def test_redrawn_weights_are_not_the_first_ones(trained):
    """Keras initialisers are stateless: the same seed must not bring the initial weights back."""
    import keras

    seed = 3
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            keras.layers.Conv2D(16, 5, name="first"),
            keras.layers.Conv2D(16, 3, kernel_initializer="he_normal", name="second"),
            keras.layers.Flatten(),
            keras.layers.Dense(24, kernel_initializer="orthogonal", name="head"),
        ]
    )
    kernels = [v for v in model.variables if v.name == "kernel"]
    initial = [kernel.numpy() for kernel in kernels]
    if trained:
        model.compile("sgd", "mse")
        rng = np.random.default_rng(0)
        model.fit(rng.random((8, 8, 8, 2)), rng.random((8, 24)), verbose=0)
    for draw in range(2):
        for before, after in zip(
            initial, redraw(model, kernels, seed=seed, draw=draw), strict=True
        ):
            assert abs(correlation(before, after)) < 0.1


def test_an_integer_seeded_initialiser_does_not_repeat_itself():
    import keras

    model = dense(kernel_initializer=keras.initializers.RandomNormal(seed=0))
    before = model.variables[0].numpy()
    assert abs(correlation(before, kernel_of(model))) < 0.1
    assert abs(correlation(kernel_of(model), kernel_of(model, draw=1))) < 0.1


@pytest.mark.parametrize("policy", POLICIES)
def test_layers_of_equal_shape_get_different_values(policy):
    import keras

    shared = keras.initializers.RandomNormal(seed=0)
    layers = [keras.layers.Dense(30, kernel_initializer=shared) for _ in range(2)]
    model = keras.Sequential([keras.Input((30,)), *layers])
    kernels = [layer.kernel for layer in layers]
    first, second = redraw(model, kernels, seed=0, policy=policy)
    assert abs(correlation(first, second)) < 0.1


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize("policy", POLICIES)
def test_values_are_named_by_seed_draw_and_stage(policy):
    model = dense()
    first = kernel_of(model, policy=policy)
    np.testing.assert_array_equal(kernel_of(model, policy=policy), first)
    for key in ({"seed": 1}, {"draw": 1}, {"stage": 1}):
        assert not np.array_equal(kernel_of(model, policy=policy, **key), first)


def test_values_do_not_depend_on_what_is_redrawn_beside_them(functional):
    variables = functional.variables
    together = redraw(functional, variables, seed=0)
    for position, variable in enumerate(variables):
        (alone,) = redraw(functional, [variable], seed=0)
        np.testing.assert_array_equal(alone, together[position])


def test_redrawing_leaves_global_random_states_alone(functional):
    import random

    import keras
    import tensorflow as tf

    def draws():
        drawn = random.random(), np.random.random(), float(tf.random.uniform([]))  # noqa: NPY002
        return *drawn, float(keras.random.uniform([]))

    keras.utils.set_random_seed(0)
    undisturbed = draws()
    keras.utils.set_random_seed(0)
    redraw(functional, functional.variables, seed=0)
    assert draws() == undisturbed


# ---------------------------------------------------------------- policies


def test_truncated_normal_is_the_papers():
    drawn = kernel_of(dense(), policy="truncated_normal")
    assert np.abs(drawn).max() <= 0.02
    # A unit normal cut off at two has a standard deviation of 0.88.
    assert drawn.std() == pytest.approx(0.0088, rel=0.05)
    assert abs(drawn.mean()) < 0.0005


def test_normal_has_the_papers_spread():
    drawn = kernel_of(dense(), policy="normal")
    assert drawn.std() == pytest.approx(0.01, rel=0.05)
    assert np.abs(drawn).max() > 0.02


def test_permuting_keeps_all_values_and_is_no_identity(model):
    trained = model.trainable_variables
    redrawn = redraw(model, trained, seed=0, policy="permute")
    for variable, values in zip(trained, redrawn, strict=True):
        np.testing.assert_array_equal(np.sort(values, axis=None), np.sort(variable, axis=None))
        assert not np.array_equal(values, variable.numpy())


def test_permuting_reaches_1x1_convolutions():
    import keras

    model = keras.Sequential([keras.Input((4, 4, 6)), keras.layers.Conv2D(5, 1)])
    kernel = model.variables[0].numpy()
    permuted = kernel_of(model, policy="permute")
    assert np.mean(permuted != kernel) > 0.8
    # Within an output channel the values are others: not one axis alone is shuffled.
    assert not np.array_equal(np.sort(permuted[0, 0], axis=0), np.sort(kernel[0, 0], axis=0))


def test_two_values_change_places_in_every_draw():
    model = dense(2, 1, use_bias=False)
    first, second = model.variables[0].numpy()[0]
    for draw in range(8):
        assert kernel_of(model, draw=draw, policy="permute").tolist() == [[second, first]]


def test_permuting_a_constant_is_itself():
    model = dense()
    (bias,) = redraw(model, model.variables[1:], seed=0, policy="permute")
    assert not bias.any()


@pytest.mark.parametrize("policy", POLICIES)
def test_statistics_start_afresh(functional, policy):
    norm = functional.get_layer("norm")
    mean, variance = redraw(
        functional, [norm.moving_mean, norm.moving_variance], seed=0, policy=policy
    )
    assert not mean.any()
    assert (variance == 1).all()


def test_gamma_and_beta_get_their_initialisers(functional):
    norm = functional.get_layer("norm")
    gamma, beta = redraw(functional, [norm.gamma, norm.beta], seed=0)
    assert (gamma == 1).all()
    assert not beta.any()


def test_unknown_policies_and_foreign_variables_are_refused(functional):
    with pytest.raises(ValueError, match=r"policy must be one of initializer, .*'shuffle'"):
        redraw(functional, functional.variables, seed=0, policy="shuffle")
    with pytest.raises(ValueError, match="variables must belong to the model"):
        redraw(functional, dense().variables, seed=0)
