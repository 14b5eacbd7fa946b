"""Planted faults of explainers: each is caught by the name of the property that it breaks."""

import numpy as np
import pytest

from saliency_bench import explainers as ex
from saliency_bench.properties import BrokenProperty, check_explainer, require


def gradient_of(model, images, targets, *, logits=True):
    import tensorflow as tf

    end = model if not logits else _before_softmax(model)
    values = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(values)
        scores = tf.gather(end(values, training=False), targets, batch_dims=1)
    return tape.gradient(scores, values).numpy()


def _before_softmax(model):
    import keras

    return keras.Model(model.input, model.get_layer("head").output)


def broken(explainer, model, images, targets):
    table = check_explainer(explainer, model, images, targets)
    return set(table.loc[table["status"] == "broken", "property"])


def test_a_right_function_has_every_property(functional, images, targets):
    assert broken(gradient_of, functional, images, targets) == set()


def softmaxed(model, images, targets):
    return gradient_of(model, images, targets, logits=False)


def normalized_by_the_batch(model, images, targets):
    maps = gradient_of(model, images, targets)
    return maps / np.abs(maps).max()


def flattened(model, images, targets):
    return gradient_of(model, images, targets).reshape(len(images), -1)


def scaled_by_its_company(model, images, targets):
    """Only where the map is small: in units of all maps it hardly shows."""
    maps = gradient_of(model, images, targets)
    maps[1:2] *= 1e-6 * len(images)
    return maps


def not_finite(model, images, targets):
    return np.full(images.shape, np.nan, np.float32)


def of_the_image(model, images, targets):
    return images


def unasked_noise(model, images, targets):
    return gradient_of(model, images, targets) + np.random.normal()  # noqa: NPY002


def moved_weights(model, images, targets):
    maps = gradient_of(model, images, targets)
    model.variables[0].assign_add(np.full(model.variables[0].shape, 1e-3, np.float32))
    return maps


def written_images(model, images, targets):
    images *= 0.5
    return gradient_of(model, images, targets)


def seeds_tensorflow(model, images, targets):
    import tensorflow as tf

    tf.random.set_seed(716_253)
    return gradient_of(model, images, targets)


def crashes(model, images, targets):
    return images / int("one")


def crashes_alone(model, images, targets):
    return gradient_of(model, images, targets) / (len(images) - 1 or int("one"))


class Stale(ex.Method):
    """The weights at the time it was bound."""

    def bind(self, model):
        import keras

        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        return lambda images, targets, *, keys=None: gradient_of(copy, images, targets)


class CachedCopy(ex.Method):
    """The weights at the time it was first bound to anything."""

    def __init__(self):
        self.cache = []

    def bind(self, model):
        import keras

        if not self.cache:
            self.cache.append(keras.models.clone_model(model))
            self.cache[0].set_weights(model.get_weights())
        return lambda images, targets, *, keys=None: gradient_of(self.cache[0], images, targets)


class Unsigned(ex.Gradient):
    signed = False


class AnyClass(ex.Gradient):
    class_specific = False


class NoisySaid(ex.Gradient):
    stochastic = True


class Silent:
    """Says nothing of itself."""

    def bind(self, model):
        return ex.Gradient().bind(model)


class Lower(ex.Gradient):
    """Half a map, with every channel."""

    def bind(self, model):
        bound = super().bind(model)
        return lambda images, targets, *, keys=None: bound(images, targets)[:, :6]


class Barely(ex.Gradient):
    """Of any class: what the target adds is far below rounding."""

    def bind(self, model):
        bound = super().bind(model)

        def any_class(images, targets, *, keys=None):
            maps = bound(images, np.zeros_like(targets))
            return maps * (1 + np.float32(1e-6) * targets[:, None, None, None])

        return any_class


class Replacing(ex.Gradient):
    """Leaves its own activation behind; scores and weights are what they were."""

    def bind(self, model):
        import keras

        for layer in model.layers:
            if getattr(layer, "activation", None) is keras.activations.relu:
                layer.activation = keras.ops.relu
        return super().bind(model)


class TooLarge(ex.IntegratedGradients):
    """Its multiplier is a tenth too large."""

    def bind(self, model):
        bound = super().bind(model)
        return lambda images, targets, *, keys=None: np.float32(1.1) * bound(images, targets)


