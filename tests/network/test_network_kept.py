"""What is compiled for a model is compiled once, is dropped with it, and never serves another."""

import copy
import gc
import pickle
import weakref
from collections import Counter

import keras
import numpy as np
import pytest

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.network import batches, kept

IMAGES = np.random.default_rng(0).random((3, 8, 8, 1)).astype(np.float32)
TARGETS = np.array([0, 1, 2])


def cnn(activation="relu"):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, activation=activation, name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, name="dense"),
        ]
    )


@pytest.fixture
def traces(monkeypatch):
    """Counts the graphs of a model that are traced."""
    counted = Counter()
    trace = batches.Kernel._trace

    def counting(self, shape):
        counted[shape] += 1
        return trace(self, shape)

    monkeypatch.setattr(batches.Kernel, "_trace", counting)
    return counted


# ---------------------------------------------------------------- one compilation


def test_equal_explainers_are_compiled_once_however_they_are_called(traces):
    model = cnn()
    for _ in range(2):
        ex.Gradient()(model, IMAGES, TARGETS)
        ex.Gradient().bind(model)(IMAGES, TARGETS)
    assert traces.total() == 1
    assert ex.Gradient().bind(model) is ex.Gradient().bind(model)


def test_methods_of_gradients_share_the_graph_of_the_gradient(traces):
    model = cnn()
    for explainer in (
        ex.Gradient(),
        ex.GradientInput(),
        ex.SmoothGrad(ex.Gradient(), samples=3),
        ex.VarGrad(ex.Gradient(), samples=3),
        ex.IntegratedGradients(steps=3),
        ex.IntegratedGradients(steps=5),
        ex.ExpectedGradients(samples=2),
        ex.BlurIG(steps=2),
        ex.GuidedIG(steps=2),
    ):
        explainer(model, IMAGES, TARGETS)
    assert traces.total() == 1


def test_masking_methods_share_the_forward_graph(traces):
    model = cnn()
    for explainer in (ex.Occlusion(patch=4), ex.Occlusion(patch=2), ex.RISE(samples=8, cells=4)):
        explainer(model, IMAGES, TARGETS)
    assert traces.total() == 1


def test_guided_backprop_is_another_graph(traces):
    model = cnn()
    plain = ex.Gradient()(model, IMAGES, TARGETS)
    guided = ex.GuidedBackprop()(model, IMAGES, TARGETS)
    deconv = ex.Deconvnet()(model, IMAGES, TARGETS)
    assert traces.total() == 3
    assert not np.array_equal(plain, guided)
    assert not np.array_equal(guided, deconv)


def test_other_settings_are_other_explainers():
    model = cnn()
    positive, signed = (ex.GradCAM(relu=relu)(model, IMAGES, TARGETS) for relu in (True, False))
    assert signed.min() < 0 == positive.min()


def test_a_batch_size_of_its_own_is_part_of_the_key():
    model = cnn()
    with network.evaluating(2):
        small = ex.Gradient().bind(model)
    assert small.batch == 2
    assert ex.Gradient().bind(model).batch == 32


def test_new_weights_are_read_by_what_is_kept(traces):
    model = cnn()
    before = ex.Gradient()(model, IMAGES, TARGETS)
    model.set_weights([2 * weights for weights in model.get_weights()])
    after = ex.Gradient()(model, IMAGES, TARGETS)
    assert traces.total() == 1
    assert not np.allclose(before, after)
    np.testing.assert_array_equal(after, ex.Gradient().compile(model)(IMAGES, TARGETS))


def test_training_is_no_change(traces):
    model = cnn()
    ex.Gradient()(model, IMAGES, TARGETS)
    model.compile("sgd", "mse")
    for _ in range(2):
        model.fit(IMAGES, np.eye(3), verbose=0)
        model.predict(IMAGES, verbose=0)
        ex.Gradient()(model, IMAGES, TARGETS)
    assert traces.total() == 1


# ---------------------------------------------------------------- a model that was altered


def swap_activation(model):
    model.get_layer("conv").activation = keras.activations.tanh


def swap_call(model):
    layer = model.get_layer("dense")
    call = layer.call
    layer.call = lambda *args, **kwargs: 3 * call(*args, **kwargs)


def add_lora(model):
    model.get_layer("dense").enable_lora(2)
    for variable in model.get_layer("dense").variables:
        variable.assign(np.ones(variable.shape))


@pytest.mark.parametrize("alter", [swap_activation, swap_call, add_lora])
def test_an_altered_model_is_noticed(alter):
    model = cnn()
    before = ex.Gradient()(model, IMAGES, TARGETS)
    alter(model)
    after = ex.Gradient()(model, IMAGES, TARGETS)
    assert not np.allclose(before, after)
    np.testing.assert_array_equal(after, ex.Gradient().compile(model)(IMAGES, TARGETS))


def test_constants_that_are_adapted_anew_are_noticed():
    layer = keras.layers.Normalization(axis=None)
    layer.adapt(IMAGES)
    model = keras.Sequential([keras.Input((8, 8, 1)), layer, *cnn().layers])
    before = ex.GradientInput()(model, IMAGES, TARGETS)
    layer.adapt(10 * IMAGES)
    after = ex.GradientInput()(model, IMAGES, TARGETS)
    assert not np.allclose(before, after)


# ---------------------------------------------------------------- life and death


def test_it_is_dropped_with_the_model():
    model = cnn()
    ex.IntegratedGradients(steps=2)(model, IMAGES, TARGETS)
    ex.GradCAM()(model, IMAGES, TARGETS)
    gone = weakref.ref(model)
    bound = weakref.ref(ex.GradCAM().bind(model))
    del model
    gc.collect()
    assert gone() is None
    assert bound() is None


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, keras.models.clone_model, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["deepcopy", "clone_model", "pickle"],
)
def test_a_copy_of_a_model_is_another_model(copied):
    model = cnn()
    ex.Gradient()(model, IMAGES, TARGETS)
    other = copied(model)
    other.set_weights([weights + 1 for weights in model.get_weights()])
    np.testing.assert_array_equal(
        ex.Gradient()(other, IMAGES, TARGETS), ex.Gradient().compile(other)(IMAGES, TARGETS)
    )


def test_a_model_that_was_explained_can_be_saved(tmp_path):
    model = cnn()
    ex.Gradient()(model, IMAGES, TARGETS)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        ex.Gradient()(loaded, IMAGES, TARGETS), ex.Gradient()(model, IMAGES, TARGETS)
    )


def test_only_so_many_things_are_kept(monkeypatch):
    monkeypatch.setattr(kept, "MOST", 2)
    model, made = cnn(), []
    for key in (1, 2, 1, 3, 1, 2):
        network.once(model, key, lambda _, key=key: made.append(key))
    assert made == [1, 2, 3, 2]


def test_an_error_is_not_kept():
    model = cnn()

    def fail(_):
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        network.once(model, "key", fail)
    assert network.once(model, "key", lambda _: 7) == 7


def test_a_key_without_a_hash_is_made_each_time():
    made = []
    for _ in range(2):
        network.once(cnn(), [], made.append)
    assert len(made) == 2


def test_an_explainer_that_is_not_thread_safe_is_bound_anew():
    model = cnn()
    own = ex.SmoothGrad(ex.Function(lambda model, images, targets: images), samples=2)
    assert own.bind(model) is not own.bind(model)
