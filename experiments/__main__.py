"""Run the studies and keep their evidence: `python -m experiments [STUDY ...]`.

Each preset of experiments/<study>/experiment/ that states `expected` verdicts is run into
results/studies/<preset>; tables, figures and provenance are then copied to
results/reference/<study>/. A study whose presets state none has a command of its own, which is
run instead. The exit status is the worst one: 1 if a verdict is not the expected one or a control
failed, 2 if a study could not be run, for want of its data for example.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
DATA = "SALIENCY_BENCH_DATA"
"""Variable that names the folder of the images and networks; without it, `data`."""

WITHHELD = {"imagenet_mobilenet": "maps_*_0.png"}
"""Figures that are not kept: the first photo of this study shows a person's face."""

EVIDENCE = ("report.md", "summary.csv", "verdicts.csv", "networks.csv", "provenance.json")

ALSO = ("trainings.csv",)
"""Evidence of runs that trained their networks."""


def presets(study: str) -> Iterator[str]:
    """The presets of a study that state what is expected."""
    for path in sorted((HERE / study / "experiment").glob("*.yaml")):
        if "\nexpected:" in path.read_text(encoding="utf-8"):
            yield path.stem


def run(study: str, preset: str) -> int:
    """Run one preset, or go on with it; returns its exit status."""
    folder = Path("results/studies") / preset
    command = [
        *(sys.executable, "-m", "saliency_bench"),
        *("--config-dir", f"experiments/{study}", f"+experiment={preset}", f"run_dir={folder}"),
    ]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    if (ROOT / folder / "report.md").exists():
        keep(ROOT / folder, reference(study, preset))
    return status


def run_command(study: str) -> int:
    """Run the command of a study; returns its exit status."""
    command = [sys.executable, "-m", f"experiments.{study}"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def reference(study: str, preset: str) -> Path:
    """Where the evidence of a preset is kept; a study's only preset bears its name."""
    folder = ROOT / "results" / "reference" / study
    return folder if preset == study else folder / preset


def keep(folder: Path, kept: Path) -> None:
    """Copy what a reader needs of a run folder; the PNG figures, not the scores."""
    shutil.rmtree(kept, ignore_errors=True)
    (kept / "figures").mkdir(parents=True)
    for name in EVIDENCE:
        shutil.copy(folder / name, kept / name)
    for name in ALSO:
        if (folder / name).exists():
            shutil.copy(folder / name, kept / name)
    report = (kept / "report.md").read_text(encoding="utf-8")
    for figure in (folder / "figures").glob("*.png"):
        if fnmatch(figure.name, WITHHELD.get(kept.name, "")):
            link = f"![{figure.stem}](figures/{figure.name})"
            report = report.replace(link, "*Not kept: the photo shows a person's face.*")
        else:
            shutil.copy(figure, kept / "figures" / figure.name)
    (kept / "report.md").write_text(report, encoding="utf-8")


def main(studies: list[str]) -> int:
    """Run the named studies, or all; returns the worst exit status."""
    known = sorted(path.parent.name for path in HERE.glob("*/experiment"))
    unknown = set(studies) - set(known)
    if unknown:
        print(f"a study must be one of {', '.join(known)}; got {unknown.pop()}", file=sys.stderr)
        return 2
    if not (DATA in os.environ or (ROOT / "data").is_dir()):
        print(f"{DATA} must name the folder of the studies' data; it is not set", file=sys.stderr)
        return 2
    statuses: dict[str, int] = {}
    for study in studies or known:
        own = {preset: run(study, preset) for preset in presets(study)}
        statuses |= own or {study: run_command(study)}
    for preset, status in statuses.items():
        print(f"{preset}: {'as expected' if status == 0 else f'status {status}'}")
    return max(statuses.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
