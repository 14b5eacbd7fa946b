"""Long tables: a table of which one bit has changed is refused, whichever bit it is."""

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from saliency_bench.protocols import SCHEMA_VERSION
from saliency_bench.storage import longtable
from saliency_bench.storage.longtable import KEYS, LongTable, open_writer

KEYED = [("check", name, "ssim") for name in ("one", "two")]


def frame(rows=4):
    parts = [
        pd.DataFrame({"image": range(rows), "score": np.linspace(0, 1, rows)}).assign(
            **dict(zip(KEYS, key, strict=True)), status="ok"
        )
        for key in KEYED
    ]
    table = pd.concat(parts, ignore_index=True)
    return table.astype(dict.fromkeys([*KEYS, "status"], "category"))


@pytest.fixture
def path(tmp_path):
    LongTable.of(frame()).save(tmp_path / "table.parquet")
    return tmp_path / "table.parquet"


def refusal(path):
    with pytest.raises(ValueError, match="must ") as told:
        LongTable.read(path).frame()
    line = str(told.value)
    assert str(path) in line
    assert len(line) < 300
    assert "\n" not in line
    return line


def test_it_is_parquet_that_every_reader_reads(path):
    pd.testing.assert_frame_equal(pd.read_parquet(path), frame(), check_categorical=False)
    pq.ParquetFile(path, page_checksum_verification=True).read()
    table = LongTable.read(path)
    assert table.keys == tuple(KEYED)
    assert table.words("status", 1) == ["ok"]
    assert table.rows(KEYED[1])["image"].tolist() == [0, 1, 2, 3]


def test_whichever_bit_is_flipped_it_is_refused(path):
    content = path.read_bytes()
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        refusal(path)


def test_however_it_is_cut_it_is_refused(path):
    content = path.read_bytes()
    for length in [*range(0, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:length])
        refusal(path)
    path.write_bytes(content + b"PAR1")
    refusal(path)


def test_pages_that_change_after_it_was_opened_are_refused(path):
    """The seal is looked at once; every page has a checksum of its own."""
    content = bytearray(path.read_bytes())
    first = pq.read_metadata(path).row_group(0).column(frame().columns.get_loc("score"))
    last = first.data_page_offset + first.total_compressed_size - 1
    table = LongTable.read(path)
    content[last] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    with pytest.raises(ValueError, match="must be a whole table"):
        table.rows(KEYED[0])


def unsealed(path, **facts):
    """The table as an older version wrote it."""
    table = pa.Table.from_pandas(frame(), preserve_index=False)
    usual = {"schema_version": str(SCHEMA_VERSION), "groups": json.dumps(KEYED)}
    with pq.ParquetWriter(path, table.schema.with_metadata(usual | facts)) as writer:
        for start in (0, 4):
            writer.write_table(table.slice(start, 4).replace_schema_metadata(usual | facts))


def test_a_table_of_an_older_version_has_no_seal_and_is_read(path):
    unsealed(path)
    pd.testing.assert_frame_equal(LongTable.read(path).frame(), frame(), check_categorical=False)


def test_a_table_that_lost_its_seal_is_refused(path):
    unsealed(path, sealed="")
    assert "its seal is missing" in refusal(path)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"schema_version": "1"}, "schema_version 2, it has 1: another version wrote it"),
        ({"groups": "[]"}, "a key must belong to each of its row groups"),
        ({"groups": "{"}, "must be a whole table"),
        ({"groups": "[1, 2]"}, "must be a whole table"),
    ],
)
def test_what_says_something_else_of_itself_is_refused(path, facts, words):
    unsealed(path, **facts)
    assert words in refusal(path)


def test_a_table_of_anything_else_is_refused(path):
    frame().to_parquet(path)
    assert "it has none" in refusal(path)
    path.write_text("check,explainer\n")
    refusal(path)


def test_the_bytes_do_not_depend_on_the_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(longtable, "GROUP", 3)
    schema = pa.Schema.from_pandas(frame(), preserve_index=False)
    written = []
    for size in (1, 2, 4):
        with open_writer(tmp_path / "t", schema) as writer:
            for key, rows in zip(KEYED, (frame()[:4], frame()[4:]), strict=True):
                for start in range(0, 4, size):
                    part = rows[start : start + size]
                    writer.write(key, pa.Table.from_pandas(part, schema, preserve_index=False))
        written.append((tmp_path / "t").read_bytes())
    assert written[0] == written[1] == written[2]
    assert LongTable(written[0]).keys == tuple(KEYED)
    assert pq.ParquetFile(io.BytesIO(written[0])).num_row_groups == 4
