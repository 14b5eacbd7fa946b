"""A request, loaded: data read, the model loaded or trained, the study built."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from saliency_bench.cli import objects, process
from saliency_bench.cli.request import RESULTS, Request

if TYPE_CHECKING:
    from saliency_bench.models import LoadedModel
    from saliency_bench.protocols import Dataset, Networks, Preprocessing, Study


@dataclass(frozen=True)
class Job:
    """A request, loaded.

    Attributes:
        study: what is run.
        preprocessing: pixels in [0, 1] to model units.
        facts: what the provenance says of dataset and model.
    """

    study: Study
    preprocessing: Preprocessing
    facts: Mapping[str, Any]


def loaded(request: Request) -> Job:
    """Start TensorFlow, load, train what the model needs."""
    config = request.config
    threading = {"deterministic": config.deterministic, "threads": compute_threads(config)}
    process.start_tensorflow(**threading)
    from saliency_bench.study.evaluate import Options, build

    dataset, model, weights = loaded_parts(request)
    options = Options(
        seed=config.seed,
        draws=config.draws,
        target=config.target,
        batch_size=config.batch_size,
        run_dir=request.folder,
        save_maps=config.save_maps,
        preprocessing=dataset.preprocessing,
        weights=weights,
        output=request.output,
    )
    built = build(
        model.model,
        dataset.rows,
        dataset.labels,
        explainers=request.parts["explainer"],
        checks=request.parts["check"],
        similarities=request.parts["similarity"],
        options=options,
    )
    built = replace(built, settings={**built.settings, **threading})
    facts = {
        "dataset": dataset.name,
        "model": model.name,
        "model_facts": dict(model.facts),
    }
    return Job(built, dataset.preprocessing, facts)


def loaded_parts(request: Request) -> tuple[Dataset, LoadedModel, Networks]:
    """The images to explain, the model that fits them, and others like it where checks ask."""
    from saliency_bench import models

    config = request.config
    retrains = any(check.anchor == "twins" for check in request.parts["check"].values())
    trains = retrains if request.model is None else request.model.trains
    dataset = request.dataset.load(train=trains)
    # A function's model is as finished as it comes where there is nothing to train it on.
    model = request.model or _function(config, trains=trains and dataset.train_labels is not None)
    if dataset.labels is None and config.target == "label":
        raise ValueError(f"target=label needs labels; {dataset.name} has none: target=predicted")
    cache = RESULTS / "cache"
    loaded, weights = models.with_others(model, dataset, seed=config.seed, cache=cache)
    if retrains and weights.regularizers:
        tell(f"hinders learning random labels: {', '.join(weights.regularizers)}")
    if loaded.preprocessing is not None:
        dataset = replace(dataset, preprocessing=loaded.preprocessing)
    if len(dataset.pixels) < config.n_images:
        tell(f"n_images={config.n_images}, but {dataset.name} has {len(dataset.pixels)}")
    return dataset.first(config.n_images), loaded, weights


def _function(config: DictConfig, *, trains: bool) -> Any:
    """What a user's own function gives: a finished model, or networks to be trained."""
    from saliency_bench import models
    from saliency_bench.models.seeding import fresh

    build, training = objects.function(config.model, "model")
    if trains:
        return models.Function(build, training or models.Training())
    with fresh(config.seed):  # layers without a name get the same one in every job of a sweep
        return objects.called(build, "model")


def compute_threads(config: DictConfig) -> int:
    """Compute threads; 0 leaves it to TensorFlow."""
    if config.threads is not None:
        return int(config.threads)
    return 1 if config.deterministic else 0


def tell(line: str) -> None:
    """A line on standard error."""
    print(f"saliency_bench: {line}", file=sys.stderr, flush=True)
