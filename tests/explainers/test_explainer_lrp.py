"""LRP against its formula, part by part, on matrices; and what it keeps, absorbs and refuses."""

from functools import cache

import numpy as np
import pytest
from helpers.lazily import layers

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.protocols import NotApplicable

pytestmark = pytest.mark.usefixtures("seeded")

SIDE, CHANNELS, CLASSES = 6, 2, 3
TARGETS = np.array([0, 1, 2, 1])
LOW, HIGH = -3.0, 3.5
RULES = {
    "epsilon": {"epsilon": 0.01},
    "gamma": {"gamma": 0.5},
    "z_plus": {},
    "alpha_beta": {"alpha": 3.0},
    "w_square": {},
    "flat": {},
}


def images():
    rng = np.random.default_rng(5)
    return np.clip(rng.normal(size=(4, SIDE, SIDE, CHANNELS)), LOW, HIGH).astype(np.float32)


def randomized(model):
    """The model, with every weight, bias and statistic drawn anew."""
    rng = np.random.default_rng(6)
    for variable in model.variables:
        positive = "variance" in variable.path or "gamma" in variable.path
        draw = (
            rng.uniform(0.5, 1.5, variable.shape)
            if positive
            else rng.normal(0, 0.4, variable.shape)
        )
        variable.assign(draw)
    return model


FRONTS = {
    "conv": lambda: [layers.Conv2D(3, 3, padding="same")],
    "strides": lambda: [layers.Conv2D(3, 3, strides=2)],
    "padded": lambda: [layers.ZeroPadding2D(), layers.Conv2D(3, 3)],
    "norm behind": lambda: [layers.Conv2D(3, 3), layers.BatchNormalization()],
    "norm before": lambda: [layers.BatchNormalization(), layers.Conv2D(3, 3, padding="same")],
    "scaled, padded": lambda: [
        layers.Rescaling(2.0, -1.0),
        layers.ZeroPadding2D(),
        layers.Conv2D(3, 2),
    ],
    "depthwise": lambda: [
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        layers.BatchNormalization(),
    ],
    "transposed": lambda: [layers.Conv2DTranspose(3, 3), layers.BatchNormalization()],
    "dilated": lambda: [layers.Conv2D(3, 2, dilation_rate=2)],
    "groups": lambda: [layers.Conv2D(4, 3, groups=2), layers.BatchNormalization()],
    "dense over places": lambda: [layers.Dense(3)],
    "dense, norm": lambda: [layers.Dense(3), layers.BatchNormalization()],
}


def model_with(front):
    import keras

    layers = keras.layers
    stack = [*front, layers.ReLU(), layers.Flatten(), layers.Dense(CLASSES)]
    return randomized(keras.Sequential([keras.Input((SIDE, SIDE, CHANNELS)), *stack]))


def matrix_of(front):
    """The affine map of some layers, `[in, out]` and `[out]`: what they make of unit images."""
    size = SIDE * SIDE * CHANNELS
    hidden = np.vstack([np.zeros((1, size)), np.eye(size)]).astype(np.float32)
    hidden = hidden.reshape(-1, SIDE, SIDE, CHANNELS)
    for layer in front:
        hidden = np.asarray(layer(hidden, training=False))
    rows = hidden.reshape(len(hidden), -1).astype(np.float64)
    return rows[1:] - rows[0], rows[0]


