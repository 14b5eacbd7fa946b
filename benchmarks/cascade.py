"""The run loop of a whole cascade, scoring and saving included, against its ideal."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.networks import data, evaluated, gradient_limit, m1, m2
from benchmarks.timing import alternate
from saliency_bench import checks, engine, network, randomize
from saliency_bench import explainers as ex
from saliency_bench import similarities as sim
from saliency_bench.protocols import Scene, Study
from saliency_bench.store import Store

IMAGES = 16
WANTED = 1.25


def rows() -> list[dict[str, Any]]:
    """A row per network: the loop over (stages + 1) compiled gradient batches."""
    return [_row("M1", m1()), _row("M2", m2())]


def _row(name: str, model: Any) -> dict[str, Any]:
    images, targets = data(model, IMAGES)
    study = _study(model, images, targets)
    with network.evaluating(IMAGES):
        bound, _ = engine.bind(study)
    steps = engine.plan(study)
    stages = len(randomize.blocks(model))

    def loop() -> None:
        with tempfile.TemporaryDirectory() as folder:
            engine.Loop(study, Store(Path(folder)), bound, engine.Silent()).run(steps)

    ideal = evaluated(gradient_limit(model), images, targets, IMAGES * (stages + 1))
    ratio = alternate(loop, ideal, runs=7)
    return {
        "network": name,
        "stages": stages,
        "wall": ratio.wall,
        "cpu": ratio.cpu,
        "seconds": ratio.seconds,
        "wanted": WANTED,
    }


def _study(model: Any, images: Any, targets: Any) -> Study:
    return Study(
        network=network.KerasNetwork(model, batch_size=IMAGES),
        scene=Scene(images, targets, randomize.image_keys(images)),
        explainers={"gradient": ex.Gradient()},
        similarities={"spearman_abs": sim.Spearman(), "ssim": sim.SSIM()},
        checks={"param_randomization": checks.ParameterRandomization()},
        draws=1,
        batch_size=IMAGES,
    )
