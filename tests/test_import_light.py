"""Importing the package and making settings does not start TensorFlow."""

import subprocess
import sys

PROGRAM = """
import sys
import saliency_bench
from saliency_bench import checks, engine, explainers, network, protocols, randomize, results
explainers.SmoothGrad(explainers.IntegratedGradients())
checks.ParameterRandomization()
print(sorted({name.split(".")[0] for name in sys.modules} & {"tensorflow", "keras", "jax"}))
"""


def test_importing_starts_no_tensorflow():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
