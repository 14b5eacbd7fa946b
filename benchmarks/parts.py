"""The parts that can be measured, one at a time, and the file that each one leaves."""

from __future__ import annotations

import importlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol, cast

from saliency_bench.storage.store import write_atomic

Row = Mapping[str, str | int | float | None]
"""A line of a table; None where there is nothing to say."""

HERE = ("waiting", "explainers", "cascade", "kernels", "training", "overhead", "scaling")
"""Parts for which the environment of the package is enough."""

ELSEWHERE = ("peers", "launchers", "gpu")
"""Parts that need other libraries or an accelerator: `make bench-peers`, and so on."""


class Part(Protocol):
    """Something to measure: a module with these names.

    Attributes:
        TITLE: of its section on the page.
        ABOUT: what a row is, and what it is a multiple of.
        PACKAGES: those whose versions matter.
    """

    TITLE: str
    ABOUT: str
    PACKAGES: tuple[str, ...]

    def rows(self, quick: bool) -> Iterable[Row]:
        """What was measured, row by row; `quick` is for trying out: few repeats, small work."""


@dataclass(frozen=True)
class Found:
    """What one part measured, and where.

    Attributes:
        machine: system, processor, cores, memory.
        versions: of Python and the packages that matter.
        quick: whether this was only tried out.
        rows: of its table.
    """

    machine: str
    versions: Mapping[str, str]
    quick: bool
    rows: list[Row]


def part(name: str) -> Part:
    """A part by its name; what it measures with is imported with it."""
    return cast(Part, importlib.import_module(f"benchmarks.{name}"))


def measure(name: str, folder: Path, quick: bool) -> None:
    """Measure a part, print its rows as they come, and write its file."""
    measured = part(name)
    rows = []
    for row in measured.rows(quick):
        print(
            f"{name}: " + ", ".join(f"{key} {shown(value)}" for key, value in row.items()),
            flush=True,
        )
        rows.append(row)
    versions = {"python": platform.python_version()}
    versions |= {package: version(package) for package in measured.PACKAGES}
    found = asdict(Found(_machine(), versions, quick, rows))
    # A row a line, so that two measurements can be compared.
    lines = ",\n".join(json.dumps(row) for row in found.pop("rows"))
    text = json.dumps(found)[:-1] + f', "rows": [\n{lines}\n]}}\n'
    write_atomic(folder / f"{name}.json", text.encode())


def read(folder: Path) -> dict[str, Found]:
    """What was measured so far, by part."""
    paths = {name: folder / f"{name}.json" for name in (*HERE, *ELSEWHERE)}
    return {n: Found(**json.loads(p.read_text())) for n, p in paths.items() if p.is_file()}


def shown(value: str | int | float | None) -> str:
    """A value as it stands in a table."""
    if isinstance(value, float):
        return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"
    return "" if value is None else str(value)


def _machine() -> str:
    """Facts of the machine that hold on every day."""
    facts = [f"{platform.system()} {platform.machine()}", f"{os.cpu_count()} cores"]
    cpus = Path("/proc/cpuinfo")
    if cpus.is_file():
        models = [line for line in cpus.read_text().splitlines() if line.startswith("model name")]
        facts += [line.partition(":")[2].strip() for line in models[:1]]
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        facts.append(f"{pages / 2**30:.0f} GiB")
    return ", ".join(facts)
