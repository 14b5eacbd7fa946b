"""What one training does: its data, its stop, its progress, and what it leaves alone."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from helpers.lazily import keras, keras_models
from helpers.listener import Listener

from saliency_bench.models import CNN, MLP, Training
from saliency_bench.models.training import accuracy, batches, fit, optimizer_of, scores
from saliency_bench.protocols import Rows

QUICK = Training(epochs=3, batch_size=8, stop_accuracy=None)


@pytest.fixture(scope="module")
def lesson(stripes):
    return stripes.preprocessing(stripes.train_pixels), stripes.train_labels


def small(seed=0, *middle):
    initializer = keras.initializers.GlorotUniform(seed=seed)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            *middle,
            keras.layers.Dense(2, kernel_initializer=initializer),
        ]
    )


def taught(network, lesson, training=QUICK, *, seed=0, progress=None):
    history, reached = fit(network, *lesson, training, seed=seed, name="pupil", progress=progress)
    return network.get_weights(), history, reached


def same(weights, others):
    return all(np.array_equal(one, two) for one, two in zip(weights, others, strict=True))


def test_the_paper_network_has_its_layers():
    network = CNN().network((28, 28, 1), 10, seed=0)
    names = [layer.name for layer in network.layers]
    assert names == ["conv1", "pool1", "conv2", "pool2", "flatten", "fc1", "logits"]
    assert network.output_shape == (None, 10)
    # 5x5x1x32 + 32, 5x5x32x64 + 64, 7x7x64x1024 + 1024, 1024x10 + 10
    assert network.count_params() == 832 + 51264 + 3212288 + 10250


def test_the_perceptron_has_its_layers():
    network = MLP(units=(5, 4)).network((2, 2, 3), 3, seed=0)
    assert [layer.name for layer in network.layers] == ["flatten", "fc1", "fc2", "logits"]
    assert network.count_params() == (12 + 1) * 5 + (5 + 1) * 4 + (4 + 1) * 3


def test_the_seed_decides_the_first_weights_and_equal_shapes_differ():
    first, again, other = (MLP(units=(4, 4)).network((2, 2, 1), 4, seed=s) for s in (0, 0, 1))
    assert same(first.get_weights(), again.get_weights())
    assert not same(first.get_weights(), other.get_weights())
    kernels = [layer.kernel.numpy() for layer in first.layers[1:]]
    assert not np.array_equal(kernels[0], kernels[1])


def test_a_seed_decides_the_order_of_the_images_and_nothing_else_does(lesson):
    weights = taught(small(), lesson)[0]
    keras.utils.set_random_seed(5)
    assert same(weights, taught(small(), lesson)[0])
    assert not same(weights, taught(small(), lesson, seed=1)[0])


def test_images_that_are_read_when_they_are_indexed_are_read_a_batch_at_a_time(lesson):
    images, labels = lesson
    read = []

    class Source:
        shape = images.shape

        def __len__(self):
            return len(images)

        def __getitem__(self, rows):
            read.append(len(images[rows]))
            return images[rows]

    weights = taught(small(), lesson)[0]
    assert same(weights, taught(small(), (Rows(Source(), np.float32), labels))[0])
    assert max(read) == QUICK.batch_size


def test_one_step_of_gradient_descent_is_that_of_the_mean_loss(lesson):
    images, labels = lesson
    network = small()
    kernel = network.get_weights()[0]
    rate = Training("sgd", 0.1, epochs=1, batch_size=len(images), stop_accuracy=None)
    after = taught(network, lesson, rate)[0][0]
    rows = images.reshape(len(images), -1).astype(np.float64)
    exp = np.exp(rows @ kernel)
    error = exp / exp.sum(axis=1, keepdims=True) - np.eye(2)[labels]
    np.testing.assert_allclose(after, kernel - 0.1 * rows.T @ error / len(images), atol=1e-6)


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_one_unit_is_trained_as_two_classes(lesson, activation):
    images, labels = lesson
    start = keras.initializers.GlorotUniform(seed=0)
    unit = keras.layers.Dense(1, activation=activation, kernel_initializer=start)
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), unit])
    kernel = network.get_weights()[0]
    rate = Training("sgd", 0.1, epochs=1, batch_size=len(images), stop_accuracy=None)
    after, history, reached = taught(network, lesson, rate)
    rows = images.reshape(len(images), -1).astype(np.float64)
    error = 1 / (1 + np.exp(-rows @ kernel)) - labels[:, None]
    np.testing.assert_allclose(after[0], kernel - 0.1 * rows.T @ error / len(images), atol=1e-6)
    # The accuracy of the epoch is that of the first weights, the final one that of the last ones.
    assert history[0][1] == pytest.approx(np.mean((rows @ kernel > 0)[:, 0] == labels))
    assert reached == np.mean((rows @ after[0] + after[1] > 0)[:, 0] == labels)


def test_every_epoch_sees_every_image_once_in_an_order_of_its_own():
    images, labels = np.arange(10, dtype=np.float32), np.arange(10) + 100
    training = Training(epochs=3, batch_size=4)
    rows = [(x.numpy(), y.numpy()) for x, y in batches(images, labels, training, seed=0)]
    assert [len(x) for x, _ in rows] == [4, 4, 2] * 3
    epochs = np.concatenate([x for x, _ in rows]).reshape(3, 10)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(images, (3, 1)))
    assert len({tuple(epoch) for epoch in epochs}) == 3
    np.testing.assert_array_equal(np.concatenate([y for _, y in rows]), epochs.ravel() + 100)


def test_history_has_an_entry_per_epoch_and_the_images_are_learned(lesson):
    _, history, reached = taught(small(), lesson, Training(epochs=4, stop_accuracy=None))
    assert len(history) == 4
    assert history[-1][0] < history[0][0]
    assert 0 <= reached <= 1


def test_it_stops_at_the_accuracy_in_inference_mode(lesson):
    """Half of what it sees in training is dropped: there it never gets everything right."""
    middle = [keras.layers.Dropout(0.95, seed=0)]
    training = Training("adam", 0.01, epochs=60, batch_size=8, stop_accuracy=1.0)
    _, history, reached = taught(small(0, *middle), lesson, training)
    assert reached == 1
    assert len(history) < 60
    assert history[-1][1] < 1


def test_accuracy_is_undefined_once_it_cannot_be_reached():
    class Wrong:
        batch = 10
        asked = 0

        def __call__(self, images):
            self.asked += len(images)
            return np.eye(2)[np.zeros(len(images), int)]

    images, labels = np.zeros((100, 1, 1, 1), np.float32), np.repeat([0, 1], [10, 90])
    assert accuracy(Wrong(), images, labels) == 0.1
    assert accuracy(Wrong(), images, labels, least=0.1) == 0.1
    outputs = Wrong()
    assert np.isnan(accuracy(outputs, images, labels, least=0.95))
    assert outputs.asked == 20


@pytest.mark.parametrize("ending", ["softmax", "by hand", "log softmax"])
def test_every_ending_is_trained_like_logits(lesson, ending):
    ends = {
        "softmax": keras.layers.Softmax(),
        "by hand": keras_models.ByHand(),
        "log softmax": keras.layers.Activation("log_softmax"),
    }
    plain, ended = small(), keras.Sequential([small(), ends[ending]])
    weights, others = taught(plain, lesson)[0], taught(ended, lesson)[0]
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_logits_that_look_like_probabilities_at_first_are_logits(lesson):
    network = small()
    network.layers[-1].set_weights([np.zeros((64, 2)), np.array([0.25, 0.75])])
    assert taught(network, lesson, Training(epochs=20))[2] == 1


def test_what_a_network_was_compiled_with_has_no_part(lesson):
    plain, compiled = small(), small()
    compiled.compile("sgd", "mse")
    assert same(taught(plain, lesson)[0], taught(compiled, lesson)[0])


def test_dropout_repeats_itself(lesson):
    from saliency_bench.models.seeding import fresh_keras

    def dropped():
        with fresh_keras(3):
            return small(0, keras.layers.Dropout(0.5))

    assert same(taught(dropped(), lesson)[0], taught(dropped(), lesson)[0])


def test_global_random_state_is_left_alone(lesson):
    before = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    taught(small(), lesson)
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_weight_decay_is_that_of_keras():
    assert optimizer_of(Training(weight_decay=0.1)).weight_decay == 0.1
    assert optimizer_of(Training("adamw")).weight_decay == 0.004
    assert optimizer_of(Training("adamw", weight_decay=0.0)).weight_decay == 0


def test_a_cosine_schedule_ends_at_zero():
    training = Training(learning_rate=0.2, stop_accuracy=None, schedule="cosine")
    rate = optimizer_of(training, 100)._learning_rate
    expected = [0.1 * (1 + math.cos(math.pi * step / 100)) for step in (0, 25, 50, 100)]
    np.testing.assert_allclose([rate(step) for step in (0, 25, 50, 100)], expected, atol=1e-6)


def test_a_schedule_lasts_all_epochs(lesson):
    still = Training(learning_rate=0.1, epochs=2, batch_size=8, stop_accuracy=None)
    cosine = replace(still, schedule="cosine")
    one, other = (taught(small(), lesson, training)[0] for training in (still, cosine))
    assert not same(one, other)
    # The first step is as long; all later ones are shorter.
    start = small().get_weights()
    moved = [
        sum(np.abs(a - b).sum() for a, b in zip(weights, start, strict=True))
        for weights in (one, other)
    ]
    assert moved[1] < moved[0]


def test_one_line_is_told_in_the_end(lesson):
    listener = Listener()
    taught(small(), lesson, progress=listener)
    (line,) = listener.lines
    assert line.startswith("pupil: trained 3 epochs, loss ")
    assert len(listener.steps) == listener.total


def test_a_training_that_diverges_is_named(lesson):
    training = Training("sgd", 1e30, epochs=3, batch_size=8)
    with pytest.raises(ValueError, match=r"learning_rate must .* got 1e\+30: pupil") as raised:
        taught(small(0, keras.layers.Dense(4)), lesson, training)
    assert "\n" not in str(raised.value)


def test_an_unknown_optimizer():
    with pytest.raises(ValueError, match="name of a Keras optimizer, got adamant"):
        optimizer_of(Training(optimizer="adamant"))


def test_scores_are_compiled_for_as_many_rows_as_are_trained_on():
    assert scores(small(), QUICK).batch == 8
