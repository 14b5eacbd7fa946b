"""The files from which results can be read back, and the bytes of each."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from saliency_bench.protocols import SCHEMA_VERSION, interrupts
from saliency_bench.results import Examples, Results, contents
from saliency_bench.storage.store import write_atomic

CONCLUSIONS = ("valid", "problems", "guards")
"""Attributes of results that stand in the file of their provenance."""


def write(results: Results, folder: Path) -> None:
    """Write the files that `read` reads; each appears whole or not at all.

    Raises:
        OSError: if one cannot be written.
    """
    tables = {
        "summary.csv": csv(results.summary),
        "verdicts.csv": csv(results.verdicts),
        "networks.csv": csv(results.networks),
        "provenance.json": provenance(results),
    }
    if len(results.reliability):
        tables["reliability.csv"] = csv(results.reliability)
    if len(results.trainings):
        tables["trainings.csv"] = csv(results.trainings)
    if results.examples is not None:
        tables["examples.npz"] = examples(results.examples)
    else:  # an earlier report may have published them
        (folder / "examples.npz").unlink(missing_ok=True)
    for name, data in tables.items():
        write_atomic(folder / name, data)
    results.long_scores.save(folder / "scores.parquet")
    results.long_floors.save(folder / "floors.parquet")
    if results.long_metrics is not None and results.long_curves is not None:
        write_atomic(folder / "quality.csv", csv(results.quality))
        write_atomic(folder / "ranks.csv", csv(results.ranks))
        results.long_metrics.save(folder / "metrics.parquet")
        results.long_curves.save(folder / "curves.parquet")


def csv(table: pd.DataFrame) -> bytes:
    """`table` as csv, with the schema version as its first column."""
    return _versioned(table).to_csv(index=False).encode()


def provenance(results: Results) -> bytes:
    """What determined the numbers, and whether they may be used, as strict json."""
    facts = {
        **results.provenance,
        "schema_version": SCHEMA_VERSION,
        **{name: getattr(results, name) for name in CONCLUSIONS},
    }
    return (json.dumps(plain(facts), indent=2) + "\n").encode()


def plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as they are read back: plain values, sorted by name; NaN at any depth is None."""
    text = json.dumps(facts, default=_plain, sort_keys=True)
    # Json has no NaN; its text is turned into null when it is read.
    return dict(json.loads(text, parse_constant=lambda _: None))


def examples(found: Examples) -> bytes:
    """Example images and maps as an npz file."""
    places = [
        (check, explainer, stage)
        for check, explainers in found.maps.items()
        for explainer, stages in explainers.items()
        for stage in stages
    ]
    index = {
        "titles": list(found.titles),
        "maps": places,
        "conditions": [
            [c, s, n] for c, names in found.conditions.items() for s, n in names.items()
        ],
    }
    maps = {f"map{n}": found.maps[c][e][s] for n, (c, e, s) in enumerate(places)}
    index["shown"] = list(found.shown)
    maps |= {f"shown{n}": pixels for n, pixels in enumerate(found.shown.values())}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, allow_pickle=False, pixels=found.pixels, told=np.array(json.dumps(index)), **maps
    )
    return buffer.getvalue()


def read_examples(content: bytes) -> Examples:
    """Read the bytes from `examples`.

    Raises:
        ValueError: if they are damaged, or hold something else than `contents` says.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        index = json.loads(str(arrays.get("told", "null")))
    except Exception:  # the readers of archives and arrays may raise anything
        interrupts.ask()
        raise ValueError("examples.npz must be a whole archive of maps; it is damaged") from None
    contents.EXAMPLES("examples.npz", index)
    pixels = _pictures("pixels", arrays)
    maps: dict[str, dict[str, dict[int, NDArray[np.float32]]]] = {}
    for number, (check, explainer, stage) in enumerate(index["maps"]):
        found = _pictures(f"map{number}", arrays, len(pixels))
        maps.setdefault(check, {}).setdefault(explainer, {})[stage] = found
    for check, explainer in ((c, e) for c in maps for e in maps[c] if 0 not in maps[c][e]):
        raise ValueError(f"examples.npz must hold the untouched maps of {explainer}, {check}")
    conditions: dict[str, dict[int, str]] = {}
    for check, stage, name in index["conditions"]:
        conditions.setdefault(check, {})[stage] = name
    shown = {
        check: _pictures(f"shown{number}", arrays, len(pixels))
        for number, check in enumerate(index.get("shown", ()))
    }
    return Examples(pixels, tuple(index["titles"]), maps, conditions, shown)


def _pictures(
    name: str, arrays: Mapping[str, NDArray[Any]], count: int | None = None
) -> NDArray[np.float32]:
    """An array of pictures `[E, H, W, C]`; as many as `count`, if it is given."""
    found = arrays.get(name, np.empty(0))
    if found.ndim != 4 or found.dtype.kind != "f" or not found.size:
        raise ValueError(f"examples.npz must hold {name}, [E, H, W, C] floats; got {found.shape}")
    if count is not None and len(found) != count:
        raise ValueError(f"examples.npz must hold {count} maps in {name}; got {len(found)}")
    return found


def _versioned(table: pd.DataFrame) -> pd.DataFrame:
    rest = table.drop(columns="schema_version", errors="ignore")
    rest.insert(0, "schema_version", SCHEMA_VERSION)
    return rest


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
