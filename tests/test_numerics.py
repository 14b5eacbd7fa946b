"""Rule 4: batch size and thread count change the low bits of a score, and no more."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.numerics import scores

SCRIPT = """
import json
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
from helpers.numerics import scores
print(json.dumps(scores().tolist()))
"""


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
