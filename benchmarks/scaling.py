"""How time and memory grow with images, stages, explainers and workers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks import commands
from benchmarks.parts import Row
from benchmarks.timing import cost

TITLE = "Scaling"
ABOUT = """Each line is a process of its own: `evaluate` on a network of 16 layers with weights,
random images, 2 draws, default similarities, and 7 controls beside the explainers; seconds of a run
with compilation but without the start of TensorFlow, and the most memory. The lines of `workers`
are the command `+experiment=param_randomization draws=3` on digits from its start to its end, with
the most memory that one of its processes held."""
PACKAGES = ("tensorflow", "keras", "numpy")

USUAL = {"images": 256, "side": 28, "stages": 4, "explainers": 1}
CURVES: dict[str, tuple[dict[str, int], ...]] = {
    "images": tuple({"images": count} for count in (64, 256, 1024, 4096)),
    "images at 224": tuple({"images": count, "side": 224} for count in (16, 64)),
    "stages": tuple({"stages": count} for count in (2, 4, 8, 16)),
    "explainers": tuple({"explainers": count} for count in (1, 2, 5, 10)),
}
STUDY = ("+experiment=param_randomization", "draws=3")
RUNS = 3


def rows(quick: bool) -> Iterator[Row]:
    """A row per point of a curve."""
    for curve, points in CURVES.items():
        for changed in points[:2] if quick else points:
            yield {"curve": curve} | _point({**USUAL, **changed}, 1 if quick else RUNS)
    yield from _workers(quick)


def _point(settings: dict[str, int], runs: int) -> dict[str, Any]:
    given = json.dumps({**settings, "runs": runs})
    done = cost([sys.executable, "-m", "benchmarks.point", given])
    found = json.loads(done.output.splitlines()[-1])
    return {
        **settings,
        "workers": 1,
        "seconds": found["seconds"],
        "cpu seconds": found["cpu_seconds"],
        "MiB": round(found["peak"]),
    }


def _workers(quick: bool) -> Iterator[Row]:
    """The real command, in turn with one worker and with two."""
    study = (*STUDY, *(commands.SMALL if quick else ()))
    with commands.trained(*study) as folder:
        pairs = [
            [
                commands.run(
                    folder, *study, f"workers={workers}", f"run_dir=run-{number}-{workers}"
                )
                for workers in (1, 2)
            ]
            for number in range(1 if quick else RUNS)
        ]
    for workers, costs in zip((1, 2), zip(*pairs, strict=True), strict=True):
        yield {
            "curve": "workers",
            "workers": workers,
            "seconds": median(one.wall for one in costs),
            "cpu seconds": median(one.cpu for one in costs),
            "MiB": round(max(one.peak for one in costs)),
        }
