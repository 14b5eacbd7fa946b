"""Trains networks of one architecture on true or randomized labels, each once: files keep them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench import randomize
from saliency_bench.models import fingerprint, naming, regularizers, side_by_side, weights_file
from saliency_bench.models.base import LoadedModel, check_fit
from saliency_bench.models.cache_keys import CacheKeys
from saliency_bench.models.rehearsal import Rehearsal
from saliency_bench.models.seeding import fresh_keras
from saliency_bench.models.trainable import Trainable
from saliency_bench.models.training import accuracy, fit, optimizer_of, scores
from saliency_bench.models.weights_file import StoredWeights
from saliency_bench.protocols import (
    Dataset,
    NetworkName,
    Outstanding,
    Progress,
    Rows,
    Silent,
    TrainedNetwork,
)
from saliency_bench.storage.store import remove_partial_files


class Trainer:
    """Trains networks by name, or reads them from the cache.

    A network from the cache gives the same numbers as one that is trained now.

    Args:
        settings: architecture and training.
        dataset: the whole dataset, not only the images to explain.
        seed: of the network under test; seeds of other networks follow from it and their names.
        cache: the folder of trained networks, which all runs share.
        progress: shows the training; default: nothing is shown.
        rehearsal: train nothing: this folder keeps the untrained networks of a plan.
        processes: most processes that train at the same time; no number depends on it.

    Raises:
        ValueError: if the dataset has no labelled images to train on.
    """

    def __init__(
        self,
        settings: Trainable,
        dataset: Dataset,
        *,
        seed: int,
        cache: Path,
        progress: Progress | None = None,
        rehearsal: Path | None = None,
        processes: int = 1,
    ) -> None:
        if dataset.train_pixels is None or dataset.train_labels is None:
            raise ValueError(
                f"training needs labelled images to train on, dataset {dataset.name} has none; "
                "give dataset.train_path (a function returns them with the others), or take "
                "model=saved or model=application"
            )
        self._settings = settings
        self._dataset = dataset
        self._pixels = dataset.train_pixels
        self._labels = dataset.train_labels
        self._seed = seed
        self._cache = Path(cache)
        self._progress = progress or Silent()
        self._rehearsals = rehearsal
        self._processes = processes
        self._rehearsal = None if rehearsal is None else Rehearsal(settings.training, rehearsal)
        self._keys = CacheKeys(dataset, settings.training)
        self._lessons: dict[str, Trainer] = {}
        self._starts: dict[str, NetworkName] = {}
        self._alike: dict[str, None] = {}
        self._trained: dict[NetworkName, TrainedNetwork] = {}
        self._ready: dict[NetworkName, TrainedNetwork | None] = {}

    @property
    def trained(self) -> Mapping[NetworkName, TrainedNetwork]:
        """The networks that have been requested so far, those of other lessons last."""
        known = [self._trained, *(lesson.trained for lesson in self._lessons.values())]
        return MappingProxyType({name: of for networks in known for name, of in networks.items()})

    @property
    def dataset(self) -> Dataset:
        """The whole data set."""
        return self._dataset

    def on(self, dataset: Dataset) -> Trainer:
        """A trainer of such networks, with other first weights, on another data set.

        Raises `ValueError` if one of other content has that name.
        """
        if dataset.name in self._lessons:
            self._lessons[dataset.name]._keys.require_same(dataset)
        else:
            seed = int(randomize.stream("lesson", self._seed, dataset.name).integers(2**31))
            folder = self._rehearsals and self._rehearsals / str(len(self._lessons))
            self._lessons[dataset.name] = Trainer(
                self._settings, dataset, seed=seed, cache=self._cache, progress=self._progress,
                rehearsal=folder, processes=self._processes,
            )  # fmt: skip
        return self._lessons[dataset.name]

    @cached_property
    def regularizers(self) -> tuple[str, ...]:
        """What in the architecture or the training hinders memorizing; a text for each."""
        training = self._settings.training
        texts = [
            *regularizers.of_network(self._network(NetworkName())),
            *regularizers.of_training(training, optimizer_of(training)),
        ]
        return tuple(dict.fromkeys(texts))

    @property
    def alike(self) -> tuple[str, ...]:
        """Paths of variables with the same initial values, not constant, in several networks."""
        return tuple(self._alike)

    @property
    def outstanding(self) -> Outstanding | None:
        """What a rehearsal leaves to be trained, other lessons included; None if nothing is."""
        own = None if self._rehearsal is None else self._rehearsal.outstanding
        left = [o for o in (own, *(of.outstanding for of in self._lessons.values())) if o]
        networks = sum(o.networks for o in left)
        seconds = sum(o.networks * o.seconds for o in left)
        return Outstanding(networks, left[0].epochs, seconds / networks) if left else None

    def __call__(self, name: NetworkName) -> TrainedNetwork:
        """Train the network of this name, or read it from the cache.

        Raises:
            ValueError: if it cannot be built or trained, or has another network's initial weights.
        """
        if name not in self._trained:  # in the order of the requests, whatever was prepared
            self._trained[name] = self._ready.pop(name, None) or self._find_or_train(name)
        return self._trained[name]

    def prepare(self, names: Sequence[NetworkName]) -> None:
        """Train the networks of these names that are missing, side by side where that is faster.

        One with the most random labels, which take longest, is trained here first: that tells how
        long one takes. Raises as the call does.
        """
        if self._processes == 1 or self._rehearsal is not None or side_by_side.shares_a_device():
            return
        by_time = sorted({*names} - self._trained.keys(), key=lambda n: (-n.fraction, *n))
        self._ready |= {name: self._find(name) for name in by_time if name not in self._ready}
        missing = [name for name in by_time if self._ready[name] is None]
        if len(missing) < 3:
            return
        began, longest = time.perf_counter(), missing.pop(0)
        self._ready[longest] = self._find_or_train(longest)
        if side_by_side.is_faster(len(missing), time.perf_counter() - began, self._processes):
            own = Trainer(self._settings, self._dataset, seed=self._seed, cache=self._cache)
            work = [partial(own, name) for name in missing]  # they leave them in the cache
            side_by_side.run(work, self._processes, self._progress)

    def load(self) -> LoadedModel:
        """The network under test."""
        name = NetworkName()
        trained, model = self(name), self._network(name)
        self._assign(model, weights_file.read(trained.file))
        facts = {
            "key": trained.file.stem,
            "parameters": model.count_params(),
            **asdict(self._settings.training),
            "epochs_trained": len(trained.history),
            "train_accuracy": trained.train_accuracy,
            "test_accuracy": trained.test_accuracy,
        }
        return check_fit(LoadedModel(model, None, model.name, facts), self._dataset)

    def _find_or_train(self, name: NetworkName) -> TrainedNetwork:
        network, labels, file = self._begun(name)
        stored = weights_file.read_whole(file, self._progress.tell)
        if stored is None and self._rehearsal is not None:
            return self._rehearsal(network, self._images, labels)
        if stored is None:
            stored = self._train(network, labels, name)
            weights_file.save(stored, file)
        return self._described(network, labels, file, stored)

    def _find(self, name: NetworkName) -> TrainedNetwork | None:
        """The network from the cache; None if it is not there."""
        network, labels, file = self._begun(name)
        stored = weights_file.read_whole(file, self._progress.tell)
        return None if stored is None else self._described(network, labels, file, stored)

    def _begun(self, name: NetworkName) -> tuple[Any, NDArray[np.int64], Path]:
        """The untrained network, its labels, and its file in the cache."""
        network = self._network(name)
        self._require_own_start(network, name)
        remove_partial_files(self._cache)
        labels = naming.labels_of(name, self._labels, self._seed)
        model, seed = self._settings.fingerprint(), naming.seed_of(name, self._seed)
        key = self._keys.weights(model, fingerprint.of_network(network), labels, seed=seed)
        return network, labels, self._cache / f"{key}.npz"

    def _described(
        self, network: Any, labels: NDArray[np.int64], file: Path, stored: StoredWeights
    ) -> TrainedNetwork:
        self._assign(network, stored)
        test_accuracy, chance = self._test(network, file)
        return TrainedNetwork(
            stored.fingerprint, file, stored.train_accuracy, test_accuracy, chance,
            train_chance=_most_frequent(labels), seen=self._overlap, history=stored.history,
        )  # fmt: skip

    def _network(self, name: NetworkName) -> Any:
        shape, seed = self._pixels.shape[1:], naming.seed_of(name, self._seed)
        with fresh_keras(seed):
            network = self._settings.network(shape, self._n_classes, seed=seed)
        trained_on = replace(self._dataset, pixels=self._pixels, labels=self._labels)
        check_fit(LoadedModel(network, None, network.name), trained_on)
        return network

    def _require_own_start(self, network: Any, name: NetworkName) -> None:
        hashes = dict(fingerprint.of_first_weights(network))
        others = {path: self._starts.setdefault(hash_, name) for path, hash_ in hashes.items()}
        alike = [path for path, other in others.items() if other != name]
        if alike and len(alike) == len(hashes):
            raise ValueError(
                f"networks must start from different weights, got the same ones for {name} and "
                f"{others[alike[0]]}; the model must not fix a seed"
            )
        self._alike.update(dict.fromkeys(alike))

    def _train(self, network: Any, labels: NDArray[np.int64], name: NetworkName) -> StoredWeights:
        history, final_accuracy = fit(
            network,
            self._images,
            labels,
            self._settings.training,
            seed=naming.seed_of(name, self._seed),
            name=f"{network.name}, {name}",
            progress=self._progress,
        )
        return StoredWeights([v.numpy() for v in network.variables], final_accuracy, history)

    @staticmethod
    def _assign(network: Any, stored: StoredWeights) -> None:
        for variable, value in zip(network.variables, stored.values, strict=True):
            variable.assign(value)

    def _test(self, network: Any, file: Path) -> tuple[float, float]:
        """Accuracy on the images to explain, stored beside the weights; and that of guessing."""
        pixels, labels = self._dataset.pixels, self._dataset.labels
        if labels is None:
            return math.nan, math.nan
        chance = _most_frequent(labels)
        result_file = file.with_name(f"{file.stem}-{self._keys.test}.json")
        test_accuracy = weights_file.read_accuracy(result_file)
        if test_accuracy is None:  # computing it again takes seconds
            outputs = scores(network, self._settings.training)
            test_accuracy = accuracy(outputs, pixels, labels, units=self._dataset.preprocessing)
            weights_file.save_accuracy(test_accuracy, result_file)
        return test_accuracy, chance

    @property
    def _images(self) -> Rows:
        """The images to train on, model units."""
        return Rows(self._pixels, self._dataset.preprocessing)

    @cached_property
    def _overlap(self) -> float:
        """Share of the images to explain that are also training images."""
        known = set(randomize.image_keys(self._pixels).tolist())
        return float(np.mean([key in known for key in randomize.image_keys(self._dataset.pixels)]))

    @cached_property
    def _n_classes(self) -> int:
        """Number of classes of the true labels, so that all networks have the same shape."""
        explained = -1 if self._dataset.labels is None else int(self._dataset.labels.max())
        return max(len(self._dataset.classes), int(self._labels.max()) + 1, explained + 1)


def _most_frequent(labels: NDArray[np.int64]) -> float:
    """Share of the most frequent label."""
    return float(np.bincount(labels).max() / len(labels))
