"""Property tests of explainers on models of other shapes, and requests that are refused."""

import numpy as np
import pytest

from saliency_bench import explainers as ex
from saliency_bench.properties import check_explainer
from saliency_bench.protocols import NotApplicable


def ending_in(*end, start=None):
    """A model of the images that ends in some layers."""
    import keras

    start = start or [keras.layers.Flatten()]
    return keras.Sequential([keras.Input((12, 12, 2)), *start, *end])


def statuses(explainer, model, images, targets):
    table = check_explainer(explainer, model, images, targets)
    return table.set_index("property")["status"].to_dict()


def untestable(explainer, model, images, targets):
    found = statuses(explainer, model, images, targets)
    assert "broken" not in found.values()
    return {name for name, status in found.items() if status == "not_testable"}


def test_models_whose_scores_are_made_otherwise_cannot_show_some(images, targets):
    from keras import layers

    scored = {"shift_invariance", "linearity"}
    unbiased = ending_in(layers.Dense(3, use_bias=False))
    assert untestable(ex.Gradient(), unbiased, images, targets) == scored
    squared = ending_in(layers.Dense(3), layers.Lambda(lambda scores: scores**2))
    assert untestable(ex.Gradient(), squared, images, targets) == scored
    assert untestable(ex.Gradient(output="probability"), unbiased, images, targets) == scored


def test_noise_leaves_no_trace_where_scores_are_linear(images, targets):
    from keras import layers

    noisy = ex.SmoothGrad(ex.Gradient(), samples=2)
    assert untestable(noisy, ending_in(layers.Dense(3)), images, targets) == {"noise"}


def test_a_wrapper_explains_what_its_base_explains(functional, images, targets):
    noisy = ex.SmoothGrad(ex.Gradient(output="probability"), samples=2)
    assert untestable(noisy, functional, images, targets) == {"shift_invariance", "linearity"}


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_one_unit_has_two_classes_but_no_sum_of_logits(activation, images, targets):
    from keras import layers

    binary = ending_in(layers.Dense(1, activation=activation))
    assert untestable(ex.Gradient(), binary, images, targets % 2) == {"linearity"}


def test_a_network_without_a_dense_layer_shows_all(images, targets):
    from keras import layers

    convolved = ending_in(layers.GlobalAveragePooling2D(), start=[layers.Conv2D(3, 3)])
    assert untestable(ex.Gradient(), convolved, images, targets) == set()


def of_the_first_head(model, images, targets):
    import tensorflow as tf

    values = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(values)
        scores = tf.gather(model(values, training=False)[0], targets, batch_dims=1)
    return tape.gradient(scores, values).numpy()


def test_a_function_may_explain_an_output_that_it_alone_knows(functional, images, targets):
    import keras

    two = keras.Model(functional.input, [functional.output, functional.get_layer("head").output])
    assert untestable(of_the_first_head, two, images, targets) == {
        "class_specific",
        "shift_invariance",
    }
    with pytest.raises(ValueError, match="must end in one output"):
        check_explainer(ex.Gradient(), two, images, targets)


def test_wrong_requests_are_refused(functional, images, targets):
    with pytest.raises(ValueError, match="images must be at least 2; got 1"):
        check_explainer(ex.Gradient(), functional, images[:1], targets[:1])
    with pytest.raises(ValueError, match="targets must be 5 integers"):
        check_explainer(ex.Gradient(), functional, images, targets[:2])
    with pytest.raises(ValueError, match=r"targets must lie in 0\.\.2; got 7"):
        check_explainer(lambda *_: images, functional, images, targets + 5)
    with pytest.raises(ValueError, match="layer must be"):
        check_explainer(ex.GradCAM(layer="unknown"), functional, images, targets)
    from keras import layers

    with pytest.raises(NotApplicable, match="no layer"):
        check_explainer(ex.GradCAM(), ending_in(layers.Dense(3)), images, targets)


def test_the_model_comes_back_as_it_was(fresh_model_of, images, targets):
    model = fresh_model_of("subclassed")
    before = [variable.numpy().copy() for variable in model.variables]
    check_explainer(ex.DeepLIFT(), model, images, targets)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
