"""Long tables in parquet, written and read one (check, explainer, similarity) at a time."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Self, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from saliency_bench.protocols import SCHEMA_VERSION, one_line
from saliency_bench.storage import sealed
from saliency_bench.storage.store import atomic, require_version

Key = tuple[str, ...]
"""What the rows of a row group have in common, by default check, explainer and similarity."""

KEYS = ("check", "explainer", "similarity")

GROUP = 2**14
"""Most rows in a row group."""

_QUOTED = 150
"""Letters of a reader's message that are quoted."""

_SEALED = b"sealed"
"""Metadata of a table that has a seal; tables of older versions have neither."""


@dataclass(frozen=True)
class LongTable:
    """A parquet file whose row groups each hold rows of one key.

    Attributes:
        source: its path, or all of its bytes.
        names: the columns of a key.
    """

    source: Path | bytes
    names: tuple[str, ...] = KEYS

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        """Make a table in memory from a frame with the columns `KEYS`."""
        groups = frame.groupby(list(KEYS), sort=False, observed=True)
        schema = pa.Schema.from_pandas(frame, preserve_index=False)
        sink = io.BytesIO()
        with _Writer(sink, schema) as writer:
            for key, rows in groups:
                writer.write(
                    cast(Key, key), pa.Table.from_pandas(rows, schema, preserve_index=False)
                )
        return cls(sink.getvalue())

    @classmethod
    def read(cls, path: Path, names: tuple[str, ...] = KEYS) -> Self:
        """Open the table of a file.

        Args:
            path: of the file.
            names: the columns of a key.

        Raises:
            OSError: if the file cannot be read.
            ValueError: if it is damaged, not such a table, or of another schema version.
        """
        table = cls(path, names)
        table.groups  # noqa: B018  opens it
        return table

    def __reduce__(self) -> tuple[Any, ...]:
        """Without the open file, so that another process can open it."""
        return type(self), (self.source, self.names)

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys in the table, in its order."""
        return tuple(dict.fromkeys(self.groups))

    @cached_property
    def groups(self) -> list[Key]:
        """The key of each row group."""
        metadata = self._file.metadata.metadata or {}
        require_version(self.name, metadata.get(b"schema_version", b"").decode(errors="replace"))
        with self._whole():
            keys = [tuple(key) for key in json.loads(metadata[b"groups"])]
            if [len(key) for key in keys] != [len(self.names)] * self._file.num_row_groups:
                raise ValueError("a key must belong to each of its row groups")
            return [cast(Key, key) for key in keys]

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        return self._file.schema_arrow.remove_metadata()

    @property
    def metadata(self) -> pq.FileMetaData:
        """Metadata of the file, with statistics of every column of every row group."""
        return self._file.metadata

    def rows(self, key: Key) -> pd.DataFrame:
        """The rows of one key, in their order.

        Raises:
            ValueError: if they are damaged.
        """
        places = [place for place, its in enumerate(self.groups) if its == key]
        with self._whole():
            # One thread: each further one would keep memory of its own.
            table = self._file.read_row_groups(places, use_threads=False)
            return cast(pd.DataFrame, table.to_pandas(use_threads=False))

    def frame(self) -> pd.DataFrame:
        """All rows; names and statuses are categorical columns.

        Raises:
            ValueError: if they are damaged.
        """
        with self._whole():
            return cast(pd.DataFrame, self._file.read().to_pandas())

    def words(self, column: str, group: int) -> list[Any]:
        """The different values of a column in one row group; None among them where it has none.

        Raises:
            ValueError: if they are damaged.
        """
        with self._whole():
            read = self._file.read_row_group(group, [column], use_threads=False)
            return cast("list[Any]", read.column(column).unique().to_pylist())

    def in_memory(self) -> LongTable:
        """A copy in memory, independent of the file."""
        return LongTable(self._bytes(), self.names)

    def save(self, path: Path) -> None:
        """Write the table to a file, unless it is that file.

        Raises:
            OSError: if it cannot be written.
        """
        if self.source != path:
            with atomic(path) as file:
                file.write(self._bytes())

    def _bytes(self) -> bytes:
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    @property
    def name(self) -> str:
        """Its path, for messages."""
        return "a table in memory" if isinstance(self.source, bytes) else str(self.source)

    @cached_property
    def _file(self) -> pq.ParquetFile:
        # The open file keeps its content, also if another run replaces the file.
        with self._whole():
            file = self._open()
            has_seal = sealed.check(file)
            opened = pq.ParquetFile(file, page_checksum_verification=True)
            if (_SEALED in (opened.metadata.metadata or {})) != has_seal:
                raise ValueError("its seal is missing")
            return opened

    def _open(self) -> pa.NativeFile:
        if isinstance(self.source, bytes):
            return pa.BufferReader(self.source)
        local = isinstance(self.source, Path)
        return pa.OSFile(str(self.source)) if local else pa.PythonFile(self.source.open("rb"))

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Turn what readers of a damaged file raise into a `ValueError` that names it."""
        try:
            yield
        except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # it cannot be read at all
                raise
            why = one_line(error, longest=_QUOTED)
            raise ValueError(f"{self.name} must be a whole table of a run; {why}") from None


class _Writer:
    """Writes a long table key by key; its row groups do not depend on the parts it is given."""

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        facts = {b"schema_version": str(SCHEMA_VERSION).encode(), _SEALED: b""}
        self._schema = schema.with_metadata(facts)
        categories = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        self._sink = sealed.Sink(sink)
        file = pa.PythonFile(self._sink, mode="w")
        self._writer = pq.ParquetWriter(
            file, self._schema, use_dictionary=categories, write_page_checksum=True
        )
        file.write(sealed.blank())
        # Plain strings: the categories of a row group must not depend on how the parts are cut.
        plain = [(f.name, pa.string() if f.name in categories else f.type) for f in schema]
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
        self._sink.seal()

    def write(self, key: Key, rows: pa.Table) -> None:
        """Write rows of a key; all rows of a key must be written before the next key."""
        if key != self._key:
            self._flush(0)
            self._key = key
        self._waiting.append(rows.cast(self._plain))
        self._flush(GROUP)

    def _flush(self, least: int) -> None:
        """Write row groups while at least `least` rows wait."""
        while (waiting := sum(map(len, self._waiting))) and waiting >= least:
            table = pa.concat_tables(self._waiting).combine_chunks()
            self._writer.write_table(self._encode(table.slice(0, GROUP)), row_group_size=GROUP)
            self._groups.append(cast(Key, self._key))
            self._waiting = [table.slice(GROUP)]

    def _encode(self, table: pa.Table) -> pa.Table:
        columns = [
            column.dictionary_encode() if pa.types.is_dictionary(field.type) else column
            for field, column in zip(self._schema, table.columns, strict=True)
        ]
        return pa.table(columns, names=table.column_names).cast(self._schema)


@contextmanager
def open_writer(path: Path, schema: pa.Schema) -> Iterator[_Writer]:
    """Open a long table for writing key by key; the write is atomic.

    Raises:
        OSError: if it cannot be written.
    """
    with atomic(path) as file, _Writer(file, schema) as writer:
        yield writer


@contextmanager
def release_arrow_memory() -> Iterator[None]:
    """Inside the block Arrow returns free memory to the system at once; its own pool keeps it."""
    default = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(default)
