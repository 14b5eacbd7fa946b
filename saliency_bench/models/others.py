"""The model under test, and further networks of its kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from saliency_bench.models.base import LoadedModel, as_loaded
from saliency_bench.models.trainable import Trainable
from saliency_bench.models.trainer import Trainer
from saliency_bench.protocols import Dataset, Networks, Progress, Untrainable


def with_others(
    model: Any,
    dataset: Dataset,
    *,
    seed: int,
    cache: Path,
    progress: Progress | None = None,
    rehearsal: Path | None = None,
    processes: int = 1,
) -> tuple[LoadedModel, Networks]:
    """Load the model under test, and the trainer of further networks of its architecture.

    Args:
        model: a model of this package, or a Keras model that a user's function returned.
        dataset: the whole dataset, not only the images to explain.
        seed: of the model; seeds of further networks follow from it.
        cache: the folder of trained networks.
        progress: shows the training; default: nothing is shown.
        rehearsal: see `Trainer`.
        processes: see `Trainer`.

    Raises:
        TypeError: if it is neither.
        ValueError: if it cannot be loaded or does not fit the dataset.
    """
    if not isinstance(model, Trainable):
        why = "it needs training data and a way to train on it; this model is already trained"
        return as_loaded(model, dataset, seed=seed, cache=cache), Untrainable(why)
    trainer = Trainer(
        model, dataset, seed=seed, cache=cache, progress=progress, rehearsal=rehearsal,
        processes=processes,
    )  # fmt: skip
    return trainer.load(), trainer
