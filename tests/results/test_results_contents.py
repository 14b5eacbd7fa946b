"""What a run folder holds: each line names the file, the column or the fact, and what is there."""

import json
from dataclasses import asdict

import pandas as pd
import pytest
from helpers import spoilt_runs
from helpers.evidence import EXPECTED, MEASURED
from helpers.runs import saved

from saliency_bench.results import contents
from saliency_bench.results.read import read, read_measurements
from saliency_bench.storage.longtable import LongTable


@pytest.fixture
def folder(tmp_path):
    return saved(spoilt_runs.run(), tmp_path / "run")


def refusal(folder):
    with pytest.raises(ValueError, match="must h") as told:
        read(folder)
    assert str(folder) in str(told.value)
    return str(told.value)


def test_what_was_written_is_read(folder):
    found, run = read(folder), spoilt_runs.run()
    pd.testing.assert_frame_equal(found.scores, run.scores)
    pd.testing.assert_frame_equal(found.networks[run.networks.columns], run.networks)
    assert found.provenance["thresholds"] == run.provenance["thresholds"]
    assert found.examples.maps.keys() == run.examples.maps.keys()


@pytest.mark.parametrize("declared", [EXPECTED, MEASURED])
def test_whatever_a_check_declares_keeps_the_rule(declared):
    contents.EXPECTATION("it", json.loads(json.dumps(asdict(declared))))


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("chance", "often", 'chance must be a number from 0 to 1; got "often"'),
        ("chance", 1.5, "chance must be a number from 0 to 1; got 1.5"),
        ("signed", {"mine": 1}, "signed.mine must be true or false; got 1"),
        ("thresholds", {"ssim": "x"}, 'thresholds.ssim must be a finite number; got "x"'),
        ("problems", None, "problems must be a list; got null"),
        ("notes", [1], "notes[0] must be text; got 1"),
        ("expectations", {"redraw": {}}, "expectations.redraw.words must be given; it is missing"),
    ],
)
def test_a_fact_of_another_kind(folder, place, value, words):
    facts = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(json.dumps({**facts, place: value}))
    assert refusal(folder).endswith(words)


@pytest.mark.parametrize(
    ("file", "column", "value", "words"),
    [
        ("networks.csv", "accuracy", "good", "numbers from 0 to 1 in its column accuracy; got goo"),
        ("networks.csv", "accuracy", 1.25, "numbers from 0 to 1 in its column accuracy; got 1.25"),
        ("networks.csv", "destroyed", "no", "True or False in its column destroyed; got no"),
        ("networks.csv", "stage", 0.5, "whole numbers from 0 on in its column stage; got 0.5"),
        ("networks.csv", "check", None, "text in its column check; got nothing"),
        ("networks.csv", "check", "other", "a row for redraw, stage 0, draw 0; it lacks one"),
        ("networks.csv", "schema_version", 1, "schema_version 2, it has 1"),
        ("trainings.csv", "epoch", -1, "whole numbers from 0 on in its column epoch; got -1"),
        ("reliability.csv", "n_right", -1, "whole numbers from 0 on in its column n_right; got -1"),
        ("reliability.csv", "alpha", "high", "numbers in its column alpha; got high"),
        ("verdicts.csv", "verdict", "good", "undefined, not_applicable, error in its column ver"),
    ],
)
def test_a_column_of_another_kind(folder, file, column, value, words):
    table = pd.read_csv(folder / file).assign(**{column: value})
    table.to_csv(folder / file, index=False)
    told = refusal(folder)
    assert file in told
    assert words in told


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("score", "x", "numbers in its column score; got large_string"),
        ("score", float("inf"), "numbers in its column score; got inf"),
        ("stage", -1, "whole numbers from 0 on in its column stage; got -1"),
        ("status", "fine", "not_applicable, error in its column status; got fine"),
        ("status", None, "in its column status; got"),
    ],
)
def test_a_column_of_a_long_table_of_another_kind(folder, column, value, words):
    table = LongTable.read(folder / "scores.parquet").frame().assign(**{column: value})
    LongTable.of(table).save(folder / "scores.parquet")
    told = refusal(folder)
    assert "scores.parquet must hold" in told
    assert words in told


def test_one_strange_status_among_many_is_found(folder):
    table = LongTable.read(folder / "scores.parquet").frame().astype({"status": str})
    table.loc[table.index[20], "status"] = "fine"
    LongTable.of(table).save(folder / "scores.parquet")
    assert refusal(folder).endswith("in its column status; got fine")


@pytest.mark.parametrize("lines", [-1, -2, 5])
def test_a_table_of_networks_that_ends_early_is_noticed(folder, lines):
    """At the end of a line: what is left is whole, and lacks networks that were scored."""
    file = folder / "networks.csv"
    kept = file.read_text().splitlines(keepends=True)[:lines]
    file.write_text("".join(kept))
    if lines == 5:
        assert "networks.csv must have a row for redraw" in refusal(folder)
    file.write_text("".join(kept)[:-1])
    assert "networks.csv must end with a line break; it is cut off" in refusal(folder)


def test_pictures_are_only_read_where_they_are_wanted(folder):
    (folder / "examples.npz").write_bytes(b"")
    assert read_measurements(folder, pictures=False).examples is None
    assert "examples.npz must be a whole archive" in refusal(folder)
