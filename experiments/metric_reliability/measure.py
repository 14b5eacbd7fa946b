"""One network: all variants of all metrics on all maps, image by image, an explainer at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.metric_reliability import controls
from experiments.metric_reliability.variants import (
    CHANCE,
    DISTURBED,
    HALVES,
    LEAST,
    MOST,
    OWN,
    REDRAWN,
    RETEST,
    RETEST_CHANCE,
    seeded,
    variants,
)
from saliency_bench import engine, network, randomize
from saliency_bench.protocols import Floats, RegionExplainer, Study
from saliency_bench.protocols.metrics import VALUE, BoundMetric

RADIUS = 0.01
"""Of the minor disturbance, as a share of the image's range."""

FIXED = "*_shortcut_pad"
"""Kernels of 0 and 1 that were never learned, and are not redrawn."""

UNUSED = ("constant", "weight_hash", "edge_detector", "centre_prior")
"""Controls of every run whose result by a metric is not known."""

SMOOTH, INVERTED = "smooth_noise", "inverted"
ORACLES = {"faithfulness": "patch_oracle", "localisation": "own_region"}
"""The control that knows where the evidence is, by the family of the metric."""

REACTING = ("faithfulness", "localisation")
"""Families whose score must be worse with the map of another network."""


@dataclass(frozen=True)
class Maps:
    """The maps of one explainer, `[N, h, w, C']` each.

    Attributes:
        own: of the images.
        disturbed: of the disturbed images; None of a control.
        redrawn: of the images and a network whose weights are all redrawn; None of a control.
    """

    own: Floats
    disturbed: Floats | None = None
    redrawn: Floats | None = None


