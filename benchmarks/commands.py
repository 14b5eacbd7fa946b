"""The real command on digits, in a working directory whose networks are trained already."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.timing import Cost, cost

SMALL = ("n_images=16", "model.filters=[4,8]", "model.units=128")
"""What makes a run short, for trying out."""


def run(folder: Path, *arguments: str, interpreter: tuple[str, ...] = ()) -> Cost:
    """`python -m saliency_bench` in a folder.

    Raises:
        RuntimeError: if its exit status is not 0.
    """
    return cost([sys.executable, *interpreter, "-m", "saliency_bench", *arguments], folder=folder)


@contextmanager
def trained(*arguments: str) -> Iterator[Path]:
    """A working directory in which a run with these arguments finds its networks trained."""
    with TemporaryDirectory() as name:
        few = ("explainer=[gradient]", "n_images=16", "draws=3")  # enough for a run that is valid
        run(Path(name), *arguments, *few, "run_dir=first")
        yield Path(name)
