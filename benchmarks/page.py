"""The page and its figure, composed from the files of the parts that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import figure
from benchmarks.parts import Found, Row, part, read, shown
from saliency_bench.cli import process
from saliency_bench.storage.store import write_atomic

HEAD = """# Speed

Ratios to a limit measured in the same process, in turn; medians. CPU seconds are those on all
cores, and one compute thread is used, as the command line's default. `make bench`,
`make bench-peers` and `make bench-launchers` measure it, `python -m benchmarks PART` one part."""

NOT_MEASURED = "Not measured: no GPU was at hand. `make bench-gpu` measures it."


def write(folder: Path) -> Path:
    """Compose `FOLDER.md` and `FOLDER.png` beside the folder of the parts' files."""
    # The parts' modules would start it with all that it prints.
    process.start_tensorflow(threads=1, deterministic=True)
    found = read(folder)
    page, picture = folder.with_suffix(".md"), folder.with_suffix(".png")
    sections = [HEAD]
    if figure.draw(found, picture):
        sections.append(f"![Ours and others over the limit; how a run scales]({picture.name})")
    sections += [_section(name, one) for name, one in found.items()]
    if "gpu" not in found:
        sections.append(f"## On an accelerator\n\n{NOT_MEASURED}")
    write_atomic(page, ("\n\n".join([*sections, _measured_on(found)]) + "\n").encode())
    return page


def _section(name: str, found: Found) -> str:
    measured = part(name)
    tried = "**Only tried out: these numbers mean little.**\n\n" if found.quick else ""
    rows = _side_by_side(found.rows) if name == "peers" else table(found.rows)
    return f"## {measured.TITLE}\n\n{measured.ABOUT}\n\n{tried}{rows}"


def _side_by_side(rows: Sequence[Row]) -> str:
    """A column per library with `CPU / wall`; what is to be known of them below, once each."""
    lines: dict[tuple[str, str], dict[str, str]] = {}
    notes: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in rows:
        network, method, library = str(row["network"]), str(row["method"]), str(row["library"])
        line = lines.setdefault((network, method), {"network": network, "method": method})
        measured = row["cpu"] is not None
        line[library] = f"{shown(row['cpu'])} / {shown(row['wall'])}" if measured else "-"
        if row["note"]:
            methods = notes.setdefault((library, str(row["note"])), {})
            methods.setdefault(method, []).append(network)
    told = [
        f"* {library}, {', '.join(map(_where, methods.items()))}: {note}"
        for (library, note), methods in notes.items()
    ]
    return "\n\n".join([table(list(lines.values())), "\n".join(told)])


def _where(of: tuple[str, list[str]]) -> str:
    """A method, and its network unless it is both."""
    method, networks = of
    return method if len(networks) > 1 else f"{method} on {networks[0]}"


def table(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table; its columns are those of any row."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[shown(row.get(column)) for column in columns] for row in rows]
    lines = [columns, ["---"] * len(columns), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _measured_on(found: Mapping[str, Found]) -> str:
    """Machine and versions, and which parts were measured with them."""
    places: dict[tuple[str, str], list[str]] = {}
    for name, one in found.items():
        versions = ", ".join(f"{package} {number}" for package, number in one.versions.items())
        places.setdefault((one.machine, versions), []).append(name)
    rows: list[Row] = [
        {"parts": ", ".join(names), "machine": machine, "versions": versions}
        for (machine, versions), names in places.items()
    ]
    return f"## Measured on\n\n{table(rows)}"
