"""Merges run folders: runs of one study are joined, different studies stay apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa

from saliency_bench.inference import Evidence
from saliency_bench.results import Examples, Results, files
from saliency_bench.results.conclude import conclude, evidence_of
from saliency_bench.results.read import naming_run, read_measurements
from saliency_bench.storage.longtable import Key, LongTable, open_writer

SAME_TABLE = (
    "weights_hash", "images_hash", "targets_hash", "seed", "target", "batch_size", "output",
    "deterministic", "threads", "versions", "source",
)  # fmt: skip
"""Facts that runs of one study share, so that one table may hold their scores."""

TOLD = ("seed", "dataset", "model", "target", "n_images", "weights_hash", "images_hash")
"""Facts that distinguish studies, the most informative first."""

_PLACE = ["stage", "draw", "image"]

_BRIEF = 12
"""Letters of a fact in a message."""


def merge_runs(folders: Sequence[Path], into: Path) -> dict[str, Results]:
    """The results of each study, by a name that distinguishes it from the others.

    Args:
        folders: of finished runs.
        into: folder for the tables of a study with several runs.

    Raises:
        ValueError: if a folder holds no finished run, or two runs of a study disagree on a score.
    """
    groups: dict[str, list[tuple[Path, Results]]] = {}
    for folder in dict.fromkeys(folders):
        results = read_measurements(folder)
        groups.setdefault(_study(results), []).append((folder, results))
    names = _names([runs[0][1].provenance for runs in groups.values()])
    several = len(groups) > 1
    return {
        name: _join(runs, into / name if several else into)
        for name, runs in zip(names, groups.values(), strict=True)
    }


def concat(several: Iterable[Results]) -> Results:
    """Join results of one study; see `Results.concat`.

    Raises:
        ValueError: in one line, if there are none, or they are no results of one study.
    """
    results = list(several)
    for found in results:
        if not isinstance(found, Results):
            raise ValueError(f"concat must get Results; got a {type(found).__name__}")
    if not results:
        raise ValueError("concat must get at least one Results; got none")
    facts = [files.plain(found.provenance) for found in results]
    for place, others in enumerate(facts[1:], 2):
        _require_one_study(facts[0], others, place)
    # The places stand in for the folders of runs: they name them in messages.
    runs = [
        (Path(f"results {place}"), replace(found, provenance=its))
        for place, (found, its) in enumerate(zip(results, facts, strict=True), 1)
    ]
    with TemporaryDirectory() as folder:
        return _join(runs, Path(folder)).in_memory()


def _require_one_study(facts: Mapping[str, Any], others: Mapping[str, Any], place: int) -> None:
    differ = [name for name in SAME_TABLE if facts.get(name) != others.get(name)]
    if differ:
        pairs = (f"{name} ({_brief(facts, name)} and {_brief(others, name)})" for name in differ)
        raise ValueError(
            f"results must be of one study to be joined; results 1 and {place} differ in "
            f"{', '.join(pairs)}: python -m saliency_bench.report RUN RUN sets studies side by side"
        )


def _brief(facts: Mapping[str, Any], name: str) -> str:
    """The start of a fact; texts, such as hashes, are long."""
    text = str(facts.get(name))
    return text if len(text) <= _BRIEF else f"{text[:_BRIEF]}..."


def tables(found: Mapping[str, Results]) -> dict[str, pd.DataFrame]:
    """The conclusions on several studies, each kind in one table with a column `study`."""
    return {
        name: pd.concat([getattr(r, name).assign(study=study) for study, r in found.items()])
        for name in ("summary", "verdicts", "reliability")
    }


def _study(results: Results) -> str:
    return repr([results.provenance.get(name) for name in SAME_TABLE])


def _names(facts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names that distinguish the studies in few words and are safe as folder names."""
    words = [""] * len(facts)
    for name in TOLD:
        if len(set(words)) == len(words):
            break
        values = [str(fact.get(name))[:12] for fact in facts]
        if len(set(values)) > 1:
            words = [f"{w} {name}={v}".strip() for w, v in zip(words, values, strict=True)]
    if len(set(words)) < len(words):
        words = [f"{word} study={place}".strip() for place, word in enumerate(words)]
    return [word.replace("/", "-") or "study" for word in words]