class Flat(ex.Gradient):
    def bind(self, model):
        bound = super().bind(model)
        return lambda images, targets, *, keys=None: bound(images, targets).sum(axis=-1)


class Incomplete(ex.DeepLIFT):
    """Without the baseline's part."""

    def reference(self, images):
        return np.full_like(images, 0.7)


class Absolute(ex.Gradient):
    """Said to be linear, and is not."""

    def bind(self, model):
        bound = super().bind(model)
        return lambda images, targets, *, keys=None: np.abs(bound(images, targets))


class Leaky(ex.LRP):
    """Hands back half."""

    def bind(self, model):
        bound = super().bind(model)
        return lambda images, targets, *, keys=None: bound(images, targets) / 2


class Smeared(ex.Gradient):
    """Each value is spread over its row: also over pixels that the network does not see."""

    axioms = frozenset({"noise", "weights", "confinement"})

    def bind(self, model):
        bound = super().bind(model)
        return lambda images, targets, *, keys=None: (
            bound(images, targets) + bound(images, targets).mean(axis=2, keepdims=True)
        )


class NearlyConfined(Smeared):
    """As `Smeared`, one pixel far, and it says so."""

    def reach(self, height, width):
        return 1.0

    def bind(self, model):
        bound = ex.Gradient().bind(model)

        def explain(images, targets, *, keys=None):
            maps = bound(images, targets)
            return maps + np.roll(maps, 1, axis=1) + np.roll(maps, -1, axis=2)

        return explain


class SaysItIsExact(NearlyConfined):
    reach = ex.Gradient.reach


ALONE = [
    ("confinement", Smeared()),
    ("runs", crashes),
    ("shape_and_type", Lower()),
    ("sign", Unsigned()),
    ("batch_independent", crashes_alone),
    ("leaves_model_alone", seeds_tensorflow),
    ("class_specific", AnyClass()),
    ("noise", NoisySaid()),
    ("shift_invariance", softmaxed),
    ("completeness", TooLarge()),
    ("conservation", Leaky()),
]
"""Faults that break one property and no other."""

AMONG = [
    ("declared_attributes", Silent()),
    ("shape_and_type", Flat()),
    ("shape_and_type", flattened),
    ("finite", not_finite),
    ("finite", ex.Function(not_finite)),
    ("batch_independent", normalized_by_the_batch),
    ("batch_independent", scaled_by_its_company),
    ("leaves_model_alone", unasked_noise),
    ("leaves_model_alone", written_images),
    ("seeded", unasked_noise),
    ("class_specific", Barely()),
    ("fresh_weights", Stale()),
    ("fresh_weights", CachedCopy()),
    ("weights", of_the_image),
    ("linearity", Absolute()),
    ("completeness", Incomplete()),
]


@pytest.mark.parametrize(("name", "fault"), ALONE)
def test_a_planted_fault_is_caught_by_name(name, fault, functional, images, targets):
    assert broken(fault, functional, images, targets) == {name}


@pytest.mark.parametrize(("name", "fault"), AMONG)
def test_a_fault_of_many_consequences_is_caught_by_name(name, fault, functional, images, targets):
    assert name in broken(fault, functional, images, targets)


def test_every_property_has_a_planted_fault(functional, images, targets):
    table = check_explainer(ex.Gradient(), functional, images, targets)
    assert set(table["property"]) == {name for name, _ in ALONE + AMONG}


def test_a_method_may_leak_as_far_as_it_says(functional, images, targets):
    assert statuses(NearlyConfined(), functional, images, targets)["confinement"] == "holds"
    assert statuses(SaysItIsExact(), functional, images, targets)["confinement"] == "broken"


def statuses(explainer, model, images, targets):
    table = check_explainer(explainer, model, images, targets).set_index("property")
    return table["status"].to_dict()


