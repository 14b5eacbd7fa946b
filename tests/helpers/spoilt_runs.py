"""A small finished run, and many ways to spoil each of its files."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.evidence import CHECK, SIGNED, floored, scored
from helpers.runs import made, noisy, saved, trainings_of
from helpers.spoilt import cuts
from saliency_bench.results import Examples, Results
from saliency_bench.storage.longtable import KEYS, LongTable

SIDE = 6
EDGES = {"edge_detector": "EdgeDetector"}
STAGES = (0, 1, 2)


def run() -> Results:
    """A run with every file: one explainer that passes, and a control that fails as it must."""
    maps = np.random.default_rng(0).normal(size=(1, SIDE, SIDE, 1)).astype(np.float32)
    examples = Examples(
        np.abs(maps) / 9, ("image 0",), {CHECK: {"mine": dict.fromkeys(STAGES, maps)}},
        {CHECK: {stage: f"stage {stage}" for stage in STAGES}},
    )  # fmt: skip
    results = made(
        noisy(0.02, draws=3, images=6), scored("edge_detector", score=1.0, draws=3, images=6),
        controls=EDGES, floors=floored(0.1, 0.2),
        facts={
            "notes": ["all is well"], "warnings": [], "doses": {}, "checks_not_applicable": {},
            "model_facts": {"key": 1}, "n_images": 6, "batch_size": 32, "git": "",
            "tested": {"chance": 0.25},
        },
    )  # fmt: skip
    return replace(results, examples=examples, trainings=trainings_of())


@dataclass(frozen=True)
class SpoiltRun:
    """A run of which one file is spoilt.

    Attributes:
        name: what is done.
        file: the file.
        make: from the good file's bytes the spoilt ones; None: the file is removed.
        refused: whether it must be refused; None: it may mean nothing.
    """

    name: str
    file: str
    make: Callable[[bytes], bytes] | None
    refused: bool | None = None

    def into(self, good: Path, folder: Path) -> Path:
        """Write the spoilt run into a folder."""
        saved_files = {path.name: path.read_bytes() for path in good.iterdir()}
        content = saved_files.pop(self.file)
        folder.mkdir()
        for name, other in saved_files.items():
            (folder / name).write_bytes(other)
        if self.make is not None:
            (folder / self.file).write_bytes(self.make(content))
        return folder


FILES = ("provenance.json", "scores.parquet", "floors.parquet", "networks.csv", "trainings.csv",
         "examples.npz")  # fmt: skip
FREE = {"trainings.csv", "examples.npz"}
"""Files that a run need not have."""


def contents() -> Iterator[SpoiltRun]:
    """Every file removed, cut, with flipped bits, or another one in its place."""
    for file in FILES:
        yield SpoiltRun("removed", file, None, file not in FREE)
        for case in cuts():
            yield SpoiltRun(case.name, file, case.make, None if file.endswith("json") else True)
        for other in (b"[]", b"{}", b"null", b"\xff\xfe", b"a,b\n1,2\n", 9999 * b"[", b"\0" * 99):
            yield SpoiltRun(f"holds {other[:9]!r}", file, lambda _, it=other: it, True)
        for seed in range(12):
            sure = file.endswith("parquet") or None
            yield SpoiltRun(f"bit {seed}", file, lambda whole, s=seed: _flipped(whole, s), sure)


def _flipped(whole: bytes, seed: int) -> bytes:
    place, bit = np.random.default_rng(seed).integers([len(whole), 8])
    return whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :]


# ---------------------------------------------------------------- facts

DEEP: Any = 7
for _ in range(400):
    DEEP = [DEEP]

VALUES = {
    "null": None, "list": [], "object": {}, "text": "x", "minus_1": -1, "infinite": float("inf"),
    "true": True, "deep": DEEP, "list_of_numbers": [1], "object_of_lists": {"redraw": [[]]},
    "object_of_objects": {"redraw": {"a": {}}, "mine": None}, "fraction": 0.5, "huge": 10**30,
}  # fmt: skip


def facts() -> Iterator[SpoiltRun]:
    """Every fact, at any depth of what a check declares, replaced by every value, or removed."""
    whole = json.loads(_written("provenance.json"))
    places = [(name,) for name in whole if name != "expectations"]
    declared = whole["expectations"][CHECK]
    places += [("expectations",), ("expectations", CHECK)]
    places += [("expectations", CHECK, name) for name in declared]
    places += [
        ("expectations", CHECK, part, name) for part in ("words", "ceiling")
        for name in declared[part]
    ]  # fmt: skip
    for place in places:
        told = ".".join(place)
        yield SpoiltRun(f"{told} removed", "provenance.json", _facts(place, removed=True))
        for name, value in VALUES.items():
            sure = True if name == "deep" else None
            yield SpoiltRun(f"{told} = {name}", "provenance.json", _facts(place, value), sure)


def _facts(
    place: tuple[str, ...], value: Any = None, *, removed: bool = False
) -> Callable[[bytes], bytes]:
    def spoil(content: bytes) -> bytes:
        whole = json.loads(content)
        inner = whole
        for name in place[:-1]:
            inner = inner[name]
        inner.pop(place[-1])
        if not removed:
            inner[place[-1]] = value
        return json.dumps(whole).replace("Infinity", "1e400").encode()

    return spoil


# ---------------------------------------------------------------- columns

COLUMNS: dict[str, Callable[[pd.Series], Any]] = {
    "text": lambda column: "x",
    "minus_7": lambda column: -7,
    "infinite": lambda column: np.inf,
    "nothing": lambda column: np.nan,
    "half": lambda column: 0.5,
    "one_text": lambda column: [*column.astype(str)[:-1], "x"],
    "one_nothing": lambda column: [*column.astype(object)[:-1], None],
    "true": lambda column: True,
    "huge": lambda column: 1e300,
    "counted": lambda column: range(len(column)),
    "turned": lambda column: column.to_numpy()[::-1],
}


def columns() -> Iterator[SpoiltRun]:
    """Every column of every table removed, of another type, or filled with junk."""
    for file in FILES[1:-1]:
        for column in _table(file, _written(file)):
            if file.endswith("csv") or column not in KEYS:  # no long table is without a key
                yield SpoiltRun(f"{column} removed", file, _columns(file, column, None), True)
            for name, change in COLUMNS.items():
                yield SpoiltRun(f"{column} = {name}", file, _columns(file, column, change))
        yield SpoiltRun("rows twice", file, _rows(file, lambda t: pd.concat([t, t])))
        yield SpoiltRun("no rows", file, _rows(file, lambda t: t[:0]))
        yield SpoiltRun("a row", file, _rows(file, lambda t: t[:1]))


def _table(file: str, content: bytes) -> pd.DataFrame:
    if file.endswith("csv"):
        return pd.read_csv(io.BytesIO(content))
    return LongTable(content).frame()


def _rows(file: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[bytes], bytes]:
    def spoil(content: bytes) -> bytes:
        table = change(_table(file, content))
        if file.endswith("csv"):
            return table.to_csv(index=False).encode()
        keys = table.reindex(columns=KEYS).astype(object).fillna("nothing").astype(str)
        return LongTable.of(table.assign(**keys)).source

    return spoil


def _columns(
    file: str, column: str, change: Callable[[pd.Series], Any] | None
) -> Callable[[bytes], bytes]:
    if change is None:
        return _rows(file, lambda table: table.drop(columns=column))
    return _rows(file, lambda table: table.assign(**{column: change(table[column])}))


def _written(file: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return (saved(run(), Path(folder)) / file).read_bytes()


# ---------------------------------------------------------------- examples


def examples() -> Iterator[SpoiltRun]:
    """Arrays and index of the example maps that do not fit one another."""
    good = run().examples
    assert good is not None
    bad = {
        "pixels_flat": {"pixels": np.zeros(3, np.float32)},
        "pixels_of_text": {"pixels": np.full((1, SIDE, SIDE, 1), "x")},
        "pixels_of_nothing": {"pixels": np.zeros((1, 0, 0, 1), np.float32)},
        "maps_flat": {"map0": np.zeros(3, np.float32)},
        "maps_of_more_images": {"map1": np.zeros((2, SIDE, SIDE, 1), np.float32)},
        "maps_of_whole_numbers": {"map0": np.zeros((1, SIDE, SIDE, 1), np.int64)},
        "no_maps": {"map0": None},
        "no_index": {"told": None},
        "index_of_text": {"told": np.array("x")},
        "index_is_a_list": {"told": np.array("[]")},
        "index_of_nothing": {"told": np.array("{}")},
        "titles_are_text": {"titles": "abc"},
        "maps_are_flat": {"maps": ["a"]},
        "stage_is_text": {"maps": [[CHECK, "mine", "0"]]},
        "no_untouched_maps": {"maps": [[CHECK, "mine", 1]]},
        "conditions_are_null": {"conditions": None},
    }
    for name, change in bad.items():
        yield SpoiltRun(name, "examples.npz", lambda whole, c=change: _archive(whole, c), True)


def _archive(whole: bytes, change: dict[str, Any]) -> bytes:
    with np.load(io.BytesIO(whole)) as file:
        arrays = {name: file[name] for name in file.files}
    index = json.loads(str(arrays["told"]))
    told = {name: value for name, value in change.items() if name in index}
    if told:
        change = {"told": np.array(json.dumps({**index, **told}))}
    arrays = {n: a for n, a in {**arrays, **change}.items() if a is not None}
    sink = io.BytesIO()
    np.savez(sink, **arrays)
    return sink.getvalue()


# ---------------------------------------------------------------- tables that contradict


def contradictions() -> Iterator[SpoiltRun]:
    """Files that are well-formed, and do not fit together."""
    frames: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
        "an unknown check": lambda t: t.assign(check="other"),
        "an unknown explainer": lambda t: t.assign(explainer="other"),
        "an unknown similarity": lambda t: t.assign(similarity="other"),
        "no untouched maps": lambda t: t[t["stage"] > 0],
        "only untouched maps": lambda t: t[t["stage"] == 0],
        "one draw": lambda t: t[t["draw"] == 0],
        "one image": lambda t: t[t["image"] == 0],
        "all vanished": lambda t: t.assign(status="died", score=np.nan),
        "all failed": lambda t: t.assign(status="error"),
        "an unknown status": lambda t: t.assign(status="fine"),
        "no ceilings": lambda t: t.assign(ceiling=np.nan),
        "no nulls": lambda t: t.assign(null=np.nan),
        "ceilings as low as nulls": lambda t: t.assign(ceiling=t["null"]),
    }
    for name, change in frames.items():
        yield SpoiltRun(name, "scores.parquet", _rows("scores.parquet", change))
    for name in ("an unknown check", "no untouched maps", "only untouched maps", "one draw"):
        yield SpoiltRun(name, "networks.csv", _rows("networks.csv", frames[name]))
    named = {"expectations": {}, "thresholds": {SIGNED: None}, "signed": {}, "controls": {}}
    for name, value in named.items():
        yield SpoiltRun(f"{name} of others", "provenance.json", _facts((name,), value))