class Subject:
    """A study's images and network, with all metrics bound to it.

    Args:
        study: as the command line builds it.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        scene = study.scene
        self.images, self.targets = np.asarray(scene.images[:]), np.asarray(scene.targets)
        self.keys = np.asarray(scene.keys)
        self.other_keys = randomize.other_keys(self.keys, "retest")
        self.disturbed = controls.disturbed(self.images, self.keys, RADIUS)
        self.model = study.network.model
        with network.evaluating(study.batch_size, full=study.full):
            self.bound, self.outcome = engine.bind(study)
            self.metrics: dict[tuple[str, str], BoundMetric] = {
                (name, what): own.bind(self.model)
                for name, metric in study.metrics.items()
                for what, own in {
                    OWN: metric, RETEST: seeded(metric), **variants(name, metric)
                }.items()
            }  # fmt: skip

    @property
    def tested(self) -> list[str]:
        """The explainers under test that apply to the network."""
        names = [name for name in self.study.explainers if name not in self.study.controls]
        return [name for name in names if name in self.bound]

    def kept(self) -> NDArray[np.bool_]:
        """`[N]` whether the disturbed image is still of the class of the image."""
        classes = [self.study.network.outputs(own).argmax(axis=1)
                   for own in (self.images, self.disturbed)]  # fmt: skip
        return np.asarray(classes[0] == classes[1])

    def explain(self, name: str, images: Floats) -> NDArray[np.float32]:
        """The maps of an explainer or control, with the keys of the images."""
        explainer = self.study.explainers[name]
        if isinstance(explainer, RegionExplainer):
            return np.asarray(explainer.of_regions(images, self.study.regions))
        return np.asarray(self.bound[name](images, self.targets, keys=self.keys))


def measure(study: Study, folder: Path, threads: int) -> None:
    """Write a table for each explainer and control that has none in `folder`.

    Args:
        study: as the command line builds it.
        folder: of the tables, `EXPLAINER.csv`: metric, variant, image, value; larger is better.
        threads: explainers that are measured side by side.
    """
    folder.mkdir(parents=True, exist_ok=True)
    subject = Subject(study)
    kept = subject.kept()
    missing = {
        name: maps for name, maps in _all_maps(subject, lambda own: not _file(folder, own).exists())
    }
    with ThreadPoolExecutor(threads) as pool:
        jobs = [
            pool.submit(_write, subject, name, maps, kept, _file(folder, name))
            for name, maps in missing.items()
        ]
        for job in jobs:
            job.result()


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.csv"


def _all_maps(subject: Subject, wanted: Any) -> Iterator[tuple[str, Maps]]:
    """The maps of each explainer and control that is wanted."""
    study, images = subject.study, subject.images
    others = [name for name in study.controls if name not in UNUSED]
    tested = list(filter(wanted, subject.tested))
    redrawn = _redrawn(subject, tested)
    for name in tested:
        disturbed = subject.explain(name, subject.disturbed)
        yield name, Maps(subject.explain(name, images), disturbed, redrawn[name])
    for name in filter(wanted, others):
        yield name, Maps(subject.explain(name, images))
    if wanted(SMOOTH):
        yield SMOOTH, Maps(controls.smooth_noise(images.shape[1:3], subject.keys))
    for family in {metric.family for metric in study.metrics.values()} & ORACLES.keys():
        if wanted(f"{INVERTED} {ORACLES[family]}"):
            name = ORACLES[family]
            # Of a mask it is the rest of the picture: a negative map has no positive relevance.
            whole = 1 if family == "localisation" else 0
            yield f"{INVERTED} {name}", Maps(whole - subject.explain(name, images))


def _redrawn(subject: Subject, names: list[str]) -> dict[str, NDArray[np.float32]]:
    """Maps of the network with all of its weights redrawn."""
    model = subject.model
    variables = [
        variable
        for block in randomize.blocks(model)
        if not fnmatch(block.name, FIXED)
        for variable in block.variables
    ]
    values = randomize.redraw(model, variables, seed=subject.study.seed)
    with network.swapped(model, variables, values):
        return {name: subject.explain(name, subject.images) for name in names}


def _write(subject: Subject, name: str, maps: Maps, kept: NDArray[np.bool_], file: Path) -> None:
    tables = [
        pd.DataFrame({"metric": metric, "variant": what, "image": range(len(values)),
                      "value": values})
        for metric, facts in subject.study.metrics.items()
        if facts.controls or maps.redrawn is not None  # of controls only where a result is known
        for what, values in _numbers(subject, name, metric, maps, kept).items()
    ]  # fmt: skip
    part = file.with_suffix(".part")
    pd.concat(tables).to_csv(part, index=False)
    part.replace(file)
    print(f"{file.parent.name}: {name}", flush=True)


def _numbers(
    subject: Subject, name: str, metric: str, maps: Maps, kept: NDArray[np.bool_]
) -> Mapping[str, Floats]:
    """The values `[N]` of one explainer by one metric, by variant; larger is better."""
    facts = subject.study.metrics[metric]
    sign = 1 if facts.direction == "higher" else -1
    ask = partial(_measured, subject, name, metric)
    found, own = {}, ask(OWN, maps.own)
    found[OWN] = own[VALUE]
    if facts.chance:
        found[CHANCE] = _chance(ask, OWN, facts, maps.own, own, subject.keys)
    if maps.disturbed is None or maps.redrawn is None:
        return {what: sign * values for what, values in found.items()}
    for what, curve in zip((LEAST, MOST), HALVES.get(metric, ()), strict=False):
        # Hiding the most relevant parts must make the score fall.
        found[what] = (1 if what == LEAST else -1) * own[curve].mean(axis=1)
    again = partial(ask, keys=subject.other_keys)
    retest = again(RETEST, maps.own)
    found[RETEST] = retest[VALUE]
    if facts.chance:
        found[RETEST_CHANCE] = _chance(again, RETEST, facts, maps.own, retest, subject.other_keys)
    for what in variants(metric, facts):
        found[what] = ask(what, maps.own)[VALUE]
    disturbed = ask(OWN, maps.disturbed, images=subject.disturbed)[VALUE]
    found[DISTURBED] = np.where(kept, disturbed, np.nan)
    if facts.family in REACTING:
        found[REDRAWN] = ask(OWN, maps.redrawn)[VALUE]
    return {what: sign * values for what, values in found.items()}


def _chance(
    ask: Any, what: str, facts: Any, maps: Floats, own: Mapping[str, Floats], keys: Floats
) -> Floats:
    """What maps that know nothing score: as the metric says, or that of the moved maps."""
    known: Floats = own[CHANCE] if CHANCE in own else ask(what, facts.moved(maps, keys))[VALUE]
    return known


def _measured(
    subject: Subject, name: str, metric: str, what: str, maps: Floats, *,
    images: Floats | None = None, keys: Floats | None = None,
) -> Mapping[str, Any]:  # fmt: skip
    """All that a variant of a metric finds of some maps."""

    def explain(images: Floats, targets: Floats, keys: Floats | None) -> Floats:
        return subject.bound[name](images, targets, keys=keys)

    bound: Any = subject.metrics[metric, what]
    return bound.measure(
        maps,
        subject.images if images is None else images,
        subject.targets,
        regions=subject.study.regions,
        explain=explain,
        keys=subject.keys if keys is None else keys,
    )
