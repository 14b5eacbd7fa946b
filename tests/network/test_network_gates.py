"""Gates are no ReLUs: guided backprop and Deconvnet leave the clip of a hard sigmoid alone."""

import numpy as np
import pytest
from helpers.lazily import keras, layers, tf

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.network.forward import compile_graph, forward_pass
from saliency_bench.network.gates import is_gate
from saliency_bench.network.path import Path
from saliency_bench.protocols import NotApplicable

pytestmark = pytest.mark.usefixtures("seeded")

GUIDED = [ex.GuidedBackprop(), ex.Deconvnet()]


def lambda_of(function):
    return lambda: layers.Lambda(function)


def squeezed(features):
    return features * tf.reduce_mean(features, axis=(1, 2), keepdims=True)


GATES = {
    "hard_sigmoid": lambda: layers.Activation("hard_sigmoid"),
    "hard_swish": lambda: layers.Activation("hard_swish"),
    "relu6 layer": lambda_of(lambda x: layers.ReLU(6.0)(x + 3.0) * (1 / 6)),
    "product first": lambda_of(lambda x: x * tf.nn.relu6(x + 3.0) / 6.0),
    "slope": lambda_of(lambda x: tf.minimum(tf.nn.relu(0.2 * x + 0.5), 1.0)),
    "minimum first": lambda_of(lambda x: tf.nn.relu(tf.minimum(0.2 * x + 0.5, 1.0))),
}
RELUS = {
    "relu": lambda: layers.ReLU(),
    "relu6": lambda: layers.ReLU(6.0),
    "normalized": lambda: keras.Sequential([layers.BatchNormalization(), layers.ReLU(6.0)]),
    "threshold": lambda_of(lambda x: tf.nn.relu(x - 0.1)),
    "gated by itself": lambda_of(lambda x: squeezed(tf.nn.relu6(x))),
    "gated by a hard sigmoid": lambda_of(lambda x: tf.nn.relu6(x) * tf.clip_by_value(x, 0, 1)),
    "two streams": lambda_of(lambda x: tf.nn.relu6(x) * tf.nn.relu6(2.0 * x)),
    "shifted input": lambda_of(lambda x: tf.nn.relu6(x + 0.5)),
    "gated by a sigmoid": lambda_of(lambda x: tf.nn.relu6(x) * tf.sigmoid(x)),
}


def with_middle(middle):
    stack = [layers.Conv2D(4, 3), middle, layers.Flatten(), layers.Dense(3)]
    return keras.Sequential([keras.Input((8, 8, 2)), *stack])


def gates_of(model, shape):
    found = []

    def trace(images):
        passed = forward_pass(model, images)
        path = Path(images, passed.scores, passed.calls)
        relus = [op for op in path.operations if op.type in {"Relu", "Relu6"}]
        found.extend(is_gate(path, op) for op in relus)
        return passed.scores

    compile_graph(trace, (tf.TensorSpec([None, *shape], tf.float32),))
    return found


@pytest.mark.parametrize("kind", GATES)
def test_a_network_with_nothing_but_gates_is_refused(kind):
    model = with_middle(GATES[kind]())
    for explainer in GUIDED:
        with pytest.raises(
            NotApplicable, match=r"no ReLU .*its 1 clips are gates of hard sigmoids"
        ):
            explainer.bind(model)


@pytest.mark.parametrize(
    "written", [lambda x: tf.maximum(x, 0.0), lambda x: tf.clip_by_value(x, 0.0, 6.0)]
)
def test_a_relu_that_is_written_as_a_maximum_is_not_left_out_silently(written):
    stack = [layers.Conv2D(4, 3, activation="relu"), layers.Lambda(written)]
    model = keras.Sequential([keras.Input((8, 8, 2)), *stack, layers.Flatten(), layers.Dense(3)])
    for explainer in GUIDED:
        with pytest.raises(NotApplicable, match="only 1 of the 2 ReLUs can be overridden"):
            explainer.bind(model)


def test_a_hard_sigmoid_that_is_written_as_a_clip_is_a_gate():
    clip = layers.Lambda(lambda x: tf.clip_by_value(0.2 * x + 0.5, 0.0, 1.0))
    stack = [layers.Conv2D(4, 3, activation="relu"), clip, layers.Flatten(), layers.Dense(3)]
    model = keras.Sequential([keras.Input((8, 8, 2)), *stack])
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 2)).astype(np.float32)
    assert ex.GuidedBackprop()(model, images, np.array([0, 1])).any()


@pytest.mark.parametrize("kind", RELUS)
def test_a_relu_is_not_taken_for_a_gate(kind):
    assert not any(gates_of(with_middle(RELUS[kind]()), (8, 8, 2)))


@pytest.mark.parametrize("explainer", GUIDED, ids=["guided", "deconvnet"])
def test_a_gate_keeps_its_gradient_beside_a_relu(explainer):
    """The rule clips at the ReLU; the gates pass on what their twin without a clip passes on.

    For inputs near 0 no gate is clipped, so the hard sigmoid is the line x / 6 + 1 / 2.
    """
    import keras

    def network_of(gate):
        keras.utils.set_random_seed(0)
        stack = [layers.Conv2D(4, 3, activation="relu"), layers.Lambda(gate)]
        head = [layers.Flatten(), layers.Dense(3)]
        return keras.Sequential([keras.Input((8, 8, 2)), *stack, *head])

    clipped = network_of(lambda x: x * tf.nn.relu6(x + 3.0) / 6.0)
    line = network_of(lambda x: x * (x / 6.0 + 0.5))
    images = np.random.default_rng(0).normal(0, 0.2, (3, 8, 8, 2)).astype(np.float32)
    maps = [explainer(model, images, np.array([0, 1, 2])) for model in (clipped, line)]
    assert maps[0].any()
    np.testing.assert_allclose(*maps, rtol=1e-4, atol=1e-7)


def test_of_mobilenets_clips_two_thirds_are_gates():
    model = keras.applications.MobileNetV3Small(weights=None, input_shape=(32, 32, 3), classes=3)
    found = gates_of(model, (32, 32, 3))
    assert (len(found), sum(found)) == (42, 28)


def test_silu_is_restored_after_deep_lift():
    before = tf.nn.silu, tf.nn.swish
    network.differences(with_middle(layers.Activation("silu")), lambda shape: 0.0)
    assert (tf.nn.silu, tf.nn.swish) == before
