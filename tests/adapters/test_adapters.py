"""Adapters without the libraries: what is missing, wrong shapes, NaN, functions of one's own."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from saliency_bench import adapters
from saliency_bench import explainers as ex
from saliency_bench import network as networks
from saliency_bench.adapters.base import seed_globally
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
    scores = networks.ends_in_scores(model)
    np.testing.assert_allclose(scores(images), reference["logits"], rtol=1e-4, atol=1e-5)
    assert scores.input_shape == (None, 12, 12, 2)
    assert scores.output_shape == (None, 3)


def test_its_weights_are_the_live_ones(fresh_model_of, images):
    model = fresh_model_of("nested")
    scores = networks.ends_in_scores(model)
    before = scores(images).numpy()
    with networks.swapped(model, model.variables, redraw(model, model.variables, seed=0)):
        now = scores(images).numpy()
        close(now, networks.ends_in_scores(model)(images))
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


FOREIGN = [adapters.QuantusStyle, ex.Function]


@pytest.mark.parametrize("shape", [(5, 12), (4, 12, 12), (5, 2, 12, 12), (5, 6, 12, 2), (5, 0, 0)])
@pytest.mark.parametrize("explainer", FOREIGN)
def test_maps_of_a_wrong_shape_are_one_line(functional, images, targets, explainer, shape):
    told = rf"or shaped as the images, \(5, 12, 12, 2\); got shape {re.escape(str(shape))}"
    with pytest.raises(ValueError, match=told):
        explainer(lambda m, x, t: np.zeros(shape))(functional, images, targets)


def test_one_map_may_be_coarse(functional, images, targets):
    coarse = ex.Function(lambda m, x, t: np.ones((5, 3, 3)))(functional, images, targets)
    assert coarse.shape == (5, 3, 3, 1)


def with_nan(model, inputs, targets):
    maps = gradient(model, inputs, targets)
    maps[1, 0, 0, 0] = np.nan
    return maps


@pytest.mark.parametrize("explainer", FOREIGN)
def test_nan_on_an_untouched_network_is_one_line(functional, images, targets, explainer):
    told = (
        "must return finite maps of an untouched network; got NaN or infinity in the map of image 1"
    )
    with pytest.raises(ValueError, match=told):
        explainer(with_nan)(functional, images, targets)


@pytest.mark.parametrize("explainer", FOREIGN)
def test_nan_on_a_changed_network_is_a_result(fresh_model_of, images, targets, explainer):
    model = fresh_model_of("functional")
    bound = explainer(gradient).bind(model)
    assert np.isfinite(bound(images, targets)).all()
    *_, kernel, bias = model.variables
    with networks.swapped(model, [kernel, bias], [kernel.numpy() * np.nan, bias.numpy()]):
        assert np.isnan(bound(images, targets)).any(axis=(1, 2, 3)).all()
    assert np.isfinite(bound(images, targets)).all()


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


class Noise:
    """As those of Xplique's that draw: from TensorFlow's global state, in a compiled function."""

    _cache_models: ClassVar = {}

    def __init__(self, model, batch_size=64):
        self._cache_models[id(model.inputs), id(model.outputs)] = model

    def explain(self, inputs, targets):
        import tensorflow as tf

        return tf.function(lambda: tf.random.normal(inputs.shape[:-1]))()


@pytest.fixture
def xplique(monkeypatch):
    """A module that looks like Xplique."""
    module = SimpleNamespace(Saliency=Attributions, Rise=Noise)
    monkeypatch.setitem(sys.modules, "xplique", SimpleNamespace(attributions=module))
    monkeypatch.setitem(sys.modules, "xplique.attributions", module)


def test_xplique_gets_logits_one_hot_targets_and_settings(xplique, functional, images, targets):
    found = adapters.Xplique("Saliency", settings={"power": 2})(functional, images, targets)
    expected = ex.Gradient()(functional, images, targets).sum(axis=-1, keepdims=True) ** 2
    close(found, expected)


def test_what_a_library_draws_is_an_images_own(xplique, functional, images, targets):
    bound = adapters.Xplique("Rise").bind(functional)
    maps = bound(images, targets)
    np.testing.assert_array_equal(bound(images[::-1], targets[::-1])[::-1], maps)
    np.testing.assert_array_equal(bound(images[3:4], targets[3:4]), maps[3:4])
    assert len(np.unique(maps[:, 0, 0, 0])) == len(images)
    other = adapters.Xplique("Rise", seed=1)(functional, images, targets)
    assert not np.isclose(other, maps).any(axis=(1, 2, 3)).all()
    assert not Noise._cache_models


def test_global_random_states_are_given_back():
    import tensorflow as tf
    from tensorflow.python.eager.context import global_seed

    before, seed = str(np.random.get_state()), global_seed()  # noqa: NPY002
    with seed_globally(7):
        first = np.random.random(), float(tf.random.uniform([]))  # noqa: NPY002
    assert (str(np.random.get_state()), global_seed()) == (before, seed)  # noqa: NPY002
    with seed_globally(7):
        assert (np.random.random(), float(tf.random.uniform([]))) == first  # noqa: NPY002


def test_an_unknown_method_is_answered_with_near_ones(xplique, functional):
    with pytest.raises(ValueError, match=r"one of xplique's \(Saliency\); got 'Salency'"):
        adapters.Xplique("Salency").bind(functional)
    with pytest.raises(ValueError, match="those that have raw maps; got 'occlusion'"):
        adapters.TFExplain("occlusion").bind(functional)
    with pytest.raises(ValueError, match="method must be GradientExplainer; got 'Sampling'"):
        adapters.SHAP("none.npz", "Sampling").bind(functional)


@pytest.mark.parametrize(
    ("explainer", "reason"),
    [
        (adapters.Xplique("GradCAM"), "GradCAM needs the layers of the model"),
        (adapters.Xplique("Lime"), "Lime segments images of 1 or 3 channels; got 2"),
        (adapters.Xplique("HsicAttributionMethod"), "masks that no seed repeats"),
        (adapters.SHAP("none.npz", "DeepExplainer"), "DeepExplainer needs the model's operations"),
        (adapters.SHAP("none.npz", "KernelExplainer"), "treats each pixel as a column"),
    ],
)
def test_what_a_library_cannot_do_has_a_reason(xplique, functional, explainer, reason):
    with pytest.raises(NotApplicable, match=reason):
        explainer.bind(functional)


def test_settings_of_tf_explain_are_known(functional):
    with pytest.raises(ValueError, match=r"among \['n_steps'\]; got 'steps'"):
        adapters.TFExplain("integrated_gradients", settings={"steps": 3}).bind(functional)
    with pytest.raises(ValueError, match="n_steps must be at least 2, both ends; got 1"):
        adapters.TFExplain("integrated_gradients", settings={"n_steps": 1}).bind(functional)


def test_a_shap_background_must_fit(functional, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "shap", SimpleNamespace())
    with pytest.raises(ValueError, match=r"background must be an \.npz file with images x; got"):
        adapters.SHAP("none.npz").bind(functional)
    np.savez(tmp_path / "small.npz", x=np.zeros((3, 4, 4, 2), np.float32))
    with pytest.raises(
        ValueError, match=r"must hold x of shape \('B', 12, 12, 2\); got \(3, 4, 4, 2\)"
    ):
        adapters.SHAP(str(tmp_path / "small.npz")).bind(functional)


def test_settings_are_in_the_repr(functional):
    one, other = (adapters.Xplique("Rise", settings={"nb_samples": n}) for n in (10, 20))
    assert repr(one) != repr(other)
    assert "Rise" in repr(one)


def test_the_files_in_the_docs_are_right(monkeypatch):
    """Each block is one explainer, by the name of its file's key."""
    monkeypatch.setitem(sys.modules, "my_module", SimpleNamespace(explain=gradient))
    text = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text()
    blocks = re.findall(r"```yaml[^\n]*\n(.*?)```", text, re.DOTALL)
    made = [
        instantiate(config)
        for block in blocks
        for config in OmegaConf.to_container(OmegaConf.create(block), resolve=True).values()
    ]
    kinds = {type(explainer) for explainer in made}
    assert kinds == {getattr(adapters, name) for name in adapters.__all__} - {adapters.Adapter}
    assert {explainer.output for explainer in made} == {"logit"}
