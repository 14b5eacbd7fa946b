"""The memory of a run hardly depends on how many images and explainers it has."""

import subprocess
import sys

import pytest

RUN = """
import resource, sys, tempfile
import keras, numpy as np, tensorflow as tf
import saliency_bench as sb
from saliency_bench import explainers as ex

tf.config.threading.set_intra_op_parallelism_threads(1)
images, methods = int(sys.argv[1]), int(sys.argv[2])
layers = keras.layers
model = keras.Sequential([
    keras.Input((28, 28, 1)),
    layers.Conv2D(8, 5, activation="relu"), layers.MaxPooling2D(),
    layers.Conv2D(16, 5, activation="relu"), layers.MaxPooling2D(),
    layers.Flatten(), layers.Dense(32, activation="relu"), layers.Dense(10),
])
random = np.random.default_rng(0)
pixels = random.random((images, 28, 28, 1), dtype=np.float32)
every = {
    "gradient": ex.Gradient(), "gradient_input": ex.GradientInput(), "lrp": ex.LRP(),
    "ig": ex.IntegratedGradients(steps=5), "smooth": ex.SmoothGrad(ex.Gradient(), samples=3),
    "guided": ex.GuidedBackprop(), "deconvnet": ex.Deconvnet(), "grad_cam": ex.GradCAM(),
    "guided_grad_cam": ex.GuidedGradCAM(), "deep_lift": ex.DeepLIFT(),
}
with tempfile.TemporaryDirectory() as folder:
    results = sb.evaluate(
        model, pixels, random.integers(0, 10, images),
        explainers=dict(list(every.items())[:methods]),
        options=sb.Options(draws=3, run_dir=folder),
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert set(results.scores["image"]) == set(range(images))
print(peak)
"""


def peak(images, explainers):
    command = [sys.executable, "-c", RUN, str(images), str(explainers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(("images", "explainers"), [(4096, 1), (64, 10)])
def test_peak_memory_grows_by_less_than_a_tenth(images, explainers):
    assert peak(images, explainers) < 1.1 * peak(64, 1)