def handed_back(values, weights, bias, relevance, rule):
    """Relevance `[N, in]` of what goes into one affine map: every part `a_i w_ij` written out."""
    name, settings = rule
    parts = values[:, :, None] * weights
    outputs = parts.sum(axis=1, keepdims=True) + bias
    up, down = np.maximum(parts, 0), np.minimum(parts, 0)
    gain = up.sum(axis=1, keepdims=True) + np.maximum(bias, 0)
    loss = down.sum(axis=1, keepdims=True) + np.minimum(bias, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        match name:
            case "epsilon":
                sign = np.where(outputs < 0, -1, 1)
                shares = parts / (outputs + settings["epsilon"] * sign)
            case "gamma":
                gamma = settings["gamma"]
                more, total = np.where(outputs < 0, down, up), np.where(outputs < 0, loss, gain)
                plain = (values >= 0).all()
                more, total = (up, gain) if plain else (more, total)
                shares = (parts + gamma * more) / (outputs + gamma * total)
            case "z_plus":
                shares = up / gain
            case "alpha_beta":
                alpha = np.where(loss == 0, 1, settings["alpha"])
                beta = np.where(gain == 0, -1, settings["alpha"] - 1)
                shares = np.where(gain > 0, alpha * up / gain, 0)
                shares -= np.where(loss < 0, beta * down / loss, 0)
            case "w_square":
                shares = weights**2 / (weights**2).sum(axis=0) + 0 * parts
            case "flat":
                shares = (weights != 0) / (weights != 0).sum(axis=0) + 0 * parts
            case "z_box":
                box = parts - LOW * np.maximum(weights, 0) - HIGH * np.minimum(weights, 0)
                shares = box / box.sum(axis=1, keepdims=True)
    return np.einsum("nij,nj->ni", np.nan_to_num(shares), relevance)


def by_hand(model, front, first, second, *, magnitude=True):
    """Relevance of the model's images: through its last layer, then through its first ones."""
    values = images().reshape(len(TARGETS), -1).astype(np.float64)
    weights, bias = matrix_of(front)
    hidden = np.maximum(values @ weights + bias, 0)
    head, shift = (np.float64(variable.numpy()) for variable in model.layers[-1].weights)
    scores = (hidden @ head + shift)[np.arange(len(TARGETS)), TARGETS]
    start = np.eye(CLASSES)[TARGETS] * (np.abs(scores) if magnitude else scores)[:, None]
    behind = handed_back(hidden, head, shift, start, second)
    return handed_back(values, weights, bias, behind, first).reshape(images().shape)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("front", FRONTS)
def test_every_rule_is_its_formula_for_every_kernel(front):
    fronts = FRONTS[front]()
    model = model_with(fronts)
    for rule in RULES.items():
        explainer = ex.LRP(rule[0], **rule[1])
        found = explainer(model, images(), TARGETS)
        close(found, by_hand(model, fronts, rule, rule, magnitude=rule[0] != "epsilon"))


@pytest.mark.parametrize("front", ["conv", "padded", "scaled, padded"])
def test_a_composite_has_a_rule_by_place(front):
    fronts = FRONTS[front]()
    model = model_with(fronts)
    explainer = ex.LRP("epsilon_gamma_box", epsilon=0.01, low=LOW, high=HIGH)
    expected = by_hand(model, fronts, ("z_box", {}), ("epsilon", {"epsilon": 0.01}))
    close(explainer(model, images(), TARGETS), expected)


def test_a_layers_name_or_pattern_is_a_place():
    from keras import layers

    front = [layers.Conv2D(3, 3, name="stem_conv")]
    model = model_with(front)
    places = {"stem*": "flat", "dense": "epsilon", "convolution": "z_plus", "input": "z_plus"}
    found = ex.LRP(places, epsilon=0.01)(model, images(), TARGETS)
    close(found, by_hand(model, front, ("flat", {}), ("epsilon", {"epsilon": 0.01})))


@pytest.fixture(scope="module")
def relevance(functional, images, targets):
    """That of the functional model by each rule, computed once."""
    return cache(lambda name: ex.LRP(name)(functional, images, targets))


@pytest.mark.parametrize("name", [*RULES, "epsilon_plus_flat"])
def test_kinds_of_models_have_the_same_relevance(name, model, images, targets, relevance):
    close(ex.LRP(name)(model, images, targets), relevance(name))


@pytest.mark.parametrize("explainer", [*map(ex.LRP, RULES), ex.DeepLIFT()], ids=repr)
def test_a_layer_that_runs_twice_a_free_size_and_half_precision(explainer):
    """The same map of images of any size, and nearly the same where a model computes in float16."""
    import keras

    layers = keras.layers

    def network_of(policy, shape):
        keras.mixed_precision.set_global_policy(policy)
        twice = layers.Conv2D(3, 3, padding="same", activation="relu")
        images = keras.Input(shape)
        hidden = twice(twice(layers.Conv2D(3, 3, padding="same")(images)))
        hidden = layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(hidden))
        model = keras.Model(images, layers.Dense(CLASSES, dtype="float32")(hidden))
        keras.mixed_precision.set_global_policy("float32")
        return randomized(model)

    fixed = network_of("float32", (SIDE, SIDE, CHANNELS))
    expected = explainer(fixed, images(), TARGETS)
    assert expected.any()
    close(explainer(network_of("float32", (None, None, CHANNELS)), images(), TARGETS), expected)
    halves = explainer(network_of("mixed_float16", (SIDE, SIDE, CHANNELS)), images(), TARGETS)
    assert halves.dtype == np.float32
    assert np.abs(halves - expected).mean() < 0.01 * np.abs(expected).max()


# ---------------------------------------------------------------- what is kept


def without_bias():
    """A network with everything that hands relevance on, and no bias."""
    import keras

    layers = keras.layers
    norm = {"center": False, "moving_mean_initializer": "zeros"}
    images = hidden = keras.Input((12, 12, 2))
    hidden = layers.ZeroPadding2D()(hidden)
    hidden = layers.Conv2D(4, 3, use_bias=False)(hidden)
    hidden = layers.ReLU()(layers.BatchNormalization(**norm)(hidden))
    branch = layers.Conv2D(4, 3, padding="same", use_bias=False)(hidden)
    hidden = layers.ReLU()(layers.Add()([hidden, layers.BatchNormalization(**norm)(branch)]))
    hidden = layers.MaxPooling2D()(hidden)
    hidden = layers.DepthwiseConv2D(3, use_bias=False)(hidden)
    hidden = layers.Conv2D(6, 1, use_bias=False, activation="relu6")(hidden)
    hidden = layers.AveragePooling2D(2)(layers.Concatenate()([hidden, hidden]))
    hidden = layers.BatchNormalization(**norm)(layers.UpSampling2D()(hidden))
    hidden = layers.GlobalAveragePooling2D()(layers.LeakyReLU()(hidden))
    return keras.Model(images, layers.Dense(3, use_bias=False, activation="softmax")(hidden))


