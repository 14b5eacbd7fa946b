"""Objects on scenes, shown to networks that name the object or the scene."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network as networks
from saliency_bench.checks.base import Retrained
from saliency_bench.checks.composed import Images, Scenes
from saliency_bench.protocols import (
    BLOCK,
    Floats,
    Network,
    Preprocessing,
    Scene,
)

Task = Literal["object", "scene"]

Shown = Literal["object", "scene alone", "unnoticed"]
"""What lies on a scene: the object, nothing, or pixels that the network does not notice."""

NOTICED = 0.05
"""Distance of the logits of two images that a network tells apart, as a share of their spread."""

SEEN = 0.1
"""Least distance of such images, as a share of that of the scenes with the object and without."""

AIM = 0.01
"""The same, at which a search for an image that is not told apart ends."""

STEPS = 300
"""Most steps of the search."""


@dataclass(frozen=True)
class OnScenes(Retrained):
    """A condition that shows objects on scenes, or scenes alone, to a network of one task.

    Attributes:
        task: what it names.
        scenes: what the objects lie on.
        size: side of an object, as a share of the image's.
        units: model units of the images.
        shown: what lies on them.
    """

    task: Task
    scenes: Scenes
    size: float
    units: Preprocessing
    shown: Shown = "object"

    @contextmanager
    def applied(self, network: Network, scene: Scene) -> Iterator[Scene]:
        """Put the network in and lay the images on scenes; those it names wrongly are left out.

        Raises:
            ProofError: if the stored weights are not those of the training.
        """
        composed, alone, region, kinds = self.scenes.behind(scene, self.size, self.units)
        labels = np.asarray(scene.labels)
        with self.put_in(network):
            images = composed if self.shown == "object" else alone
            if self.shown == "unnoticed":
                images = _unnoticed(network, alone, composed, region, self.units)
            if self.task == "scene":
                region, labels = ~region | (self.shown == "scene alone"), kinds
            outputs = network.outputs(images)
            named = outputs.argmax(axis=1)
            kept = named == labels
            if self.shown == "unnoticed":
                kept &= _alike(network.outputs(alone), outputs)
                kept &= _length(images - alone) >= SEEN * _length(composed - alone)
            region = region & kept[:, np.newaxis, np.newaxis]
            targets = named if self.predicted else labels
            yield Scene(images, targets, self.keys(scene), region, labels)


def _unnoticed(
    network: Network,
    alone: Images,
    composed: Images,
    region: NDArray[np.bool_],
    units: Preprocessing,
) -> Images:
    """Scenes with something in the place of the object that leaves their logits as they are.

    The search begins with the object itself (Yang and Kim, 2019).
    """
    logits = network.outputs(alone)
    pixels = np.zeros((1, 1, alone.shape[-1]), np.float32)
    # Blocks of one size, so that an image is found again whatever the batches of the run.
    with networks.evaluating(BLOCK):
        search = networks.reaching(network.model, steps=STEPS)
    bounds = networks.Bounds(units(pixels), units(pixels + 1))
    return search(composed, logits, region, bounds, close=AIM * np.ptp(logits, axis=1))


def _length(images: Images) -> NDArray[np.float32]:
    return np.asarray(np.linalg.norm(images.reshape(len(images), -1), axis=1))


def _alike(logits: Floats, others: Floats) -> NDArray[np.bool_]:
    """`[N]`: whether a network hardly tells two images apart, and names the same class."""
    apart = np.linalg.norm(others - logits, axis=1)
    same = logits.argmax(axis=1) == others.argmax(axis=1)
    return np.asarray(same & (apart < NOTICED * np.ptp(logits, axis=1)))
