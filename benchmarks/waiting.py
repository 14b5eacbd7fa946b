"""What a user waits for: whole commands, a deep network at 224 px, and a second call."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import keras

from benchmarks import commands
from benchmarks.networks import NETWORKS, data
from benchmarks.parts import Row
from benchmarks.timing import Cost, alternate, cost, timed
from saliency_bench import checks, evaluate, network
from saliency_bench import explainers as ex
from saliency_bench.engine.cores import Cores
from saliency_bench.protocols.processors import available
from saliency_bench.study.build import Options

TITLE = "What a user waits for"
ABOUT = """Commands from their start to their end, on all cores; the default run trains its network,
the others find theirs trained. `--help` is over the import of Hydra and rich, and the start of the
default run up to its first saved cell over the import of TensorFlow. ResNet-50 has random weights
and 16 images of 224x224: 8 stages and 3 draws of gradient, GradCAM and guided backprop with the
controls, over the calls of these three on as many cores. A second call of an explainer compiles
nothing: it is over a call of one that was bound before."""
PACKAGES = ("tensorflow", "keras", "numpy", "hydra-core", "rich")

DEFAULT = ("+experiment=param_randomization",)
SANITY = ("+experiment=sanity",)
STAGES, DRAWS, IMAGES = 8, 3, 16


def rows(quick: bool) -> Iterator[Row]:
    """Seconds, ratios and what is wanted."""
    small, runs = (commands.SMALL, 1) if quick else ((), 5)
    with TemporaryDirectory() as name:
        yield _row("default run", commands.run(Path(name), *DEFAULT, *small))
    with commands.trained(*SANITY, *small) as folder:
        yield _row("sanity run", commands.run(folder, *SANITY, *small))
    yield from _starts(runs)
    deep = keras.applications.ResNet50(weights=None, classifier_activation=None)
    if not quick:
        yield _deep_cascade(deep)
    for name, build in {**NETWORKS, "ResNet-50": lambda: deep}.items():
        yield _second_call(name, build(), runs)


def _row(what: str, found: Cost) -> Row:
    peak = round(found.peak)
    return {"what": what, "seconds": found.wall, "cpu seconds": found.cpu, "MiB": peak}


def _starts(runs: int) -> Iterator[Row]:
    """The start of commands over what they must import."""
    with commands.trained(*DEFAULT) as folder:
        tensorflow = "import tensorflow"
        for what, start, imports, wanted in (
            ("`--help`", partial(_help, folder), "import hydra, rich.console", 2.2),
            ("first cell of the default run", partial(_first_cell, folder), tensorflow, 1.5),
            (
                "the same, `explainer=[gradient]`",
                partial(_first_cell, folder, "explainer=[gradient]"),
                tensorflow,
                1.5,
            ),
        ):
            ours, over = [], []
            for _ in range(runs):
                ours.append(start())
                over.append(ours[-1] / cost([sys.executable, "-c", imports]).wall)
            yield {"what": what, "seconds": median(ours), "over": median(over), "wanted": wanted}


def _help(folder: Path) -> float:
    return commands.run(folder, "--help").wall


def _first_cell(folder: Path, *overrides: str) -> float:
    """Seconds until a run has saved a cell; it is stopped then."""
    with TemporaryDirectory(dir=folder) as name:
        command = [sys.executable, "-m", "saliency_bench", *DEFAULT, *overrides]
        began = time.perf_counter()
        with subprocess.Popen(
            [*command, f"run_dir={name}"], cwd=folder, stderr=subprocess.DEVNULL
        ) as process:
            while not any(Path(name).glob("cells/*")) and process.poll() is None:
                time.sleep(0.01)
            seconds = time.perf_counter() - began
            process.kill()
    return seconds


def _deep_cascade(model: Any) -> Row:
    own = {"gradient": ex.Gradient(), "grad_cam": ex.GradCAM(), "guided": ex.GuidedBackprop()}
    images, targets = data(model, IMAGES)
    check = checks.ParameterRandomization(stages=STAGES)
    run = partial(evaluate, model, images, targets, explainers=own, checks=check)
    suited = network.KerasNetwork(model)
    suited.suit(images.shape[1:])
    rows = suited.batch_size
    with network.evaluating(rows, full=False):
        bound = [explainer.bind(model) for explainer in own.values()]
    parts = [slice(start, start + rows) for start in range(0, IMAGES, rows)]
    calls = [((b, p), partial(bound[b], images[p], targets[p])) for b in range(3) for p in parts]

    def limit() -> None:
        with Cores(available()) as cores:
            for _ in range(STAGES * DRAWS + 1):
                list(cores.run(enumerate(call for _, call in calls)))

    limit()
    least, _ = timed(limit)
    wall, cpu = timed(lambda: run(options=Options(draws=DRAWS)))
    return {
        "what": f"ResNet-50, {IMAGES} images",
        "seconds": wall,
        "cpu seconds": cpu,
        "over": wall / least,
        "wanted": 1.25,
    }


def _second_call(name: str, model: Any, runs: int) -> Row:
    images, targets = data(model, 4)
    gradient = ex.Gradient()
    bound = gradient.bind(model)
    found = alternate(
        lambda: gradient(model, images, targets), lambda: bound(images, targets), runs=runs
    )
    what = f"second call of an explainer, {name}"
    return {"what": what, "seconds": found.seconds, "over": found.wall, "wanted": 1.1}