@pytest.fixture(scope="module")
def unbiased():
    import keras

    keras.utils.set_random_seed(0)
    return without_bias()


@pytest.fixture(scope="module")
def scores(unbiased, images, targets):
    return network.target_score(unbiased)(images, targets)


def test_with_epsilon_0_and_no_bias_it_is_gradient_times_input(unbiased, images, targets):
    found = ex.LRP(epsilon=0.0)(unbiased, images, targets)
    close(found, ex.GradientInput()(unbiased, images, targets))


def test_without_bias_epsilons_relevance_sums_to_the_logit(unbiased, images, targets, scores):
    assert scores.min() < 0 < scores.max()
    found = ex.LRP(epsilon=1e-12)(unbiased, images, targets).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(found, scores, rtol=1e-4)


@pytest.mark.parametrize(
    "name",
    ["gamma", "z_plus", "alpha_beta", "w_square", "flat", "epsilon_plus_flat", "deep_taylor"],
)
def test_without_bias_other_rules_sum_to_its_magnitude(name, unbiased, images, targets, scores):
    explainer = ex.LRP(name, epsilon=1e-12, low=-5.0, high=5.0)
    maps = explainer(unbiased, images, targets)
    np.testing.assert_allclose(maps.sum(axis=(1, 2, 3)), np.abs(scores), rtol=1e-3)
    assert explainer.signed == (maps.min() < 0)


def test_epsilon_absorbs(unbiased, images, targets, scores):
    sums = [
        np.abs(ex.LRP(epsilon=epsilon)(unbiased, images, targets).sum(axis=(1, 2, 3)))
        for epsilon in (1e-9, 1e-2, 1.0)
    ]
    assert (sums[0] <= np.abs(scores) * 1.0001).all()
    assert (sums[1] < sums[0]).all()
    assert (sums[2] < sums[1]).all()


def test_z_plus_forgets_the_class_as_it_goes_back_and_epsilon_does_not(unbiased, images, targets):
    """The backward pass with positive weights alone converges (Sixt et al., 2020)."""

    def alike(explainer):
        maps = [explainer(unbiased, images, t) for t in (targets, (targets + 1) % 3)]
        return [np.corrcoef(np.ravel(a), np.ravel(b))[0, 1] for a, b in zip(*maps, strict=True)]

    assert np.mean(alike(ex.LRP("z_plus"))) > 0.85
    assert np.mean(alike(ex.LRP("epsilon"))) < 0.5


# ---------------------------------------------------------------- what is refused


def refused(end):
    import keras

    layers = keras.layers
    images = keras.Input((SIDE, SIDE, CHANNELS))
    hidden = layers.Conv2D(2, 3, name="stem")(images)
    return keras.Model(images, layers.Dense(CLASSES)(layers.Flatten()(end(hidden))))


def test_a_layer_without_a_rule_is_named():
    import keras

    layers = keras.layers

    def gated(hidden):
        gate = layers.GlobalAveragePooling2D(keepdims=True)(hidden)
        return layers.Multiply(name="gate")([hidden, gate])

    with pytest.raises(NotApplicable, match=r"Multiply with Mul of two tensors .*'gate'"):
        ex.LRP().bind(refused(gated))
    odd = refused(layers.Lambda(keras.ops.sin, name="odd"))
    with pytest.raises(NotApplicable, match=r"Lambda has no rule \(layer 'odd'\)"):
        ex.LRP().bind(odd)
    with pytest.raises(NotApplicable, match="Activation with log_softmax has no rule"):
        ex.LRP().bind(refused(layers.Activation("log_softmax", name="logs")))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "eps"}, r"rule must be one of epsilon, gamma, .*; got 'eps'"),
        ({"rule": {"dense": "epsilon"}}, "rule must name a rule for convolution, input; got"),
        (
            {"rule": {"dense": "eps", "convolution": "flat", "input": "flat"}},
            "rule must give each place one of epsilon, .*; got 'eps'",
        ),
        ({"rule": "z_box"}, "z_box must be a rule for the input alone"),
        ({"rule": "deep_taylor"}, "low and high must be the smallest and the largest"),
        ({"rule": "deep_taylor", "low": 1.0, "high": 0.0}, "for the rule z_box; got 1.0 and 0.0"),
        ({"epsilon": -1.0}, "epsilon must be at least 0; got -1"),
        ({"gamma": -1.0}, "gamma must be at least 0; got -1"),
        ({"alpha": 0.5}, r"alpha must be at least 1; got 0\.5"),
    ],
)
def test_bad_settings_are_one_line(settings, message):
    with pytest.raises(ValueError, match=message) as refusal:
        ex.LRP(**settings)
    assert "\n" not in str(refusal.value)
