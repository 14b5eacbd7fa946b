"""A study that is small enough for real launchers: explainers in NumPy, a network of one layer."""

import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

MODULE = """
import os, signal, time
import numpy as np

calls = []


def network():
    import keras
    from keras import layers

    model = keras.Sequential([keras.Input((12, 12, 1)), layers.Flatten(), layers.Dense(3)])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=(144, 3)), rng.normal(size=3)])
    return model


def magnitude(model, images, targets):
    return abs(images - images.mean())


def deadly(model, images, targets):
    calls.append(1)
    if len(calls) == 4 and os.path.exists("kill"):
        try:
            os.remove("kill")
        except FileNotFoundError:  # another job was faster
            return abs(images)
        os.kill(os.getpid(), signal.SIGKILL)
    return abs(images)


def slow(model, images, targets):
    time.sleep(0.3)
    return abs(images)
"""

EXPLAINER = """
{name}:
  _target_: hydra.utils.get_method
  path: own_maps.{name}
"""

STUDY = (
    *("--config-dir", "own_conf", "+experiment=param_randomization"),
    *("dataset=npz", "dataset.path=images.npz", "target=predicted"),
    *("model=function", "model._target_=own_maps.network"),
    *("n_images=8", "draws=3", "similarity=[spearman_signed,spearman_abs]"),
)


@dataclass(frozen=True)
class Bench:
    """A working directory, and the command in it.

    Attributes:
        folder: of the study's own files.
        environment: what the commands see beside the usual.
    """

    folder: object
    environment: dict

    def start(self, *arguments, **environment):
        return subprocess.Popen(
            [sys.executable, "-m", "saliency_bench", *STUDY, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments, **environment):
        """Exit status, and the lines of ours on standard error."""
        started = self.start(*arguments, **environment)
        err = started.communicate(timeout=300)[1]
        print(err)
        return started.returncode, [line for line in err.splitlines() if "saliency_bench:" in line]


@pytest.fixture
def bench(tmp_path):
    folder = tmp_path / "work"
    (folder / "own_conf" / "explainer").mkdir(parents=True)
    (folder / "own_maps.py").write_text(MODULE)
    for name in ("magnitude", "deadly", "slow"):
        (folder / "own_conf" / "explainer" / f"{name}.yaml").write_text(EXPLAINER.format(name=name))
    np.savez(folder / "images.npz", x=np.random.default_rng(1).random((8, 12, 12, 1)))
    # Ray leaves a token in the home directory and tells its makers that it is used.
    quiet = {"HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    return Bench(folder, quiet)
