"""Adapters without the libraries: what is missing, wrong shapes, NaN, functions of one's own."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from saliency_bench import adapters
from saliency_bench import explainers as ex
from saliency_bench.network import ends_in_scores, swapped
from saliency_bench.properties import check_explainer
from saliency_bench.protocols import NotApplicable
from saliency_bench.randomize import redraw


def gradient(model, inputs, targets, scale=1.0):
    """In the style of Quantus: NumPy in, NumPy out."""
    import tensorflow as tf

    values = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(values)
        scores = tf.gather(model(values), targets, batch_dims=1)
    return scale * tape.gradient(scores, values).numpy()


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_other_code_gets_a_model_that_ends_in_logits(model, images, reference):
    scores = ends_in_scores(model)
    np.testing.assert_allclose(scores(images), reference["logits"], rtol=1e-4, atol=1e-5)
    assert scores.input_shape == (None, 12, 12, 2)
    assert scores.output_shape == (None, 3)


def test_its_weights_are_the_live_ones(fresh_model_of, images):
    model = fresh_model_of("nested")
    scores = ends_in_scores(model)
    before = scores(images).numpy()
    with swapped(model, model.variables, redraw(model, model.variables, seed=0)):
        now = scores(images).numpy()
        close(now, ends_in_scores(model)(images))
    assert not np.allclose(now, before)
    np.testing.assert_array_equal(scores(images), before)


def test_a_quantus_style_function_explains_the_logit(model, images, targets):
    found = adapters.QuantusStyle(gradient, settings={"scale": 2.0})(model, images, targets)
    np.testing.assert_allclose(
        found, 2 * ex.Gradient()(model, images, targets), rtol=1e-4, atol=1e-5
    )
    close(
        adapters.QuantusStyle(gradient, output="probability")(model, images, targets),
        ex.Gradient(output="probability")(model, images, targets),
    )


def test_it_has_the_properties(functional, images, targets):
    check_explainer(adapters.QuantusStyle(gradient), functional, images, targets, raises=True)


def test_maps_without_channels_get_one(functional, images, targets):
    explainer = adapters.QuantusStyle(lambda m, x, t: gradient(m, x, t).sum(axis=-1))
    assert explainer(functional, images, targets).shape == (5, 12, 12, 1)


@pytest.mark.parametrize(
    ("shape", "told"),
    [((5, 12), r"\(5, 12\)"), ((5, 6, 12, 2), r"\(5, 6, 12, 2\)"), ((5, 12, 12, 3), "12, 3")],
)
def test_maps_of_a_wrong_shape_are_one_line(functional, images, targets, shape, told):
    explainer = adapters.QuantusStyle(lambda m, x, t: np.zeros(shape))
    with pytest.raises(ValueError, match=rf"must return maps \(5, 12, 12\) .* got .*{told}"):
        explainer(functional, images, targets)


def with_nan(model, inputs, targets):
    maps = gradient(model, inputs, targets)
    maps[1, 0, 0, 0] = np.nan
    return maps


def test_maps_that_are_not_finite_are_one_line(functional, images, targets):
    with pytest.raises(ValueError, match="must return finite maps; that of image 1 is not"):
        adapters.QuantusStyle(with_nan)(functional, images, targets)


def test_the_maps_of_a_network_that_overflows_are_its_own(fresh_model_of, images, targets):
    model = fresh_model_of("functional")
    *_, kernel, bias = model.variables
    with swapped(model, [kernel, bias], [kernel.numpy() * np.nan, bias.numpy()]):
        maps = adapters.QuantusStyle(gradient)(model, images, targets)
    assert np.isnan(maps).any(axis=(1, 2, 3)).all()


def test_targets_that_are_no_class_are_refused(functional, images):
    with pytest.raises(ValueError, match=r"targets must lie in 0\.\.2; got 3"):
        adapters.QuantusStyle(gradient)(functional, images, np.array([0, 1, 2, 3, 0]))


@pytest.mark.parametrize(
    ("explainer", "package"),
    [
        (adapters.PAIRSaliency("IntegratedGradients"), "saliency"),
        (adapters.Xplique("Saliency"), "xplique"),
        (adapters.TFExplain("integrated_gradients"), "tf-explain"),
        (adapters.SHAP("background.npz"), "shap"),
    ],
)
def test_a_missing_library_is_named_when_it_is_needed(explainer, package, functional, monkeypatch):
    for name in ("saliency", "xplique", "tf_explain", "shap"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=f"{package} must be installed: pip install {package}$"):
        explainer.bind(functional)


class Attributions:
    """As Xplique's are called: one-hot targets, one channel."""

    def __init__(self, model, batch_size=64, power=1):
        self.model, self.power = model, power

    def explain(self, inputs, targets):
        return gradient(self.model, inputs, targets.argmax(axis=1)).sum(axis=-1) ** self.power


@pytest.fixture
def xplique(monkeypatch):
    """A module that looks like Xplique."""
    module = SimpleNamespace(Saliency=Attributions)
    monkeypatch.setitem(sys.modules, "xplique", SimpleNamespace(attributions=module))
    monkeypatch.setitem(sys.modules, "xplique.attributions", module)


def test_xplique_gets_logits_one_hot_targets_and_settings(xplique, functional, images, targets):
    found = adapters.Xplique("Saliency", settings={"power": 2})(functional, images, targets)
    expected = ex.Gradient()(functional, images, targets).sum(axis=-1, keepdims=True) ** 2
    close(found, expected)


def test_an_unknown_method_is_answered_with_near_ones(xplique, functional):
    with pytest.raises(ValueError, match=r"one of xplique's \(Saliency\); got 'Salency'"):
        adapters.Xplique("Salency").bind(functional)
    with pytest.raises(NotApplicable, match="GradCAM needs the layers of the model"):
        adapters.Xplique("GradCAM").bind(functional)
    with pytest.raises(ValueError, match="those that have raw maps; got 'occlusion'"):
        adapters.TFExplain("occlusion").bind(functional)


def test_a_shap_background_must_fit(functional, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "shap", SimpleNamespace())
    with pytest.raises(ValueError, match=r"background must be an \.npz file with images x; got"):
        adapters.SHAP("none.npz").bind(functional)
    np.savez(tmp_path / "small.npz", x=np.zeros((3, 4, 4, 2), np.float32))
    with pytest.raises(ValueError, match=r"must hold x \('B', 12, 12, 2\); got \(3, 4, 4, 2\)"):
        adapters.SHAP(str(tmp_path / "small.npz")).bind(functional)


def test_settings_are_in_the_repr(functional):
    one, other = (adapters.Xplique("Rise", settings={"nb_samples": n}) for n in (10, 20))
    assert repr(one) != repr(other)
    assert "Rise" in repr(one)
