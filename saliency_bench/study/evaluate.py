"""The public entry point: do these explainers' maps depend on what the model learned?"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from saliency_bench.checks import ParameterRandomization
from saliency_bench.engine import MapsToSave
from saliency_bench.protocols import Check, Floats, Ints, Similarity, interrupts
from saliency_bench.results import Results
from saliency_bench.storage.store import Store
from saliency_bench.study.build import Options, build
from saliency_bench.study.defaults import AnyExplainer, default_similarities, named
from saliency_bench.study.run import run_study


def evaluate(
    model: Any,
    images: Floats,
    targets: Ints | None,
    *,
    explainers: Mapping[str, AnyExplainer],
    checks: Sequence[Check] = (ParameterRandomization(),),
    similarities: Mapping[str, Similarity] | None = None,
    options: Options | None = None,
) -> Results:
    """Do these explainers' maps depend on what the model learned?

    Runs every check on every explainer and on the controls, and compares the maps of the
    untouched model with those under each change. The model is restored afterwards.

    Args:
        model: any built Keras model.
        images: `[N, H, W, C]` float, model units; 5 or more for a verdict.
        targets: `[N]` int true classes, or None: explain what the model predicts.
        explainers: by the name they get in the results; any callable
            `f(model, images, targets) -> maps` is one.
        checks: what is changed; default: parameter randomization.
        similarities: by name; default: Spearman signed and absolute, SSIM and HOG.
        options: seeds, draws, sizes.

    Raises:
        ValueError: if the model has no logit, or images, targets or settings do not fit.
        ProofError: if the model does not use the weights that were changed.
        KeyboardInterrupt: after Ctrl-C, whatever it broke off.
    """
    with interrupts.kept():
        return _evaluate(
            model, images, targets, explainers, checks,
            similarities=similarities or default_similarities(), options=options or Options(),
        )  # fmt: skip


def _evaluate(
    model: Any,
    images: Floats,
    targets: Ints | None,
    explainers: Mapping[str, AnyExplainer],
    checks: Sequence[Check],
    *,
    similarities: Mapping[str, Similarity],
    options: Options,
) -> Results:
    study = build(
        model, images, targets, explainers=explainers, checks=named(checks),
        similarities=similarities, options=options,
    )  # fmt: skip
    run = partial(
        run_study,
        study,
        preprocessing=options.preprocessing,
        maps_to_save=MapsToSave(maps=options.save_maps),
    )
    if options.run_dir is not None:
        return run(Store(Path(options.run_dir)))
    with tempfile.TemporaryDirectory() as folder:
        results = run(Store(Path(folder)))
        tables = {
            name: getattr(results, name).in_memory() for name in ("long_scores", "long_floors")
        }
        return replace(results, **tables)
