"""Rule 4: batch size and thread count change the low bits of a score, and no more."""

import json
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

SCRIPT = """
import json, sys
threads, batch = map(int, sys.argv[1:])
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(threads)
import keras
import numpy as np
import saliency_bench as sb
from saliency_bench import checks, explainers as ex
from saliency_bench.study import Options

keras.utils.set_random_seed(0)
layers = [
    keras.Input((12, 12, 1)),
    keras.layers.Conv2D(8, 3, activation="relu"),
    keras.layers.Flatten(),
    keras.layers.Dense(3),
]
model = keras.Sequential(layers)
images = np.random.default_rng(0).random((20, 12, 12, 1), dtype=np.float32)
results = sb.evaluate(
    model,
    images,
    None,
    explainers={"gradient": ex.Gradient(), "ig": ex.IntegratedGradients(steps=8)},
    checks=[checks.ParameterRandomization(draws=2)],
    options=Options(batch_size=batch),
)
print(json.dumps(results.scores["score"].tolist()))
"""


@cache
def scores(threads: int, batch: int) -> np.ndarray:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(threads), str(batch)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return np.array(json.loads(done.stdout.splitlines()[-1]), dtype=float)


@pytest.mark.parametrize(("threads", "batch"), [(2, 32), (1, 7)])
def test_scores_agree_across_threads_and_batch_sizes(threads, batch):
    np.testing.assert_allclose(scores(threads, batch), scores(1, 32), rtol=0, atol=1e-4)
