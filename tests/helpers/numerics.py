"""A study of random weights, whose scores do not depend on how they are computed."""

from __future__ import annotations

import numpy as np

import saliency_bench as sb
from saliency_bench import checks
from saliency_bench import explainers as ex
from saliency_bench.study.evaluate import Options


def scores(batch: int = 32) -> np.ndarray:
    import keras

    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((12, 12, 1)),
        keras.layers.Conv2D(8, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(3),
    ]
    images = np.random.default_rng(0).random((20, 12, 12, 1), dtype=np.float32)
    results = sb.evaluate(
        keras.Sequential(layers),
        images,
        None,
        explainers={"gradient": ex.Gradient(), "ig": ex.IntegratedGradients(steps=8)},
        checks=[checks.ParameterRandomization(draws=2)],
        options=Options(batch_size=batch),
    )
    return results.scores["score"].to_numpy()
