"""The public entry point: do these explainers' maps depend on what the model learned?"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from saliency_bench.engine import MapsToSave
from saliency_bench.protocols import Check, Floats, Ints, Metric, Similarity, interrupts
from saliency_bench.results import Results, files
from saliency_bench.storage.store import Store
from saliency_bench.study import progress
from saliency_bench.study.build import Options, build
from saliency_bench.study.defaults import AnyExplainer, default_similarities
from saliency_bench.study.given import given
from saliency_bench.study.names import by_name, shown
from saliency_bench.study.run import run_study

Explainers = str | AnyExplainer | Collection[str | AnyExplainer] | Mapping[str, str | AnyExplainer]
Checks = str | Check | Collection[str | Check] | Mapping[str, str | Check]
Similarities = str | Similarity | Collection[str | Similarity] | Mapping[str, str | Similarity]
Metrics = str | Metric | Collection[str | Metric] | Mapping[str, str | Metric]
"""Names of conf/ or objects: one, several, or by the name that they get."""

EXPLAINERS = ("gradient", "integrated_gradients", "smoothgrad", "guided_backprop", "grad_cam")
CHECKS = ("param_randomization",)
"""What is taken by default, as on the command line: names of conf/."""

_LOG = logging.getLogger(__name__)


def evaluate(
    model: Any,
    images: Floats | Iterable[Any],
    targets: Ints | None = None,
    *,
    explainers: Explainers = EXPLAINERS,
    checks: Checks = CHECKS,
    similarities: Similarities | None = None,
    metrics: Metrics = (),
    options: Options | None = None,
) -> Results:
    """Do these explainers' maps depend on what the model learned?

    Runs every check on every explainer and on the controls, and compares the maps of the
    untouched model with those under each change. The model is restored afterwards. If it is not
    better than chance on the targets, a warning is logged at once, with the likely cause.

    Args:
        model: any built Keras model.
        images: `[N, H, W, C]` float, model units; 5 or more for a verdict. Or a `tf.data.Dataset`,
            a Keras `PyDataset` or any iterable of batches: images, (images, labels) or (images,
            labels, weights), with labels `[B]`, `[B, 1]` or one-hot `[B, K]`. Of batches the first
            `n_images` of the options are read, 64 by default, and not more.
        targets: `[N]` int true classes, or None: explain what the model predicts. Batches hold
            their own.
        explainers: names of conf/explainer, objects, or both: one, several, or a mapping from the
            names they get in the results. Any callable `f(model, images, targets) -> maps` is one.
        checks: what is changed, likewise; default: parameter randomization. None are needed where
            there are metrics: `checks=()`.
        similarities: likewise; default: Spearman signed and absolute, SSIM and HOG.
        metrics: what is asked of the maps of the untouched model, likewise; default: nothing.
        options: seeds, draws, sizes.

    Raises:
        ValueError: if the model has no logit, if images, targets or settings do not fit, or if a
            name is unknown; in one line.
        ProofError: if the model does not use the weights that were changed.
        KeyboardInterrupt: after Ctrl-C, whatever it broke off.
    """
    with interrupts.kept():
        return _evaluate(model, images, targets, explainers, checks, similarities, metrics, options)


def _evaluate(
    model: Any,
    images: Floats | Iterable[Any],
    targets: Ints | None,
    explainers: Explainers,
    checks: Checks,
    similarities: Similarities | None,
    metrics: Metrics,
    options: Options | None,
) -> Results:
    options = Options() if options is None else options
    if not isinstance(options, Options):
        raise ValueError(f"options must be Options(...); got {shown(options)}")
    taken = given(images, targets, options)
    options = taken.options
    measures = default_similarities() if similarities is None else similarities
    study = build(
        model, taken.images, taken.targets,
        explainers=by_name(explainers, "explainer", options),
        checks=by_name(checks, "check", options),
        similarities=by_name(measures, "similarity", options),
        metrics=by_name(metrics, "metric", options),
        options=options,
    )  # fmt: skip
    if not study.similarities:
        raise ValueError("similarities must name at least one; got none")
    study = replace(study, remarks=(*taken.remarks, *study.remarks))
    for line in study.remarks:
        _LOG.warning(line)
    run = partial(
        run_study,
        study,
        preprocessing=options.preprocessing,
        classes=options.classes,
        facts={"model": str(model.name)},
        progress=progress.for_python(options.progress),
        maps_to_save=MapsToSave(maps=options.save_maps),
    )
    if options.run_dir is not None:
        results = run(Store(Path(options.run_dir)))
        files.write(results, Path(options.run_dir))
        return results
    with tempfile.TemporaryDirectory() as folder:
        return run(Store(Path(folder))).in_memory()
