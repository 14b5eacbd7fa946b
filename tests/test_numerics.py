"""Rule 4: batch size and thread count change the low bits of a score, and no more."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import saliency_bench as sb
from saliency_bench import checks
from saliency_bench import explainers as ex
from saliency_bench.study.evaluate import Options

SCRIPT = """
import json
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
import test_numerics
print(json.dumps(test_numerics.scores().tolist()))
"""


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


@pytest.mark.slow
def test_one_thread_gives_the_scores_of_as_many_as_there_are() -> None:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=300, cwd=Path(__file__).parent
    )
    alone = np.array(json.loads(done.stdout.splitlines()[-1]), dtype=float)
    np.testing.assert_allclose(alone, scores(), rtol=0, atol=1e-4)


def test_small_batches_give_the_scores_of_large_ones() -> None:
    np.testing.assert_allclose(scores(7), scores(), rtol=0, atol=1e-4)
