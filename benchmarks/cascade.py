"""The run loop of a whole cascade, scoring and saving included, against its ideal."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.networks import NETWORKS, data, evaluated, gradient_limit
from benchmarks.parts import Row
from benchmarks.timing import alternate
from saliency_bench import checks, engine, network, randomize
from saliency_bench import explainers as ex
from saliency_bench import similarities as sim
from saliency_bench.protocols import Scene, Silent, Study
from saliency_bench.protocols.processors import available
from saliency_bench.storage.store import Store

IMAGES = 16
WANTED = {"M1": ("2.5", ""), "M2": ("1.8", "1.1")}
"""CPU and wall, by network."""

TITLE = "Cascade"
ABOUT = f"""One draw of the whole top-down cascade with the gradient on {IMAGES} images, scored by
Spearman and SSIM, proven and saved, over (stages + 1) compiled gradient batches. The loop may use
all cores, so its wall time can fall below that of the batches."""
PACKAGES = ("tensorflow", "keras", "numpy")


def rows(quick: bool) -> Iterator[Row]:
    """A row per network: the loop over (stages + 1) compiled gradient batches."""
    for name, build in NETWORKS.items():
        yield _row(name, build(), 1 if quick else 7)


def _row(name: str, model: Any, runs: int) -> Row:
    images, targets = data(model, IMAGES)
    stages = len(randomize.blocks(model))
    ideal = evaluated(gradient_limit(model), images, targets, IMAGES * (stages + 1))
    ratio = alternate(loop(model, images, targets), ideal, runs=runs)
    return {
        "network": name,
        "stages": stages,
        "wall": ratio.wall,
        "cpu": ratio.cpu,
        "seconds": ratio.seconds,
        "wanted cpu": WANTED[name][0],
        "wanted wall": WANTED[name][1],
    }


def loop(model: Any, images: Any, targets: Any) -> Callable[[], object]:
    """A draw of the cascade, beginning with what binding an explainer leaves to be done."""
    study = _study(model, images, targets)
    with network.evaluating(IMAGES):
        bound, _ = engine.bind(study)
    steps = engine.make_steps(study)

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            engine.Loop(study, Store(Path(folder)), bound, Silent()).run(steps)

    return run


def _study(model: Any, images: Any, targets: Any) -> Study:
    return Study(
        network=network.KerasNetwork(model, batch_size=IMAGES),
        scene=Scene(images, targets, randomize.image_keys(images)),
        explainers={"gradient": ex.Gradient()},
        similarities={"spearman_abs": sim.Spearman(), "ssim": sim.SSIM()},
        checks={"param_randomization": checks.ParameterRandomization(stages="all")},
        draws=1,
        batch_size=IMAGES,
        cores=available(),
    )
