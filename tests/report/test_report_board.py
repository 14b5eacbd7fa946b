"""Several networks side by side: which columns there are, and what their cells say."""

import re

import numpy as np
import pytest
from helpers.pages import HOSTILE, Page
from helpers.runs import made, noisy, saved
from scipy import stats

from saliency_bench.report import board, page
from saliency_bench.report.command import main
from saliency_bench.report.text.markdown import board_text

LEVELS = {"gone": 0.02, "half": 0.5, "most": 0.9, "left": 0.3}


def study(model, *, seed=0, levels=LEVELS):
    tables = [noisy(level, name, seed=seed + n) for n, (name, level) in enumerate(levels.items())]
    facts = {"model": model, "dataset": "digits", "weights_hash": model}
    return made(*tables, facts=facts)


@pytest.fixture(scope="module")
def found():
    other = {"gone": 0.04, "half": 0.95, "most": 0.6, "left": 0.25}
    return {"model=a": study("a"), "model=b": study("b", seed=9, levels=other)}


@pytest.fixture(scope="module")
def parts(found):
    return list(board.parts(board.titled(found)))


def grids(parts, anchor):
    (part,) = [part for part in parts if part.anchor == anchor]
    return [block for block in part.blocks if block.kind == "grid"]


def test_a_column_is_a_network_on_its_data(found):
    assert list(board.titled(found)) == ["a on digits", "b on digits"]


def test_runs_that_ask_the_same_of_one_network_are_columns_of_their_own(found):
    again = {"seed=0": found["model=a"], "seed=1": study("a", seed=5)}
    assert list(board.titled(again)) == ["a on digits (seed=0)", "a on digits (seed=1)"]


def test_the_overview_names_who_fails(parts):
    (table,) = grids(parts, "networks")
    assert table.head == ["check", "a on digits", "b on digits"]
    assert [row[0] for row in table.rows[:2]] == ["images", "state"]
    assert table.rows[1][1:] == ["valid", "valid"]
    assert table.rows[2][1] == "3 of 4 fail: half, most, left"


def test_the_overview_only_counts_where_many_fail(found):
    levels = {name: 0.9 for name in ("one", "two", "three", "four")}
    many = {**found, "model=c": study("c", levels=levels)}
    (table,) = grids(list(board.parts(board.titled(many))), "networks")
    assert table.rows[2][3] == "4 of 4 fail"


def test_verdicts_are_counted_over_networks_and_shown_for_each(found, parts):
    counts, table = grids(parts, "verdicts")
    assert dict(map(tuple, counts.rows)) == {
        "gone": "2 pass", "half": "2 fail", "most": "2 fail", "left": "2 fail",
    }  # fmt: skip
    assert table.head == ["explainer", "a on digits", "b on digits"]
    for row in table.rows:
        for said, results in zip(row[1:], found.values(), strict=True):
            verdicts = results.verdicts.set_index("explainer")["verdict"]
            assert said.endswith(f"] {verdicts[row[0]]}")


def test_the_agreement_is_the_rank_correlation_of_the_numbers(found, parts):
    (table,) = grids(parts, "agreement")
    numbers = []
    for results in found.values():
        area = results.summary[results.summary["stage"] == -1].set_index("explainer")
        numbers.append([area.loc[name, "retained"] for name in LEVELS])
    expected = stats.spearmanr(*numbers).statistic
    (row,) = table.rows
    assert row[1:] == ["1", *[f"{expected:.2f}"] * 3]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3, 4], [10, 20, 30, 40], 1.0),
        ([1, 2, 3, np.nan], [1, 2, 3, 4], None),
        ([1, 1, 1, 1], [1, 2, 3, 4], None),
    ],
)
def test_too_few_or_equal_numbers_have_no_agreement(one, other, expected):
    names = list("abcd")
    found = board.rank_correlation(
        dict(zip(names, one, strict=True)), dict(zip(names, other, strict=True)), names
    )
    assert found == (expected if expected is None else pytest.approx(expected))


def test_what_one_network_lacks_is_a_dash():
    fewer = {name: LEVELS[name] for name in ("gone", "half")}
    found = {"a": study("a"), "b": study("b", levels=fewer)}
    _, table = grids(list(board.parts(board.titled(found))), "verdicts")
    assert {row[0]: row[2] == "-" for row in table.rows} == {
        name: name not in fewer for name in LEVELS
    }


def test_the_page_holds_what_the_markdown_holds_and_needs_nothing_else(parts):
    written = page.board(parts, {"model=a": "model%3Da/report.html"})
    shown, text = Page(written), board_text(parts)
    for _, cells in ((part, part.blocks) for part in parts):
        for block in cells:
            for row in block.rows if block.kind == "grid" else []:
                assert all(cell in shown.text for cell in row)
                assert row[0] in text
    links = [attrs["href"] for attrs in shown.of("a")]
    assert "model%3Da/report.html" in links
    assert not shown.of("script")
    assert not re.search(r"url\(|@import", written)


def test_names_are_escaped():
    found = {"a": study(HOSTILE), "b": study("b")}
    written = page.board(list(board.parts(board.titled(found))), {HOSTILE: "x"})
    assert not Page(written).of("script")
    assert "<img" not in written


def test_the_command_writes_it_beside_the_reports(found, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runs = [str(saved(r, tmp_path / f"run{n}")) for n, r in enumerate(found.values())]
    assert main([*runs, "--out", "all"]) == 0
    out = tmp_path / "all"
    assert "a on digits" in (out / "leaderboard.html").read_text()
    assert "a on digits" in (out / "leaderboard.md").read_text()
    shown = Page((out / "leaderboard.html").read_text())
    addresses = [attrs["href"] for attrs in shown.of("a") if attrs["href"].endswith(".html")]
    assert len(addresses) == 2
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("all/leaderboard.html")
    assert [line.startswith("report: ") for line in said].count(True) == 2
