"""What hinders learning by heart is found wherever it sits."""

import pytest
from helpers.lazily import keras, layers, lazily

from saliency_bench.models import CNN, MLP, Function, Trainer, Training

Wrapped = lazily("helpers.keras_models", "Wrapped")


def nested(*parts):
    return keras.Sequential([Wrapped(*parts)])


def hindrances(stripes, tmp_path, settings):
    return Trainer(settings, stripes, seed=0, cache=tmp_path).regularizers


@pytest.mark.parametrize("settings", [CNN(), MLP()])
def test_our_networks_have_none(settings, stripes, tmp_path):
    assert hindrances(stripes, tmp_path, settings) == ()


@pytest.mark.parametrize("wrap", [Wrapped, nested])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Dropout(0.5), ["Dropout rate 0.5"]),
        (lambda: layers.SpatialDropout2D(0.25), ["SpatialDropout2D rate 0.25"]),
        (lambda: layers.GaussianNoise(0.1), ["GaussianNoise stddev 0.1"]),
        (lambda: layers.Dropout(0), []),
        (lambda: layers.RandomFlip(), ["RandomFlip"]),
        (
            lambda: layers.Conv2D(1, 1, kernel_regularizer=keras.regularizers.L2(0.25)),
            ["kernel regularizer L2 l2 0.25"],
        ),
        (lambda: layers.Conv2D(1, 1, kernel_regularizer=keras.regularizers.L2(0)), []),
        (lambda: layers.Conv2D(1, 1, kernel_constraint="non_neg"), ["kernel constraint NonNeg"]),
        (lambda: layers.Conv2D(1, 1, bias_regularizer=abs), ["bias regularizer abs"]),
        (
            lambda: layers.Conv2D(1, 1, activity_regularizer=keras.regularizers.L1(0.5)),
            ["Conv2D activity_regularizer L1 l1 0.5"],
        ),
        (lambda: layers.Conv2D(1, 1, trainable=False), ["Conv2D frozen"]),
        (lambda: layers.BatchNormalization(), []),
    ],
)
def test_layers_at_any_depth(wrap, make, words, stripes, tmp_path):
    settings = Function(lambda: wrap(make(), make()))
    assert list(hindrances(stripes, tmp_path, settings)) == words


@pytest.mark.parametrize(
    ("training", "words"),
    [
        (Training(weight_decay=0.01), ["weight_decay 0.01"]),
        (Training("adamw"), ["weight_decay 0.004"]),
        (Training("adamw", weight_decay=0), []),
        (Training(stop_accuracy=0.9), ["stop_accuracy 0.9"]),
        (Training(stop_accuracy=None), []),
    ],
)
def test_trainings(training, words, stripes, tmp_path):
    assert list(hindrances(stripes, tmp_path, MLP(units=(4,), training=training))) == words
