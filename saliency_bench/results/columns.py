"""Columns of tables that were read from files: what each holds, checked once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
from pandas.api import types

from saliency_bench.storage.json_rules import LARGEST
from saliency_bench.storage.longtable import LongTable


@dataclass(frozen=True)
class Column:
    """What a column holds.

    Attributes:
        kind: of its values.
        blank: whether values may be missing.
        least: smallest number.
        most: largest number.
        among: all words that it may hold; empty: any.
        needed: whether a table must have it; tables of older versions lack the others.
    """

    kind: Literal["word", "whole", "number", "flag"]
    blank: bool = False
    least: float = -LARGEST
    most: float = LARGEST
    among: tuple[str, ...] = ()
    needed: bool = True


_KINDS = {
    "word": "text", "whole": "whole numbers", "number": "numbers", "flag": "True or False",
}  # fmt: skip
_HAS_KIND = {
    "word": lambda dtype: not types.is_numeric_dtype(dtype),
    "whole": types.is_integer_dtype,
    "number": lambda dtype: types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype),
    "flag": types.is_bool_dtype,
}
_HAS_TYPE = {
    "word": lambda kind: getattr(kind, "value_type", kind) in (pa.string(), pa.large_string()),
    "whole": pa.types.is_integer,
    "number": lambda kind: pa.types.is_floating(kind) or pa.types.is_integer(kind),
}


def check_frame(file: str, frame: pd.DataFrame, of: Mapping[str, Column]) -> None:
    """Raise `ValueError` unless a table that was read from a csv file holds what it must.

    Args:
        file: its name.
        frame: its rows; words are never missing, but may be empty.
        of: its columns.
    """
    _require_columns(file, frame.columns, of)
    for name, column in of.items() if len(frame) else ():
        values = frame[name]
        blanks = values == "" if column.kind == "word" else values.isna()
        given = values[~blanks]
        if blanks.any() and not column.blank:
            raise ValueError(_broken(file, name, column, "nothing"))
        if given.empty:
            continue
        if not _HAS_KIND[column.kind](given.infer_objects().dtype):
            raise ValueError(_broken(file, name, column, _stranger(column, given)))
        if column.kind in ("whole", "number"):
            _require_between(file, name, column, given.min(), given.max())
        _require_among(file, name, column, given)


def check_long(file: str, table: LongTable, of: Mapping[str, Column]) -> None:
    """Raise `ValueError` unless a long table holds what it must; hardly any of its rows are read.

    The numbers are those of the statistics of its row groups: the table's seal covers them.

    Args:
        file: its name.
        table: the table.
        of: its columns.
    """
    kinds = {field.name: field.type for field in table.schema}
    _require_columns(file, kinds, of)
    of = {name: column for name, column in of.items() if name in kinds}
    for name, column in of.items() if table.keys else ():
        if not _HAS_TYPE[column.kind](kinds[name]):
            raise ValueError(_broken(file, name, column, kinds[name]))
    for group, key in enumerate(table.groups):
        found = statistics(table, group)
        for name, column in of.items():
            _check_group(file, name, column, found.get(name))
            if column.among:
                _require_among(file, name, column, _words(table, group, name, found.get(name)))
        for name, part in zip(table.names, key, strict=True):
            if {*_range(found.get(name))} - {part, None}:
                raise ValueError(
                    f"{file} must hold rows of {part} in their place; others are there"
                )


def statistics(table: LongTable, group: int) -> dict[str, Any]:
    """Statistics of a row group of a long table, by column."""
    metadata = table.metadata.row_group(group)
    parts = [metadata.column(place) for place in range(metadata.num_columns)]
    return {part.path_in_schema: part.statistics for part in parts}


def _check_group(file: str, name: str, column: Column, found: Any) -> None:
    if found is None:
        raise ValueError(f"{file} must have statistics of its column {name}; it has none")
    if found.null_count and not column.blank:
        raise ValueError(_broken(file, name, column, "nothing"))
    low, high = _range(found)
    if column.kind != "word" and low is not None:
        _require_between(file, name, column, low, high)


def _range(found: Any) -> tuple[Any, Any]:
    """The least and the largest value; None where all are missing, or are long texts."""
    return (found.min, found.max) if found.has_min_max else (None, None)


def _words(table: LongTable, group: int, name: str, found: Any) -> list[Any]:
    low, high = _range(found)
    return table.words(name, group) if low is None or low != high else [low]


def _require_columns(file: str, found: Iterable[str], of: Mapping[str, Column]) -> None:
    if lacking := sorted({name for name, column in of.items() if column.needed} - set(found)):
        raise ValueError(f"{file} must have the columns {', '.join(lacking)}; it lacks them")


def _require_between(file: str, name: str, column: Column, low: float, high: float) -> None:
    for value in (low, high):
        if not column.least <= value <= column.most:
            raise ValueError(_broken(file, name, column, value))


def _require_among(file: str, name: str, column: Column, found: Iterable[object]) -> None:
    for value in set(found) - {*column.among, None} if column.among else ():
        raise ValueError(_broken(file, name, column, value))


def _broken(file: str, name: str, column: Column, got: object) -> str:
    what = f"one of {', '.join(column.among)}" if column.among else _KINDS[column.kind]
    if column.kind in ("whole", "number") and column.least > -LARGEST:
        what += f" from {column.least:g} on" if column.most >= LARGEST else " from 0 to 1"
    return f"{file} must hold {what} in its column {name}; got {str(got)[:40]}"


def _stranger(column: Column, given: pd.Series) -> object:
    """The value that gave a column its wrong kind."""
    strange = given[pd.to_numeric(given, errors="coerce").isna()]
    return given.iloc[0] if strange.empty or column.kind in ("word", "flag") else strange.iloc[0]
