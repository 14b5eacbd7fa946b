"""A block that must leave a model alone: what it changes is found, told and put back."""

import numpy as np
import pytest

from saliency_bench import network as networks
from saliency_bench.protocols import ModelChanged


@pytest.fixture(params=["functional", "subclassed", "nested"])
def own(request, fresh_model_of):
    return fresh_model_of(request.param)


def bits(model):
    return [variable.numpy().tobytes() for variable in model.variables]


def switches(model):
    parts = [*model._flatten_layers(), *model.variables]
    return [part.trainable for part in parts]


def layer_of(model, name):
    return next(layer for layer in model._flatten_layers() if layer.name == name)


def written(model):
    model.variables[-1].assign(np.full(model.variables[-1].shape, 7.0))


def smallest(model):
    bias = model.variables[-1]
    bias.assign(np.nextafter(bias.numpy(), np.float32(9)))


def frozen(model):
    model.trainable = False


def one_frozen(model):
    model.variables[0].trainable = False


def replaced(model):
    layer_of(model, "first").activation = np.tanh


def other_strides(model):
    layer_of(model, "first").strides = (2, 2)


def shadowed(model):
    layer_of(model, "first").call = lambda images: images


CHANGES = {
    written: "/bias",
    smallest: "/bias",
    frozen: ".trainable",
    one_frozen: "/kernel.trainable",
    replaced: "first.activation",
    other_strides: "first.strides",
    shadowed: "first.call",
}


@pytest.mark.parametrize(("change", "name"), CHANGES.items())
def test_a_change_is_named_and_put_back(own, images, change, name):
    before, switched, outputs = bits(own), switches(own), own(images).numpy()
    state = networks.ModelState(own)
    with pytest.raises(ModelChanged, match=f"put back: .*{name}"), state.guarded():
        change(own)
    assert bits(own) == before
    assert switches(own) == switched
    np.testing.assert_array_equal(own(images).numpy(), outputs)
    with state.guarded():
        pass


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_passes_and_the_change_is_put_back(own, images, change, error):
    before, outputs = bits(own), own(images).numpy()

    def fail():
        change(own)
        raise error

    with pytest.raises(error), networks.ModelState(own).guarded():
        fail()
    assert bits(own) == before
    np.testing.assert_array_equal(own(images).numpy(), outputs)


def test_statistics_that_training_mode_moves_are_put_back(fresh_model_of, images):
    import keras

    model = keras.Sequential(
        [keras.Input(images.shape[1:]), keras.layers.BatchNormalization(), keras.layers.Flatten()]
    )
    before = bits(model)
    with pytest.raises(ModelChanged, match="moving_mean"), networks.ModelState(model).guarded():
        model(images, training=True)
    assert bits(model) == before


def test_prediction_and_a_new_loss_are_no_change(fresh_model_of, images):
    import keras

    model = fresh_model_of("functional")
    with networks.ModelState(model).guarded():
        model.predict(images, verbose=0)
        model(images, training=False)
        model.compile("sgd", keras.losses.MeanSquaredError())
    with networks.ModelState(model).guarded():
        model.compile("sgd", "mse")
    assert model.loss == "mse"


def test_under_a_change_of_the_network_that_change_is_what_must_stay(own):
    network = networks.KerasNetwork(own, batch_size=5)
    untouched = bits(own)
    position = len(own.variables) - 1
    bias = own.variables[position]
    old = bias.numpy()
    ones = old + np.ones(bias.shape, np.float32)
    with network.changed({position: ones}):
        for value in (ones + 1, old):
            with pytest.raises(ModelChanged, match="/bias"), network.guarded():
                bias.assign(value)
            np.testing.assert_array_equal(bias.numpy(), ones)
    assert bits(own) == untouched


def test_many_changes_are_told_in_few_words(own):
    values = [np.full(variable.shape, 3.0) for variable in own.variables]
    state = networks.ModelState(own)
    with pytest.raises(ModelChanged, match=r" and \d+ more$") as told, state.guarded():
        own.set_weights(values)
    assert len(str(told.value)) < 300
