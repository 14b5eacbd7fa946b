"""Inputs of a study: the images, the model for them, and further networks of its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from saliency_bench import models, network
from saliency_bench.datasets import Source
from saliency_bench.models import LoadedModel
from saliency_bench.models.seeding import fresh_keras
from saliency_bench.models.trainable import Trainable
from saliency_bench.protocols import (
    Dataset,
    FineTuner,
    Networks,
    NotTuned,
    Output,
    Progress,
    TargetMode,
    Untrainable,
)
from saliency_bench.study.fit import fit_input


@dataclass(frozen=True)
class InputRequest:
    """The request for inputs.

    Attributes:
        dataset: where images come from.
        model: makes the model, or its trainer; called with whether there are images to train on.
        trains: whether to load images to train on.
        retrains: whether a check needs further networks.
        n_images: the most images that are explained.
        target: how the explained class is chosen.
        seed: of the network under test.
        cache: the folder of trained networks.
        output: what is explained.
        rehearsal: train nothing: this folder keeps the untrained networks of a plan.
        processes: most processes that train further networks at the same time.
        learns: whether a metric asks for images to train on.
    """

    dataset: Source
    model: Callable[[bool], Any]
    trains: bool
    retrains: bool
    n_images: int
    target: TargetMode
    seed: int
    cache: Path
    output: Output = "logit"
    rehearsal: Path | None = None
    processes: int = 1
    learns: bool = False


@dataclass(frozen=True)
class Inputs:
    """The inputs of a study.

    Attributes:
        dataset: the images to explain, in the order of the data set.
        model: the model under test.
        weights: trains further networks, if that is possible.
        tuner: fine-tunes the model, if that is possible.
        remarks: notes for the user, a line each.
        fit: a line on the range of the input, if it is remarkable.
    """

    dataset: Dataset
    model: LoadedModel
    weights: Networks
    tuner: FineTuner = field(default_factory=NotTuned)
    remarks: tuple[str, ...] = ()
    fit: str = ""


def load_inputs(asked: InputRequest, progress: Progress | None = None) -> Inputs:
    """Load the images, and load or train the model that fits them.

    Args:
        asked: the request.
        progress: is informed of each training.

    Raises:
        ValueError: if images or model cannot be loaded, or do not fit each other; or if pictures of
            several images are too large for a network that takes single ones.
    """
    dataset = asked.dataset.load(train=asked.trains or asked.learns)
    single = dataset.single or dataset
    model = asked.model(asked.trains and single.train_labels is not None)
    if dataset.labels is None and asked.target == "label":
        raise ValueError(f"target=label needs labels; {dataset.name} has none: target=predicted")
    if isinstance(model, Trainable) and dataset.single is not None:
        _require_resizable(model, dataset, single)
    loaded, weights = models.with_others(
        model, single, seed=asked.seed, cache=asked.cache, progress=progress,
        rehearsal=asked.rehearsal, processes=asked.processes,
    )  # fmt: skip
    remarks = tuple(_remarks(asked, dataset, weights))
    whole, units = dataset, loaded.preprocessing or dataset.preprocessing
    dataset, line = dataset.first(asked.n_images), ""
    if isinstance(weights, Untrainable):
        units, line = fit_input(loaded, single.first(asked.n_images), asked.output)
    tuner = _tuner(asked, replace(whole, preprocessing=units), progress)
    if dataset.single is not None:
        loaded = replace(loaded, model=network.resized(loaded.model, dataset.pixels.shape[1:]))
    return Inputs(replace(dataset, preprocessing=units), loaded, weights, tuner, remarks, line)


def _tuner(asked: InputRequest, dataset: Dataset, progress: Progress | None) -> FineTuner:
    if dataset.single is not None:
        return NotTuned(
            "it fine-tunes the network on single images, and explains them; these show several"
        )
    if dataset.train_pixels is None or dataset.train_labels is None:
        return NotTuned(
            f"it fine-tunes the network on labelled images to train on, and dataset {dataset.name} "
            "has none: give dataset.train_path"
        )
    folder = None if asked.rehearsal is None else asked.rehearsal / "fine-tuned"
    return models.FineTuner(
        dataset, seed=asked.seed, cache=asked.cache, progress=progress, rehearsal=folder
    )


def _require_resizable(model: Trainable, dataset: Dataset, single: Dataset) -> None:
    """Raise `ValueError`, before any training, if the network cannot take the larger pictures."""
    with fresh_keras(0):
        untrained = model.network(single.pixels.shape[1:], len(single.classes) or 2, seed=0)
        network.resized(untrained, dataset.pixels.shape[1:])


def _remarks(asked: InputRequest, dataset: Dataset, weights: Networks) -> Iterator[str]:
    if asked.retrains and weights.regularizers:
        yield f"hinders learning random labels: {', '.join(weights.regularizers)}"
    if len(dataset.pixels) < asked.n_images:
        yield f"n_images={asked.n_images}, but {dataset.name} has {len(dataset.pixels)}"