def test_a_map_that_never_depends_on_the_network_cannot_show_fresh_weights(
    functional, images, targets
):
    found = statuses(of_the_image, functional, images, targets)
    assert {name for name, status in found.items() if status == "broken"} == {
        "class_specific",
        "weights",
    }
    assert found["fresh_weights"] == "not_testable"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_maps_that_are_not_finite_say_nothing_else(functional, images, targets, value):
    found = statuses(lambda m, x, t: np.full(x.shape, value), functional, images, targets)
    held = {"runs", "declared_attributes", "shape_and_type", "leaves_model_alone", "seeded"}
    assert {name for name, status in found.items() if status == "holds"} == held
    assert {name for name, status in found.items() if status == "broken"} == {"finite"}


def test_maps_that_are_finite_on_this_network_only_do_not_show_that_weights_matter(
    functional, images, targets
):
    first = functional.variables[0].numpy().copy()

    def fragile(model, images, targets):
        same = np.array_equal(model.variables[0].numpy(), first)
        return gradient_of(model, images, targets) if same else np.full(images.shape, np.nan)

    found = statuses(fragile, functional, images, targets)
    unknown = {name for name, status in found.items() if status == "not_testable"}
    assert unknown == {"weights", "fresh_weights"}
    assert "broken" not in found.values()


def test_maps_that_are_not_finite_for_one_image_alone_are_those_of_a_batch(
    functional, images, targets
):
    def spread(model, images, targets):
        maps = gradient_of(model, images, targets)
        return maps / (np.inf if len(images) > 1 else np.nan)

    assert statuses(spread, functional, images, targets)["batch_independent"] == "broken"


@pytest.mark.parametrize(
    ("size", "status"),
    [((10, 10), "holds"), ((12, 12), "holds"), ((6, 12), "broken"), ((11, 11), "broken")],
)
def test_coarse_maps_have_the_size_of_a_feature_map(functional, images, targets, size, status):
    def coarse(model, images, targets):
        return gradient_of(model, images, targets)[:, : size[0], : size[1]].sum(axis=-1)

    assert statuses(coarse, functional, images, targets)["shape_and_type"] == status


def test_a_prediction_is_no_change(functional, images, targets):
    def predicting(model, images, targets):
        model.predict(images, verbose=0)
        return gradient_of(model, images, targets)

    assert broken(predicting, functional, images, targets) == set()


def test_weights_that_were_moved_are_caught_and_come_back(fresh_model_of, images, targets):
    model = fresh_model_of("functional")
    before = model.variables[0].numpy().copy()
    assert "leaves_model_alone" in broken(moved_weights, model, images, targets)
    np.testing.assert_array_equal(model.variables[0].numpy(), before)


def test_an_activation_that_stays_replaced_is_caught(fresh_model_of, images, targets):
    model = fresh_model_of("functional")
    assert broken(Replacing(), model, images, targets) == {"leaves_model_alone"}
    assert broken(gradient_of, model, images, targets) == set()  # it was put back


def test_a_constant_in_the_outputs_does_not_hide_what_is_incomplete(
    fresh_model_of, images, targets
):
    model = fresh_model_of("functional")
    model.get_layer("head").bias.assign(np.full(3, 200.0, np.float32))
    assert broken(TooLarge(), model, images, targets) == {"completeness"}
    assert broken(ex.IntegratedGradients(), model, images, targets) == set()


def test_what_an_explainer_raises_is_told(functional, images, targets):
    table = check_explainer(crashes_alone, functional, images, targets).set_index("property")
    assert table.loc["batch_independent", "status"] == "broken"
    assert "raised ValueError: invalid literal" in table.loc["batch_independent", "reason"]
    assert table.loc["finite", "status"] == "holds"


def test_an_explainer_that_does_not_run_is_told_once(functional, images, targets):
    with pytest.raises(BrokenProperty, match=r"^runs: raised ValueError: [^;]*$"):
        check_explainer(crashes, functional, images, targets, raises=True)


def test_a_broken_property_is_raised_when_asked(functional, images, targets):
    with pytest.raises(BrokenProperty, match=r"^sign: signed is False, the smallest value -"):
        check_explainer(Unsigned(), functional, images, targets, raises=True)
    table = check_explainer(ex.Gradient(), functional, images, targets, raises=True)
    require(table)
    assert list(table.columns) == ["property", "status", "deviation", "tolerance", "reason"]
    assert set(table["status"]) == {"holds", "not_claimed"}