def _join(runs: Sequence[tuple[Path, Results]], into: Path) -> Results:
    """Join the runs of a study to one `Results`."""
    (folder, first), *others = runs
    evidence = _evidence(folder, first)
    for other, results in others:
        addition = _evidence(other, results)
        _require_alike(evidence.expectations, addition.expectations, f"{folder} and {other}")
        evidence = replace(
            evidence,
            networks=_rows(evidence.networks, addition.networks, ["check", "stage", "draw"]),
            expectations={**addition.expectations, **evidence.expectations},
            signed={**addition.signed, **evidence.signed},
            thresholds={**addition.thresholds, **evidence.thresholds},
            controls={**addition.controls, **evidence.controls},
            scores=evidence.scores,
        )
    if len(runs) > 1:
        long = [
            _long([(place, getattr(r, name)) for place, r in runs], into / f"{name[5:]}.parquet")
            for name in ("long_scores", "long_floors")
        ]
        evidence = replace(evidence, scores=long[0], floors=long[1])
    with naming_run(folder):
        return conclude(
            evidence,
            reduce(_facts, (results.provenance for _, results in runs)),
            examples=reduce(_examples, (results.examples for _, results in runs)),
            trainings=pd.concat([r.trainings for _, r in runs]).drop_duplicates(ignore_index=True),
            assessed=_assessed(runs, into),
        )


def _assessed(
    runs: Sequence[tuple[Path, Results]], into: Path
) -> tuple[LongTable, LongTable] | None:
    """The tables of the metrics of all runs that have some."""
    values = [(folder, r.long_metrics) for folder, r in runs if r.long_metrics is not None]
    curves = [(folder, r.long_curves) for folder, r in runs if r.long_curves is not None]
    if len(values) < 2:
        return (values[0][1], curves[0][1]) if values else None
    return (
        _long(values, into / "metrics.parquet", ["image"]),
        _long(curves, into / "curves.parquet", ["image", "place"]),
    )


def _evidence(folder: Path, results: Results) -> Evidence:
    with naming_run(folder):
        return evidence_of(results)


def _long(
    tables: Sequence[tuple[Path, LongTable]], path: Path, place: list[str] = _PLACE
) -> LongTable:
    """Join several long tables, writing key by key; `place` tells the rows of a key apart."""
    keys = dict.fromkeys(key for _, table in tables for key in table.keys)
    with open_writer(path, tables[0][1].schema) as writer:
        for key in keys:
            parts = [(folder, table) for folder, table in tables if key in table.keys]
            frame = _one(key, [(folder, table.rows(key)) for folder, table in parts], place)
            writer.write(key, pa.Table.from_pandas(frame, preserve_index=False))
    return LongTable(path, tables[0][1].names)


def _apart(one: Path, other: Path) -> str:
    """Two folders by their names; by their paths if the names are equal."""
    return f"{one} and {other}" if one.name == other.name else f"{one.name} and {other.name}"


def _one(key: Key, parts: Sequence[tuple[Path, pd.DataFrame]], place: list[str]) -> pd.DataFrame:
    """The rows of one key of all runs; rows that two runs share must be equal."""
    words = [name for name in parts[0][1] if parts[0][1][name].dtype == "category"]
    (folder, rows), *others = [(f, table.astype(dict.fromkeys(words, str))) for f, table in parts]
    for other, table in others:
        both = rows.merge(table, on=place, suffixes=("", "_other"))
        for name in rows.columns.difference(place):
            here, there = both[name], both[f"{name}_other"]
            wrong = ~((here == there) | (here.isna() & there.isna()))
            if wrong.any():
                first = both[wrong].iloc[0]
                where = ", ".join(f"{part} {first[part]}" for part in place)
                raise ValueError(
                    f"runs must agree where they overlap; {_apart(folder, other)} do not on "
                    f"{', '.join(key)}, {where}: {name} {first[name]} and {first[f'{name}_other']}"
                )
        rows = _rows(rows, table, place)
    return rows.sort_values(place, kind="stable", ignore_index=True)


def _rows(table: pd.DataFrame, other: pd.DataFrame, place: list[str]) -> pd.DataFrame:
    return pd.concat([table, other]).drop_duplicates(place, ignore_index=True)


def _require_alike(here: Mapping[str, Any], there: Mapping[str, Any], runs: str) -> None:
    for name in here.keys() & there.keys():
        if here[name] != there[name]:
            raise ValueError(
                f"runs of one study must expect the same of a check; {runs} do not of {name}: "
                f"{here[name]} and {there[name]}"
            )


def _facts(facts: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of the first run; further runs add entries to its mappings."""
    both = {
        name: {**others[name], **value}
        for name, value in facts.items()
        if isinstance(value, dict) and isinstance(others.get(name), dict)
    }
    # A baseline has no command: it may name folders and people.
    commands = [*facts.get("commands", [facts.get("command", "")]), others.get("command", "")]
    return {**facts, **both, "commands": commands}


def _examples(examples: Examples | None, others: Examples | None) -> Examples | None:
    if examples is None or others is None:
        return examples or others
    return replace(
        examples,
        maps=dict(_deep(examples.maps, others.maps)),
        conditions={**others.conditions, **examples.conditions},
        shown={**others.shown, **examples.shown},
    )


def _deep(maps: Mapping[str, Any], others: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for check in dict.fromkeys([*maps, *others]):
        yield check, {**others.get(check, {}), **maps.get(check, {})}
