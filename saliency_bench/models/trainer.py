"""Networks of one architecture on true or randomized labels, each trained once and then found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from saliency_bench import randomize
from saliency_bench.models import fingerprint, regularizers, weights_file
from saliency_bench.models.base import LoadedModel, as_loaded, check_fit
from saliency_bench.models.seeding import fresh_keras
from saliency_bench.models.training import Training, accuracy, fit, optimizer_of, scores
from saliency_bench.models.weights_file import StoredWeights
from saliency_bench.protocols import (
    Dataset,
    NetworkName,
    Networks,
    Progress,
    Rows,
    Silent,
    TrainedNetwork,
    Untrainable,
)
from saliency_bench.storage import source
from saliency_bench.storage.fingerprint import content_key, digest_of_array
from saliency_bench.storage.store import read_json, remove_partial_files, write_json


@runtime_checkable
class Trainable(Protocol):
    """The settings of networks that are trained here."""

    @property
    def training(self) -> Training:
        """How they are trained."""
        ...

    def network(self, shape: tuple[int, ...], n_classes: int, *, seed: int) -> Any:
        """The untrained Keras model for images `[H, W, C]`."""
        ...

    def fingerprint(self) -> str:
        """Hash of all settings."""
        ...


class Trainer:
    """Trains networks by name, or finds them in the cache: the files are the networks.

    What was trained in this process and what an earlier one left give the same numbers.

    Args:
        settings: architecture and training.
        dataset: all of it, not only the images that will be explained.
        seed: of the network under test; every other network's follows from it and its name.
        cache: the folder of trained networks, shared by all runs.
        progress: is told how far a training is; default: nobody is.

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
    ) -> None:
        if dataset.train_pixels is None or dataset.train_labels is None:
            raise ValueError(
                f"training needs labelled images to train on, dataset {dataset.name} has none; "
                "give dataset.train_path, or take model=saved or model=application"
            )
        self._settings = settings
        self._dataset = dataset
        self._pixels = dataset.train_pixels
        self._labels = dataset.train_labels
        self._seed = seed
        self._cache = Path(cache)
        self._progress = progress or Silent()
        self._starts: dict[str, NetworkName] = {}
        self._alike: dict[str, None] = {}
        self._trained: dict[NetworkName, TrainedNetwork] = {}

    @property
    def trained(self) -> Mapping[NetworkName, TrainedNetwork]:
        """Those that were asked for so far."""
        return MappingProxyType(self._trained)

    @cached_property
    def regularizers(self) -> tuple[str, ...]:
        """What in the architecture or the training hinders memorizing, in words."""
        training = self._settings.training
        words = [
            *regularizers.of_network(self._network(NetworkName())),
            *regularizers.of_training(training, optimizer_of(training)),
        ]
        return tuple(dict.fromkeys(words))

    @property
    def alike(self) -> tuple[str, ...]:
        """Variables that start alike in several networks, though not constant."""
        return tuple(self._alike)

    def __call__(self, name: NetworkName) -> TrainedNetwork:
        """The network of this name.

        Raises:
            ValueError: if it cannot be built or trained, or starts as another one does.
        """
        if name not in self._trained:
            self._trained[name] = self._found_or_trained(name)
        return self._trained[name]

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

    def _found_or_trained(self, name: NetworkName) -> TrainedNetwork:
        network = self._network(name)
        labels = self._labels_of(name)
        start = fingerprint.of_network(network)
        self._require_own_start(network, name)
        file = self._cache / f"{self._key(name, labels, start)}.npz"
        remove_partial_files(self._cache)
        stored = self._found(file)
        if stored is None:
            stored = self._fitted(network, labels, name)
            weights_file.save(stored, file)
        else:
            self._assign(network, stored)
        tested, chance = self._tested(network, file)
        return TrainedNetwork(
            stored.fingerprint, file, stored.train_accuracy, tested, chance,
            train_chance=_most_frequent(labels), seen=self._seen, history=stored.history,
        )  # fmt: skip

    def _network(self, name: NetworkName) -> Any:
        shape, seed = self._pixels.shape[1:], self._seed_of(name)
        with fresh_keras(seed):
            network = self._settings.network(shape, self._n_classes, seed=seed)
        trained_on = replace(self._dataset, pixels=self._pixels, labels=self._labels)
        check_fit(LoadedModel(network, None, network.name), trained_on)
        return network

    def _seed_of(self, name: NetworkName) -> int:
        """No two networks start, or see the images, alike."""
        if name == NetworkName():
            return self._seed
        key = (name.labels, str(float(name.fraction)), name.draw)
        return int(randomize.stream("network", self._seed, *key).integers(2**31))

    def _labels_of(self, name: NetworkName) -> NDArray[np.int64]:
        if name.labels == "true":
            return self._labels
        return randomize.labels(
            self._labels,
            seed=self._seed,
            draw=name.draw,
            policy=name.labels,
            fraction=name.fraction,
        )

    def _require_own_start(self, network: Any, name: NetworkName) -> None:
        drawn = dict(fingerprint.of_first_weights(network))
        others = {path: self._starts.setdefault(print_, name) for path, print_ in drawn.items()}
        alike = [path for path, other in others.items() if other != name]
        if alike and len(alike) == len(drawn):
            raise ValueError(
                f"networks must start from weights of their own, got the same ones for {name} and "
                f"{others[alike[0]]}; a seed that is fixed in the model must not be"
            )
        self._alike.update(dict.fromkeys(alike))

    def _found(self, file: Path) -> StoredWeights | None:
        try:
            return weights_file.read(file)
        except FileNotFoundError:
            return None
        except ValueError as error:
            self._progress.tell(f"training again: {error}")
            return None

    def _fitted(self, network: Any, labels: NDArray[np.int64], name: NetworkName) -> StoredWeights:
        history, reached = fit(
            network,
            Rows(self._pixels, self._dataset.preprocessing),
            labels,
            self._settings.training,
            seed=self._seed_of(name),
            name=f"{network.name}, {name}",
            progress=self._progress,
        )
        return StoredWeights([v.numpy() for v in network.variables], reached, history)

    @staticmethod
    def _assign(network: Any, stored: StoredWeights) -> None:
        for variable, value in zip(network.variables, stored.values, strict=True):
            variable.assign(value)

    def _tested(self, network: Any, file: Path) -> tuple[float, float]:
        """Accuracy on the images to explain, kept beside the weights, and that of guessing."""
        pixels, labels = self._dataset.pixels, self._dataset.labels
        if labels is None:
            return math.nan, math.nan
        chance = _most_frequent(labels)
        beside = file.with_name(f"{file.stem}-{self._test_key}.json")
        try:
            known = read_json(beside)
        except ValueError:  # damaged: no more is lost than a few seconds
            known = None
        if known is None:
            outputs = scores(network, self._settings.training)
            right = accuracy(outputs, pixels, labels, units=self._dataset.preprocessing)
            known = {"test_accuracy": right}
            write_json(beside, known)
        return float(known["test_accuracy"]), chance

    def _key(self, name: NetworkName, labels: NDArray[np.int64], start: Mapping[str, Any]) -> str:
        """Hash of all that decides the weights."""
        return content_key(
            {
                "model": self._settings.fingerprint(),
                "start": start,
                "images": self._images_key,
                "labels": digest_of_array(labels),
                "training": asdict(self._settings.training),
                "seed": self._seed_of(name),
                **compute(),
                "source": source.of_training(),
                "versions": [
                    version(n) for n in ("saliency-bench", "keras", "tensorflow", "numpy")
                ],
            }
        )

    @cached_property
    def _images_key(self) -> list[Any]:
        units = repr(self._dataset.preprocessing)
        return [self._pixels.shape, digest_of_array(self._pixels), units]

    @cached_property
    def _test_key(self) -> str:
        units = repr(self._dataset.preprocessing)
        arrays = [self._dataset.pixels, self._dataset.labels]
        return content_key(
            {"test": [units, *(digest_of_array(a) for a in arrays if a is not None)]}
        )

    @cached_property
    def _seen(self) -> float:
        """Share of the images to explain that are among those to train on."""
        known = set(randomize.image_keys(self._pixels).tolist())
        return float(np.mean([key in known for key in randomize.image_keys(self._dataset.pixels)]))

    @cached_property
    def _n_classes(self) -> int:
        """Of the true labels: a network's shape does not depend on what it is taught."""
        explained = -1 if self._dataset.labels is None else int(self._dataset.labels.max())
        return max(len(self._dataset.classes), int(self._labels.max()) + 1, explained + 1)


def compute() -> dict[str, Any]:
    """What of the process decides the bits of a training: its threads, if not one."""
    import tensorflow as tf

    threads = tf.config.threading.get_intra_op_parallelism_threads()
    return {} if threads == 1 else {"threads": threads}


def _most_frequent(labels: NDArray[np.int64]) -> float:
    """Share of the most frequent label."""
    return float(np.bincount(labels).max() / len(labels))


def with_others(
    model: Any, dataset: Dataset, *, seed: int, cache: Path, progress: Progress | None = None
) -> tuple[LoadedModel, Networks]:
    """The model of a config's `_target_`, and what trains others like it.

    Raises:
        TypeError: it is neither a model of ours nor a Keras model.
        ValueError: it cannot be had, or does not fit the dataset.
    """
    if not isinstance(model, Trainable):
        why = "it needs the training data and how to train on it, and this model is finished"
        return as_loaded(model, dataset, seed=seed, cache=cache), Untrainable(why)
    trainer = Trainer(model, dataset, seed=seed, cache=cache, progress=progress)
    return trainer.load(), trainer
