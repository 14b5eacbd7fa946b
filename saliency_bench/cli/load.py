"""Carries out the slow part of a request: load images and model, build the study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from saliency_bench.cli import objects, process
from saliency_bench.cli.request import RESULTS, Request
from saliency_bench.protocols import command
from saliency_bench.protocols.processors import available

if TYPE_CHECKING:
    from saliency_bench.protocols import Preprocessing, Study
    from saliency_bench.study.inputs import Inputs


@dataclass(frozen=True)
class Job:
    """A job that is ready to run.

    Attributes:
        study: the study to run.
        preprocessing: from pixels in [0, 1] to model units.
        classes: the names of the classes; empty if unknown.
        facts: entries of the provenance on dataset and model.
    """

    study: Study
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    facts: Mapping[str, Any]


def load(request: Request, rehearsal: Path | None = None) -> Job:
    """Start TensorFlow, load images and model, train it if needed, and build the study.

    Args:
        request: the request.
        rehearsal: train nothing: this folder keeps the untrained networks of a plan.

    Raises:
        ValueError: in one line, if the parts cannot be loaded or do not fit each other.
    """
    config = request.config
    threading = {"deterministic": config.deterministic, "threads": compute_threads(config)}
    cores = compute_cores(config)
    process.start_tensorflow(**threading, cores=cores)
    from saliency_bench.study.build import Options, build

    inputs = load_inputs(request, rehearsal)
    dataset, model = inputs.dataset, inputs.model
    options = Options(
        seed=config.seed,
        draws=config.draws,
        target=config.target,
        batch_size=config.batch_size,
        cores=cores,
        run_dir=request.folder,
        save_maps=config.save_maps,
        preprocessing=dataset.preprocessing,
        weights=inputs.weights,
        tuner=inputs.tuner,
        regions=dataset.regions,
        mixed=dataset.single is not None,
        output=request.output,
    )
    study = build(
        model.model,
        dataset.rows,
        dataset.labels,
        explainers=request.parts["explainer"],
        checks=request.parts["check"],
        similarities=request.parts["similarity"],
        metrics=request.parts["metric"],
        options=options,
    )
    if inputs.weights.outstanding is None:  # an untrained network guesses
        if study.misfit:
            raise ValueError(study.misfit)
        for line in study.remarks:
            tell(line)
    remarks = (*filter(None, [inputs.fit]), *study.remarks)
    study = replace(study, settings={**study.settings, **threading}, remarks=remarks)
    facts = {
        "dataset": dataset.name,
        "model": model.name,
        "model_facts": dict(model.facts),
        "preprocessing": asdict(dataset.preprocessing),
    }
    return Job(study, dataset.preprocessing, dataset.classes, facts)


def load_inputs(request: Request, rehearsal: Path | None = None) -> Inputs:
    """The images to explain, the model under test, and further networks that checks train.

    Args:
        request: the request.
        rehearsal: see `load`.
    """
    from saliency_bench.protocols.metrics import learns
    from saliency_bench.study import inputs as study_inputs
    from saliency_bench.study import progress

    config = request.config
    retrains = any(check.trains for check in request.parts["check"].values())
    wanted = study_inputs.InputRequest(
        dataset=request.dataset,
        model=lambda trains: request.model or _function(config, trains=trains),
        trains=retrains if request.model is None else request.model.trains,
        retrains=retrains,
        n_images=config.n_images,
        target=config.target,
        seed=config.seed,
        cache=RESULTS / "cache",
        output=request.output,
        rehearsal=rehearsal,
        processes=compute_cores(config),
        learns=any(learns(metric) for metric in request.parts["metric"].values()),
    )
    inputs = study_inputs.load_inputs(wanted, progress.on_console(progress.stderr_console()))
    for line in filter(None, (*inputs.remarks, inputs.fit)):
        tell(line)
    return inputs


def _function(config: DictConfig, *, trains: bool) -> Any:
    """The model that a user's function returns, or a `Function` that trains such networks."""
    from saliency_bench import models
    from saliency_bench.models.seeding import fresh_keras

    build, settings = objects.function(config.model, "model", models.Function)
    if trains:
        return models.Function(build, **settings)
    with fresh_keras(config.seed):  # unnamed layers get the same names in every job of a sweep
        return objects.call(build, "model")


def compute_threads(config: DictConfig) -> int:
    """Number of compute threads; 0: TensorFlow chooses."""
    if config.threads is not None:
        return int(config.threads)
    return 1 if config.deterministic else 0


def compute_cores(config: DictConfig) -> int:
    """Number of explanations that this process makes at once."""
    return int(config.cores) if config.cores is not None else max(1, available() // config.workers)


def tell(line: str) -> None:
    """Print a line on standard error."""
    command.tell("saliency_bench", line)
