"""Long tables in parquet, written and read one (check, explainer, similarity) at a time."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Self, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from saliency_bench.protocols import SCHEMA_VERSION
from saliency_bench.storage.store import atomic

Key = tuple[str, str, str]
"""Check, explainer and similarity."""

KEYS = ["check", "explainer", "similarity"]

GROUP = 2**14
"""Most rows of a row group."""


@dataclass(frozen=True)
class LongTable:
    """A parquet file each of whose row groups holds rows of one key only.

    Attributes:
        source: where it lies, or all of its bytes.
    """

    source: Path | bytes

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        """A table in memory, with the rows of a frame that has the columns `KEYS`."""
        groups = frame.groupby(KEYS, sort=False, observed=True)
        schema = pa.Schema.from_pandas(frame, preserve_index=False)
        sink = io.BytesIO()
        with _Writer(sink, schema) as writer:
            for key, rows in groups:
                writer.write(
                    cast(Key, key), pa.Table.from_pandas(rows, schema, preserve_index=False)
                )
        return cls(sink.getvalue())

    @classmethod
    def read(cls, path: Path) -> Self:
        """The table of a file.

        Raises:
            OSError: if there is none.
            ValueError: if it is damaged, or of another schema version.
        """
        table = cls(path)
        table._groups  # noqa: B018  opens it
        return table

    @property
    def keys(self) -> tuple[Key, ...]:
        """Of whatever is in it, in its order."""
        return tuple(dict.fromkeys(self._groups))

    @property
    def schema(self) -> pa.Schema:
        """Names and types of its columns."""
        return self._file.schema_arrow.remove_metadata()

    def rows(self, key: Key) -> pd.DataFrame:
        """Those of one key, in their order."""
        places = [place for place, its in enumerate(self._groups) if its == key]
        # Threads would each keep memory of their own.
        table = self._file.read_row_groups(places, use_threads=False)
        return cast(pd.DataFrame, table.to_pandas(use_threads=False))

    def frame(self) -> pd.DataFrame:
        """All rows; names and statuses are categories."""
        return cast(pd.DataFrame, self._file.read().to_pandas())

    def in_memory(self) -> LongTable:
        """The same table in memory, for when its file goes."""
        return LongTable(self._bytes())

    def save(self, path: Path) -> None:
        """Write it to a file, unless it is that file.

        Raises:
            OSError: if it cannot be written.
        """
        if self.source != path:
            with atomic(path) as file:
                file.write(self._bytes())

    def _bytes(self) -> bytes:
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    @cached_property
    def _file(self) -> pq.ParquetFile:
        # An open file stays what it is, also when another run puts its own in the same place.
        if isinstance(self.source, bytes):
            return pq.ParquetFile(pa.BufferReader(self.source))
        local = isinstance(self.source, Path)
        return pq.ParquetFile(pa.OSFile(str(self.source)) if local else self.source.open("rb"))

    @cached_property
    def _groups(self) -> list[Key]:
        metadata = self._file.metadata.metadata or {}
        if metadata.get(b"schema_version") != str(SCHEMA_VERSION).encode():
            raise ValueError(f"{self.source!s} must have schema_version {SCHEMA_VERSION}")
        if b"groups" not in metadata:
            raise ValueError(f"{self.source!s} must say what is in its row groups; it does not")
        return [cast(Key, tuple(key)) for key in json.loads(metadata[b"groups"])]


class _Writer:
    """Writes a long table key by key, in row groups of one size however the rows come in."""

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        self._schema = schema.with_metadata({"schema_version": str(SCHEMA_VERSION)})
        words = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        self._writer = pq.ParquetWriter(sink, self._schema, use_dictionary=words)
        # The words of a row group are those that are in it, whatever pieces it was made of.
        plain = [(f.name, pa.string() if f.name in words else f.type) for f in schema]
        self._plain = pa.schema(plain)
        self._groups: list[Key] = []
        self._waiting: list[pa.Table] = []
        self._key: Key | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush(0)
            self._writer.add_key_value_metadata({"groups": json.dumps(self._groups)})
        self._writer.close()

    def write(self, key: Key, rows: pa.Table) -> None:
        """Further rows of a key; all of a key come one after the other."""
        if key != self._key:
            self._flush(0)
            self._key = key
        self._waiting.append(rows.cast(self._plain))
        self._flush(GROUP)

    def _flush(self, least: int) -> None:
        """Write row groups as long as so many rows wait."""
        while (waiting := sum(map(len, self._waiting))) and waiting >= least:
            table = pa.concat_tables(self._waiting).combine_chunks()
            self._writer.write_table(self._encoded(table.slice(0, GROUP)), row_group_size=GROUP)
            self._groups.append(cast(Key, self._key))
            self._waiting = [table.slice(GROUP)]

    def _encoded(self, table: pa.Table) -> pa.Table:
        columns = [
            column.dictionary_encode() if pa.types.is_dictionary(field.type) else column
            for field, column in zip(self._schema, table.columns, strict=True)
        ]
        return pa.table(columns, names=table.column_names).cast(self._schema)


@contextmanager
def open_writer(path: Path, schema: pa.Schema) -> Iterator[_Writer]:
    """A long table that is written key by key; it appears whole or not at all.

    Raises:
        OSError: if it cannot be written.
    """
    with atomic(path) as file, _Writer(file, schema) as writer:
        yield writer


@contextmanager
def release_arrow_memory() -> Iterator[None]:
    """Arrow's memory goes back to the system at once; its own pool would hold on to it."""
    usual = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(usual)
