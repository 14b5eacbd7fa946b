"""What a whole run takes beside its explainers, and how soon a finished one is shown again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import commands
from benchmarks.parts import Row
from benchmarks.timing import alternate
from saliency_bench import engine, network
from saliency_bench.cli import load
from saliency_bench.cli.request import compose, read_request
from saliency_bench.storage.store import Store
from saliency_bench.study.run import run_study

TITLE = "Whole runs"
ABOUT = """`+experiment=sanity` on digits, 64 images, all explainers and controls of the preset,
networks trained beforehand. First line: the command of such a run once more after it has finished,
over the first time. Second: everything from binding the explainers to the written report, over
binding them and making the same calls of them, in one process; TensorFlow runs already."""
PACKAGES = ("tensorflow", "keras", "numpy")

STUDY = ("+experiment=sanity",)
WANTED, SOON = 1.25, 10


def rows(quick: bool) -> Iterator[Row]:
    """Total over explainers, and the time of a finished run."""
    study = (*STUDY, *(commands.SMALL if quick else ()))
    with commands.trained(*study) as folder:
        yield _again(folder, study, 1 if quick else 5)
        with contextlib.chdir(folder):  # where the trained networks are
            yield _total(study, 1 if quick else 5)


def _total(study: tuple[str, ...], runs: int) -> Row:
    job = load.load(read_request(compose(*study), Path("run")))
    calls: list[_Call] = []

    def total() -> None:
        with TemporaryDirectory() as name:
            run_study(job.study, Store(Path(name)), preprocessing=job.preprocessing).report(name)

    recorded = {n: _Recorded(n, e, calls) for n, e in job.study.explainers.items()}
    with TemporaryDirectory() as name:
        store, other = Store(Path(name)), replace(job.study, explainers=recorded)
        run_study(other, store, preprocessing=job.preprocessing)
    found = alternate(total, _explainers_alone(job.study, calls), runs=runs)
    return {
        "what": "total over explainers",
        "calls": len(calls),
        "wall": found.wall,
        "cpu": found.cpu,
        "seconds": found.seconds,
        "wanted": f"{WANTED}",
    }


_Call = tuple[str, tuple[Any, ...], Any]
"""Explainer, images and targets, keys."""


class _Recorded:
    """An explainer that notes how it is called."""

    def __init__(self, name: str, explainer: Any, calls: list[_Call]) -> None:
        self._name, self._explainer, self._calls = name, explainer, calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._explainer, name)

    def bind(self, model: Any) -> Callable[..., Any]:
        bound = self._explainer.bind(model)

        def call(images: Any, targets: Any, *, keys: Any = None) -> Any:
            self._calls.append((self._name, (images, targets), keys))
            return bound(images, targets, keys=keys)

        return call


def _explainers_alone(study: Any, calls: list[_Call]) -> Callable[[], None]:
    """The same calls and nothing else; what they cost does not depend on the weights."""

    def run() -> None:
        with network.evaluating(study.batch_size, full=study.full):
            bound, _ = engine.bind(study)
        for name, given, keys in calls:
            bound[name](*given, keys=keys)

    return run


def _again(folder: Path, study: tuple[str, ...], runs: int) -> Row:
    first = commands.run(folder, *study, "run_dir=run")
    again = [commands.run(folder, *study, "run_dir=run") for _ in range(runs)]
    # Python tells on standard error what it imports.
    told = commands.run(folder, *study, "run_dir=run", interpreter=("-X", "importtime")).output
    imported = {line.rpartition("|")[2].strip() for line in told.splitlines()}
    imports = "" if "tensorflow" in imported else "no "
    return {
        "what": f"finished run shown again, {imports}TensorFlow",
        "wall": median(one.wall for one in again) / first.wall,
        "cpu": median(one.cpu for one in again) / first.cpu,
        "seconds": median(one.wall for one in again),
        "wanted": f"{SOON} s",
    }
