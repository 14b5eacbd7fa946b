"""A sweep of two jobs by joblib's launcher, against one job after the other."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import commands
from benchmarks.parts import Row
from benchmarks.timing import ratio

TITLE = "Launchers"
ABOUT = """Two jobs of a sweep (`-m +experiment=param_randomization seed=0,1 draws=3` on digits,
four explainers) with `hydra/launcher=two_processes`, which is joblib's, over the same sweep one job
after the other; whole commands, networks trained beforehand. 0.5 is the least."""
PACKAGES = ("tensorflow", "keras", "numpy", "hydra-core", "hydra-joblib-launcher", "joblib")

STUDY = (
    *("-m", "+experiment=param_randomization", "seed=0,1", "draws=3"),
    "explainer=[gradient,smoothgrad,guided_backprop,grad_cam]",
)
RUNS = 2


def rows(quick: bool) -> Iterator[Row]:
    """One row: the ratio."""
    study = (*STUDY, *(commands.SMALL if quick else ()))
    with commands.trained(*study) as folder:
        pairs = []
        for number in range(1 if quick else RUNS):
            two = commands.run(
                folder, *study, "hydra/launcher=two_processes", f"run_dir=two-{number}"
            )
            one = commands.run(folder, *study, f"run_dir=one-{number}")
            pairs.append(((two.wall, two.cpu), (one.wall, one.cpu)))
    found = ratio(pairs)
    yield {
        "launcher": "joblib",
        "jobs": 2,
        "processes": 2,
        "wall": found.wall,
        "cpu": found.cpu,
        "seconds": found.seconds,
    }
