"""One point of a scaling curve, in a process of its own: `python -m benchmarks.point JSON`."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks import networks  # noqa: F401 - starts TensorFlow as the command line does
from benchmarks.timing import timed


@dataclass(frozen=True)
class Point:
    """A run of `evaluate` with the default similarities and all controls, 2 draws.

    Attributes:
        images: that are explained.
        side: of an image in pixels; a multiple of 28.
        stages: of the cascade, at most 16.
        explainers: how many, at most 10.
        runs: of which the median is taken.
    """

    images: int
    side: int
    stages: int
    explainers: int
    runs: int

    def measured(self) -> dict[str, float]:
        """Median seconds, elapsed and on all cores, and MiB after the first run."""
        import saliency_bench as sb

        random = np.random.default_rng(0)
        images = random.random((self.images, self.side, self.side, 1), dtype=np.float32)
        targets = random.integers(0, 10, self.images)
        model, methods = _network(self.side), _explainers()[: self.explainers]
        every = {f"explainer_{number}": method for number, method in enumerate(methods)}
        check = sb.checks.ParameterRandomization(stages=self.stages)

        def run() -> None:
            with tempfile.TemporaryDirectory() as folder:
                options = sb.Options(draws=2, run_dir=folder)
                sb.evaluate(
                    model, images, targets, explainers=every, checks=[check], options=options
                )

        times = [timed(run)]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        # Each binds and compiles anew.
        times += [timed(run) for _ in range(self.runs - 1)]
        walls, cpus = zip(*times, strict=True)
        return {"seconds": median(walls), "cpu_seconds": median(cpus), "peak": peak}


def _network(side: int) -> Any:
    """16 layers with weights, as costly at 224 as at 28 pixels but for the first."""
    import keras
    from keras import layers

    def convolution(**settings: Any) -> Any:
        return layers.Conv2D(
            16, 3, padding="same", activation="relu", kernel_initializer="he_normal", **settings
        )

    body = [part for _ in range(2) for part in (*[convolution() for _ in range(7)], "pool")]
    return keras.Sequential(
        [
            keras.Input((side, side, 1)),
            convolution(strides=side // 28),
            *(layers.MaxPooling2D() if part == "pool" else part for part in body),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ]
    )


def _explainers() -> list[Any]:
    """Ten, about as costly as a few gradients each."""
    from saliency_bench import explainers as ex

    return [
        ex.Gradient(),
        ex.GradientInput(),
        ex.IntegratedGradients(steps=5),
        ex.SmoothGrad(ex.Gradient(), samples=5),
        ex.GuidedBackprop(),
        ex.Deconvnet(),
        ex.GradCAM(),
        ex.GuidedGradCAM(),
        ex.LRP(),
        ex.DeepLIFT(),
    ]


if __name__ == "__main__":
    print(json.dumps(Point(**json.loads(sys.argv[1])).measured()))
