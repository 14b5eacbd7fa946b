"""Blocks: layers with weights, in execution order, each variable once."""

import numpy as np
import pytest
from helpers.lazily import keras, keras_models

from saliency_bench import network

OUTPUT_FIRST = ("head", "second", "norm", "first")


def leaves(found):
    return tuple(block.name.rsplit("/", 1)[-1] for block in found)


def names_of(block):
    return [variable.name for variable in block.variables]


def sequential(*layers):
    return keras.Sequential([keras.Input((6, 6, 1)), *layers])


def test_blocks_run_from_the_output_to_the_input_in_every_kind(model):
    found = network.blocks(model)
    assert leaves(found) == OUTPUT_FIRST
    assert [block.layers for block in found] == [1] * 4


def test_nested_blocks_carry_the_names_of_the_models_around_them(model_of):
    assert [block.name for block in network.blocks(model_of("nested"))] == [
        "inner/head",
        "inner/backbone/second",
        "inner/backbone/norm",
        "inner/backbone/first",
    ]


def test_every_variable_is_in_one_block(model):
    held = [id(v) for block in network.blocks(model) for v in block.variables]
    assert sorted(held) == sorted(id(v) for v in model.variables)


def test_weights_used_without_calling_their_layer_come_last():
    class Tied(keras.Model):
        def __init__(self):
            super().__init__()
            self.flatten = keras.layers.Flatten()
            self.hidden = keras.layers.Dense(4, use_bias=False, name="hidden")
            self.hidden.build((None, 4))
            self.head = keras.layers.Dense(2, name="head")

        def call(self, images):
            return self.head(self.flatten(images) @ self.hidden.kernel)

    model = Tied()
    model(np.zeros((1, 2, 2, 1), np.float32))
    assert [block.name for block in network.blocks(model)] == ["head", "hidden"]


def test_batch_norm_is_one_block_with_its_statistics(model):
    norm = network.blocks(model)[2]
    assert names_of(norm) == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert names_of(network.trained(model, norm)) == ["gamma", "beta"]


def test_calls_are_recorded_in_execution_order(model):
    order = [call.layer.name for call in network.trace.layer_calls(model)]
    weighted = [name for name in order if name in OUTPUT_FIRST]
    assert weighted == list(reversed(OUTPUT_FIRST))


def test_equal_names_in_two_towers_stay_apart():
    def tower(name):
        images = keras.Input((6, 6, 1))
        convolved = keras.layers.Conv2D(2, 3, name="conv")(images)
        return keras.Model(images, keras.layers.Flatten()(convolved), name=name)

    images = keras.Input((6, 6, 1))
    joined = keras.layers.Concatenate()([tower("left")(images), tower("right")(images)])
    model = keras.Model(images, keras.layers.Dense(2, name="head")(joined))
    assert {block.name for block in network.blocks(model)} == {"head", "left/conv", "right/conv"}
    assert {block.name for block in network.blocks(model, {"all": ["*"]})} == {"all"}
    assert [block.name for block in network.blocks(model, exclude=["left/*", "head"])] == [
        "right/conv"
    ]


def test_equal_names_side_by_side_are_numbered():
    class Twins(keras.Model):
        def __init__(self):
            super().__init__()
            self.flatten = keras.layers.Flatten()
            self.hidden = keras.layers.Dense(4, name="same")
            self.head = keras.layers.Dense(2, name="same")

        def call(self, images):
            return self.head(self.hidden(self.flatten(images)))

    model = Twins()
    model(np.zeros((1, 6, 6, 1)))
    assert [block.name for block in network.blocks(model)] == ["same#2", "same"]


def test_weights_of_the_model_itself_are_a_block():
    class Scaled(keras.Model):
        def __init__(self):
            super().__init__(name="scaled")
            self.flatten = keras.layers.Flatten()
            self.head = keras.layers.Dense(2, name="head")

        def build(self, shape):
            self.scale = self.add_weight(shape=(36,), name="scale")

        def call(self, images):
            return self.head(self.flatten(images) * self.scale)

    model = Scaled()
    model(np.zeros((1, 6, 6, 1)))
    assert {block.name: names_of(block) for block in network.blocks(model)} == {
        "head": ["kernel", "bias"],
        "scaled": ["scale"],
    }


