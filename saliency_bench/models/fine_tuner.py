"""Fine-tunes the network under test in place, each lesson once: files keep the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network as networks
from saliency_bench.models import fingerprint, weights_file
from saliency_bench.models.cache_keys import CacheKeys
from saliency_bench.models.rehearsal import Rehearsal
from saliency_bench.models.training import Training, accuracy, fit, scores
from saliency_bench.models.weights_file import StoredWeights
from saliency_bench.protocols import (
    Dataset,
    FineTuned,
    FineTuning,
    Made,
    Network,
    NotApplicable,
    Outstanding,
    Progress,
    Rows,
    Silent,
    TrainedNetwork,
)
from saliency_bench.randomize import stream
from saliency_bench.storage.fingerprint import identity
from saliency_bench.storage.store import remove_partial_files

BATCH = 64
"""Images per step."""


class FineTuner:
    """Fine-tunes any built Keras model on changed training images, or reads the result from a file.

    The model is trained where it is and gets its own weights back, bit for bit: nothing of it is
    copied or built again, so that a subclassed model serves as well as any other.

    Args:
        dataset: the whole dataset; its preprocessing gives what the model takes.
        seed: of the changes of images and the order of images.
        cache: the folder of trained networks, which all runs share.
        progress: shows the training; default: nothing is shown.
        rehearsal: train nothing: this folder keeps the networks of a plan.

    Raises:
        ValueError: if the dataset has no labelled images to train on.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        seed: int = 0,
        cache: str | Path = "results/cache",
        progress: Progress | None = None,
        rehearsal: Path | None = None,
    ) -> None:
        if dataset.train_pixels is None or dataset.train_labels is None:
            raise ValueError(
                f"fine-tuning needs labelled images to train on; dataset {dataset.name} has none"
            )
        self._dataset = dataset
        self._labels = dataset.train_labels
        self._rows = Rows(dataset.train_pixels, dataset.preprocessing)
        self._seed = seed
        self._cache = Path(cache)
        self._progress = progress or Silent()
        self._folder = rehearsal
        self._rehearsal: Rehearsal | None = None
        self._tuned: dict[FineTuning, FineTuned] = {}

    @property
    def images(self) -> Rows:
        """The images to train on, model units."""
        return self._rows

    @property
    def tuned(self) -> Mapping[FineTuning, FineTuned]:
        """The networks that were requested so far."""
        return MappingProxyType(self._tuned)

    @property
    def outstanding(self) -> Outstanding | None:
        """What a rehearsal leaves to be trained; None if nothing is."""
        return None if self._rehearsal is None else self._rehearsal.outstanding

    def __call__(self, network: Network, tuning: FineTuning) -> FineTuned:
        """The network after fine-tuning, or as it is in a rehearsal; it comes back as it was.

        Raises:
            NotApplicable: if none of its weights may be trained.
            ValueError: if the labels are none of its classes, or the training diverges.
        """
        if tuning not in self._tuned:
            self._tuned[tuning] = self._find_or_tune(network, tuning)
        return self._tuned[tuning]

    def _find_or_tune(self, network: Network, tuning: FineTuning) -> FineTuned:
        model = network.model
        if not model.trainable_variables:
            raise NotApplicable("none of the network's weights may be trained (trainable=False)")
        self._require_classes(network.outputs(self._rows[:1]).shape[1])
        training = _training(tuning)
        file = self._cache / f"{self._key(model, tuning, training)}.npz"
        remove_partial_files(self._cache)
        stored = weights_file.read_whole(file, self._progress.tell)
        if stored is None and self._folder is not None:
            return self._rehearsed(network, tuning, training, self._folder)
        if stored is None:
            stored = self._tune(network, tuning, training)
            weights_file.save(stored, file)
        return self._described(network, tuning, training, stored, file)

    def _key(self, model: Any, tuning: FineTuning, training: Training) -> str:
        start = fingerprint.of_network(model) | {"trainable": _trainable(model)}
        lesson = f"fine-tuned: {identity(tuning)}"
        keys = CacheKeys(self._dataset, training)
        return keys.weights(lesson, start, self._labels, seed=self._seed)

    def _require_classes(self, classes: int) -> None:
        """Raise `ValueError` if the network has no score for a label; one unit has two classes."""
        highest = int(self._labels.max())
        if highest >= max(2, classes):
            raise ValueError(
                f"labels of the images to train on must lie in 0..{max(2, classes) - 1}, the "
                f"classes of the network; got {highest}"
            )

    def _tune(self, network: Network, tuning: FineTuning, training: Training) -> StoredWeights:
        model, labels = network.model, np.tile(self._labels, tuning.epochs)
        name = f"{model.name}, fine-tuned"
        with _kept(network):
            history, learned = fit(
                model, self._lesson(tuning), labels, training,
                seed=self._seed, name=name, progress=self._progress,
            )  # fmt: skip
            return StoredWeights([v.numpy().copy() for v in model.variables], learned, history)

    def _rehearsed(
        self, network: Network, tuning: FineTuning, training: Training, folder: Path
    ) -> FineTuned:
        """The network as it is, and the time of its training."""
        self._rehearsal = self._rehearsal or Rehearsal(training, folder)
        labels = np.tile(self._labels, tuning.epochs)
        with _kept(network):
            untrained = self._rehearsal(network.model, self._lesson(tuning), labels)
        unknown = (np.nan, np.nan)
        return FineTuned(untrained, len(self._tested[1]), self._chance, unknown, unknown)

    def _lesson(self, tuning: FineTuning) -> Rows:
        """Each training image once for every epoch, changed anew."""
        return _changed(self._rows, tuning, ("fine-tuning", self._seed), copies=tuning.epochs)

    def _described(
        self,
        network: Network,
        tuning: FineTuning,
        training: Training,
        stored: StoredWeights,
        file: Path,
    ) -> FineTuned:
        """Accuracies before and after, stored beside the weights: computing them takes a while."""
        images, labels = self._tested
        sets = {"plain": images, "changed": _changed(images, tuning, ("fine-tuned", self._seed))}
        test = CacheKeys(self._dataset, training).test
        model = network.model
        outputs = scores(model, training)

        def share(name: str) -> float:
            own = file.with_name(f"{file.stem}-{test}-{name}.json")
            known = weights_file.read_accuracy(own)
            if known is None:
                known = accuracy(outputs, sets[name.split()[0]], labels)
                weights_file.save_accuracy(known, own)
            return known

        before = {name: share(name) for name in sets}
        with networks.swapped(model, model.variables, stored.values):
            after = {name: share(f"{name} tuned") for name in sets}
        trained = TrainedNetwork(
            stored.fingerprint, file, stored.train_accuracy, after["plain"], self._chance,
            history=stored.history,
        )  # fmt: skip
        pairs = {name: (before[name], after[name]) for name in sets}
        return FineTuned(trained, len(labels), self._chance, pairs["plain"], pairs["changed"])

    @cached_property
    def _tested(self) -> tuple[Rows, NDArray[np.int64]]:
        """The images on which accuracies are taken, model units, and their labels."""
        labels = self._dataset.labels
        return (self._rows, self._labels) if labels is None else (self._dataset.rows, labels)

    @property
    def _chance(self) -> float:
        labels = self._tested[1]
        return float(np.bincount(labels).max() / len(labels))


@contextmanager
def _kept(network: Network) -> Iterator[None]:
    """A block that may train the network, which comes back as it was."""
    model = network.model
    values = [variable.numpy().copy() for variable in model.variables]
    with network.guarded(), networks.swapped(model, model.variables, values):
        yield


def _training(tuning: FineTuning) -> Training:
    # Copies of all epochs are mixed: one pass over them is the whole lesson.
    return Training(
        learning_rate=tuning.learning_rate, epochs=1, batch_size=BATCH, stop_accuracy=None
    )


def _trainable(model: Any) -> list[bool]:
    return [bool(variable.trainable) for variable in model.variables]


def _changed(
    images: Rows, tuning: FineTuning, purpose: tuple[int | str, ...], copies: int = 1
) -> Rows:
    """Changed copies of images, made when they are indexed; each follows from its number alone."""
    count = len(images)

    def make(numbers: NDArray[np.integer[Any]]) -> NDArray[Any]:
        pairs = zip(images[numbers % count], numbers, strict=True)
        return np.stack([tuning.changed(one, stream(*purpose, int(n))) for one, n in pairs])

    keep: Callable[[NDArray[Any]], NDArray[Any]] = np.asarray
    return Rows(Made((copies * count, *images.shape[1:]), make), keep)
