"""Takes the place of trainings in a plan: networks stay untrained, and the time of one is told."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench.models import weights_file
from saliency_bench.models.training import Images, Training, accuracy, fit, scores
from saliency_bench.models.weights_file import StoredWeights
from saliency_bench.protocols import Outstanding, Silent, TrainedNetwork

STEPS = 9
"""Number of training steps to time; the first one compiles and is not counted."""


class Rehearsal:
    """Keeps networks as they begin, and times a few steps of training the first of them.

    Args:
        training: how the networks are to be trained.
        folder: where they are kept.
    """

    def __init__(self, training: Training, folder: Path) -> None:
        self._training = training
        self._folder = folder
        self._networks = 0
        self._epoch = math.nan

    @property
    def outstanding(self) -> Outstanding | None:
        """What is left to be trained; None if nothing is."""
        if not self._networks:
            return None
        return Outstanding(self._networks, self._training.epochs, self._epoch)

    def __call__(self, network: Any, images: Images, labels: NDArray[np.int64]) -> TrainedNetwork:
        """The network as it is, in place of the trained one. It may be trained a little for this.

        Args:
            network: the untrained Keras model.
            images: `[N, H, W, C]` to train on, model units.
            labels: `[N]`.
        """
        first = StoredWeights([v.numpy().copy() for v in network.variables], math.nan, ())
        file = self._folder / f"{self._networks}.npz"
        weights_file.save(first, file)
        if not self._networks:
            self._epoch = epoch_seconds(network, images, labels, self._training)
        self._networks += 1
        return TrainedNetwork(first.fingerprint, file, math.nan, math.nan, math.nan)


class _Stopwatch(Silent):
    """Notes when each step ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def step(self, what: str, kind: str = "") -> None:
        """A step has ended."""
        self.times.append(time.perf_counter())


def epoch_seconds(
    network: Any, images: Images, labels: NDArray[np.int64], training: Training
) -> float:
    """Seconds of one epoch, compilation apart, from a few steps that train the network.

    Args:
        network: the Keras model.
        images: `[N, H, W, C]`, model units.
        labels: `[N]`.
        training: the settings.
    """
    some, own = images[: STEPS * training.batch_size], labels[: STEPS * training.batch_size]
    steps = -(-len(own) // training.batch_size)
    short = replace(training, epochs=-(-STEPS // steps), stop_accuracy=None)
    watch = _Stopwatch()
    fit(network, some, own, short, seed=0, name=network.name, progress=watch)
    seconds = float(np.median(np.diff(watch.times))) * -(-len(labels) // training.batch_size)
    if training.stop_accuracy is None:
        return seconds
    outputs = scores(network, training)
    outputs(some[:1])
    start = time.perf_counter()
    accuracy(outputs, some, own)
    return seconds + (time.perf_counter() - start) * len(labels) / len(own)