def test_a_shared_layer_stands_once_where_it_runs_last():
    layers = keras.layers
    shared = layers.Conv2D(1, 3, padding="same", name="shared")
    between = layers.Conv2D(1, 3, padding="same", name="between")
    images = keras.Input((6, 6, 1))
    flat = layers.Flatten()(shared(between(shared(images))))
    model = keras.Model(images, layers.Dense(2, name="head")(flat))
    assert leaves(network.blocks(model)) == ("head", "shared", "between")


def test_tied_variables_are_in_the_first_block_only():
    class Decode(keras.layers.Layer):
        def __init__(self, kernel):
            super().__init__(name="decode")
            self.kernel = kernel
            self.offset = self.add_weight(shape=(36,), name="offset")

        def call(self, code):
            return code @ keras.ops.transpose(self.kernel) + self.offset

    encode = keras.layers.Dense(3, name="encode")
    encode.build((None, 36))
    model = sequential(keras.layers.Flatten(), encode, Decode(encode.kernel))
    assert [(block.name, names_of(block)) for block in network.blocks(model)] == [
        ("decode", ["kernel", "offset"]),
        ("encode", ["bias"]),
    ]


def test_states_and_statistics_of_the_data_are_no_weights():
    from keras import layers

    normalization = layers.Normalization(mean=0.5, variance=2.0)
    adapted = layers.Normalization()
    adapted.adapt(np.random.default_rng(0).normal(size=(4, 6, 6, 1)))
    model = sequential(
        normalization, adapted, layers.GaussianNoise(0.1), layers.Rescaling(2.0),
        layers.Flatten(), layers.Dropout(0.5), layers.Dense(2, name="head"), layers.Softmax(),
    )  # fmt: skip
    assert len(model.variables) > 2
    assert [(b.name, names_of(b)) for b in network.blocks(model)] == [("head", ["kernel", "bias"])]


def test_groups_collect_layers_where_their_last_one_runs(model):
    found = network.blocks(model, {"stem": ["fir*", "norm"], "top": ["*"]})
    assert [(b.name, b.layers, len(b.variables)) for b in found] == [("top", 2, 4), ("stem", 2, 6)]


def test_excluded_layers_are_in_no_block(model):
    assert leaves(network.blocks(model, exclude=["norm", "fi*"])) == ("head", "second")


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"exclude": ["nrom"]}, "exclude must name layers with weights .*'nrom'"),
        ({"exclude": ["pool"]}, "exclude must name layers with weights .*'pool'"),
        ({"groups": {"top": ["haed"]}}, "groups must name layers with weights .*'haed'"),
        ({"groups": {"top": ["head"]}}, "every layer with weights must be in a group"),
        ({"exclude": ["*"]}, "must have weights to randomise"),
    ],
)
def test_patterns_that_do_not_fit_are_refused(functional, settings, rule):
    with pytest.raises(ValueError, match=rule):
        network.blocks(functional, **settings)


def test_a_model_that_was_never_called_has_no_blocks():
    class Unbuilt(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = keras.layers.Dense(2, name="head")

        def call(self, images):
            return self.head(keras.ops.reshape(images, (-1, 36)))

    with pytest.raises(ValueError, match="must be built"):
        network.blocks(Unbuilt())


def test_layers_inside_composite_layers_are_found():
    from keras import layers

    model = sequential(
        layers.Reshape((6, 6)),
        layers.Bidirectional(layers.LSTM(2, name="lstm"), name="both"),
        layers.Dense(2, name="head"),
    )
    found = network.blocks(model)
    assert found[0].name == "head"
    assert sum(len(b.variables) for b in found) == 2 + 6


def test_a_subclassed_model_that_was_read_is_traced_as_it_was_written(tmp_path):
    model = keras_models.Written()
    model(np.zeros((1, 8, 8, 1), np.float32))
    model.save(tmp_path / "written.keras")
    read = keras.models.load_model(tmp_path / "written.keras")
    shapes = [
        [[v.shape for v in block.variables] for block in network.blocks(m)] for m in (model, read)
    ]
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) == 2
