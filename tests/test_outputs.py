"""What can be explained besides a class logit: by hand, through explainers, in a study."""

import numpy as np
import pytest

import saliency_bench as sb
from saliency_bench import explainers as ex
from saliency_bench import network, outputs

pytestmark = pytest.mark.usefixtures("seeded")

IMAGES = np.random.default_rng(1).normal(size=(4, 6, 6, 2)).astype(np.float32)
TARGETS = np.array([0, 1, 2, 1])


@pytest.fixture(scope="module")
def heads():
    """A convolution; behind it a softmax of 3, an age, and a segmentation into 3 classes."""
    import keras

    layers = keras.layers
    images = keras.Input((6, 6, 2))
    features = layers.Conv2D(4, 3, padding="same", activation="relu", name="features")(images)
    pooled = layers.GlobalAveragePooling2D(name="pooled")(features)
    ends = {
        "kind": layers.Dense(3, activation="softmax", name="kind")(pooled),
        "age": layers.Dense(1, name="age")(pooled),
        "parts": layers.Conv2D(3, 1, activation="softmax", name="parts")(features),
    }
    return keras.Model(images, ends)


def scores(model, output):
    return network.Kernel(model, lambda traced: traced.scores, output)(IMAGES)


def values(model, layer):
    import keras

    return keras.Model(model.input, model.get_layer(layer).input)(IMAGES).numpy()


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_logits_of_a_head_are_found_behind_its_softmax(heads):
    kernel, bias = heads.get_layer("kind").get_weights()
    close(scores(heads, outputs.Logits("kind")), values(heads, "kind") @ kernel + bias)


def test_values_of_a_head_are_its_own(heads):
    close(scores(heads, outputs.Values("age")), heads(IMAGES)["age"])
    close(scores(heads, outputs.Values("kind")), heads(IMAGES)["kind"])


def test_heads_may_have_places_instead_of_names(heads):
    import keras

    ends = heads(heads.input)
    listed = keras.Model(heads.input, [ends["kind"], ends["age"]])
    close(scores(listed, outputs.Values(1)), heads(IMAGES)["age"])


def test_a_region_is_the_sum_of_its_logits(heads):
    kernel, bias = heads.get_layer("parts").get_weights()
    places = values(heads, "parts") @ kernel[0, 0] + bias
    box = outputs.Region(top=1, left=2, height=3, head="parts")
    close(scores(heads, box), places[:, 1:4, 2:].sum(axis=(1, 2)))
    close(scores(heads, outputs.Region(head="parts")), places.sum(axis=(1, 2)))


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_a_segmentation_with_one_channel_has_two_classes(heads, activation):
    import keras

    layer = keras.layers.Conv2D(1, 1, activation=activation)
    binary = keras.Model(heads.input, layer(heads.get_layer("features").output))
    kernel, bias = layer.get_weights()
    z = (values(heads, "parts") @ kernel[0, 0] + bias).sum(axis=(1, 2))
    close(scores(binary, outputs.Region()), np.hstack([-z, z]))


def test_a_regions_gradient_stays_where_the_network_looks(heads):
    """A 3x3 convolution sees one pixel further than the region."""
    box = outputs.Region(top=4, left=4, head="parts")
    maps = ex.Gradient(output=box)(heads, IMAGES, TARGETS)
    assert not maps[:, :3].any()
    assert not maps[:, :, :3].any()
    assert maps[:, 3:, 3:].any()


def test_random_functionals_are_the_same_sums_for_every_network(heads):
    output = outputs.RandomFunctional("pooled", count=2, seed=3)
    pooled = values(heads, "kind")
    weights, *_ = np.linalg.lstsq(pooled, scores(heads, output), rcond=None)
    values_now = [variable.numpy() * 0.5 for variable in heads.variables]
    with network.swapped(heads, heads.variables, values_now):
        close(scores(heads, output), values(heads, "kind") @ weights)
    assert not np.allclose(weights[:, 0], weights[:, 1])
    other = scores(heads, outputs.RandomFunctional("pooled", count=2, seed=4))
    assert not np.allclose(other, scores(heads, output))


def test_any_function_of_the_output_is_one(heads):
    def old_minus_young(output):
        return output.head("age")[:, 0] - output.layer("pooled")[:, 1]

    expected = heads(IMAGES)["age"].numpy()[:, 0] - values(heads, "kind")[:, 1]
    close(scores(heads, old_minus_young)[:, 0], expected)
    gradient = ex.Gradient(output=old_minus_young)(heads, IMAGES, np.zeros(4, int))
    assert gradient.any()


@pytest.mark.parametrize(
    "explainer",
    [
        ex.GradientInput(output=outputs.Values("age")),
        ex.IntegratedGradients(steps=2, output=outputs.Values("age")),
        ex.GradCAM(relu=False, output=outputs.Values("age")),
        ex.Occlusion(output=outputs.Values("age")),
        ex.LRP(output=outputs.Values("age")),
        ex.DeepLIFT(output=outputs.Values("age")),
    ],
)
def test_explainers_of_every_family_take_one(heads, explainer):
    maps = explainer(heads, IMAGES, np.zeros(4, int))
    assert maps.shape[:3] == (4, 6, 6)
    assert maps.any()


def test_one_sigmoid_has_two_classes(heads):
    import keras

    pooled = heads.get_layer("kind").input
    end = keras.layers.Dense(1, activation="sigmoid")
    model = keras.Model(heads.input, end(pooled))
    first, second = (ex.Gradient()(model, IMAGES, np.full(4, target)) for target in (0, 1))
    np.testing.assert_array_equal(first, -second)
    assert first.any()


# ---------------------------------------------------------------- in a study


def test_a_study_of_a_regression_has_no_accuracy(heads):
    def age(output):
        return output.head("age")

    results = sb.evaluate(
        heads, np.tile(IMAGES, (4, 1, 1, 1)), None,
        explainers={"gradient": ex.Gradient(output=age)},
        checks=[sb.checks.ParameterRandomization(exclude=("kind", "parts"))],
        options=sb.Options(output=age, draws=3),
    )  # fmt: skip
    assert results.networks["accuracy"].isna().all()
    own = results.scores.query("explainer == 'gradient' and similarity == 'spearman_signed'")
    assert set(own["status"]) == {"ok"}


def test_a_model_of_several_outputs_is_told_what_it_lacks(heads):
    with pytest.raises(ValueError, match="a target output must say what is explained"):
        sb.evaluate(heads, IMAGES, None, explainers={"gradient": ex.Gradient()})


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (outputs.Values("agee"), "head must be one of kind, age, parts; got 'agee'"),
        (outputs.Values(), "head must be one of kind, age, parts; got None"),
        (outputs.Values("parts"), r"must return floats \[N\] or \[N, K\]; .* returns \(None, 6, 6"),
        (outputs.Region(head="kind"), r"a region needs an output \[N, H, W, K\]; got \(None, 3\)"),
        (outputs.Region(top=4, height=3, head="parts"), "within 6 rows; got 4 to 7"),
        (outputs.RandomFunctional("poled"), r"layer must be .* \(pooled\); got 'poled'"),
    ],
)
def test_wrong_target_outputs_are_one_line(heads, output, message):
    with pytest.raises(ValueError, match=message) as refusal:
        scores(heads, output)
    assert "\n" not in str(refusal.value)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="height must be at least 1; got 0"):
        outputs.Region(height=0)
    with pytest.raises(ValueError, match="count must be at least 1; got 0"):
        outputs.RandomFunctional("pooled", count=0)
