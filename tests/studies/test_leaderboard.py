"""The leaderboard: what it runs can be run, and what it keeps says what the runs say."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from helpers.runs import made, noisy
from matplotlib.colors import to_hex

from experiments.leaderboard import __main__ as command
from experiments.leaderboard import costs, evidence, figure
from experiments.leaderboard.networks import CHEAPER, NETWORKS, explainers
from saliency_bench.cli import objects, request
from saliency_bench.explainers import CONTROLS, Gradient, Occlusion
from saliency_bench.report import board, page
from saliency_bench.report.figures import style
from saliency_bench.report.text.markdown import board_text

RUNS = [(network, run) for network, own in NETWORKS.items() for run in own.runs]


@pytest.mark.parametrize(("network", "run"), RUNS)
def test_every_run_can_be_composed_and_asks_what_it_names(network, run):
    own = NETWORKS[network]
    made = {folder.name: asked for asked, folder in command.commands(network, own)}
    config = request.compose(*made[run])
    for group, names in (("check", own.runs[run].checks), ("metric", own.runs[run].metrics)):
        assert tuple(objects.build_group(config, group)) == names
    built = objects.build_group(config, "explainer")
    assert list(built) == list(explainers())
    if network != "mobilenet_imagenet":  # which takes fewer still
        assert built["rise"].samples == CHEAPER["explainer.rise.samples"]


def test_all_explainers_under_test_are_asked_and_no_control():
    kinds = {type(own) for own in explainers().values()}
    assert len(explainers()) > 30
    assert not kinds & set(CONTROLS.values())
    assert "attention_rollout" in explainers()


@pytest.mark.parametrize("group", ["check", "metric"])
def test_all_checks_and_metrics_are_asked_somewhere(group):
    runs = [run for own in NETWORKS.values() for run in own.runs.values()]
    asked = {name for run in runs for name in getattr(run, f"{group}s")}
    assert asked == {path.stem for path in Path(objects.config_dir(), group).glob("*.yaml")}


def row(network, explainer, verdict, **more):
    return {"network": network, "explainer": explainer, "verdict": verdict, **more}


@pytest.fixture
def verdicts():
    """One network, a check with a verdict and one without."""
    return pd.DataFrame(
        [
            row("cnn", "gradient", "pass", check="param_randomization"),
            row("cnn", "guided_backprop", "fail", check="param_randomization"),
            row("cnn", "edge_detector", "fail", check="param_randomization"),
            row("cnn", "gradient", None, check="efficient_mprt"),
            row("cnn", "guided_backprop", None, check="efficient_mprt"),
        ]
    )


@pytest.fixture
def quality():
    numbers = {"mean": 3.0, "gain": 2.0, "gain_low": 1.0, "gain_high": 3.0}
    return pd.DataFrame(
        [
            row("cnn", "gradient", "better", metric=figure.HEADLINE, **numbers),
            row("cnn", "guided_backprop", "not_better", metric=figure.HEADLINE, **numbers),
            row("cnn", "gradient", None, metric="gini", **numbers | {"gain": float("nan")}),
        ]
    )


NAMES = ["gradient", "guided_backprop"]


def drawn(monkeypatch, make):
    """The figure that a function encodes."""
    kept = []
    monkeypatch.setattr(style, "encoded", lambda own, kind: kept.append(own) or b"png")
    assert make() == b"png"
    return kept[0]


def test_the_figure_of_verdicts_shows_what_has_some_and_no_control(verdicts, monkeypatch):
    (axes,) = drawn(monkeypatch, lambda: figure.verdicts(verdicts, NAMES)).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == NAMES
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["param_randomization"]
    colours = [to_hex(patch.get_facecolor()).upper() for patch in axes.patches]
    assert colours == [style.BLUE, style.VERMILLION]


def test_the_figure_of_metrics_shows_those_with_a_chance(quality, monkeypatch):
    (axes,) = drawn(monkeypatch, lambda: figure.metrics(quality, NAMES)).axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [figure.HEADLINE]


def test_the_figure_of_costs_has_a_point_for_each_explainer(verdicts, quality, monkeypatch):
    paid = pd.DataFrame({"explainer": NAMES, "evaluations": [1.0, 1.0], "gradients": [1.0, 2.0]})
    (axes,) = drawn(monkeypatch, lambda: figure.costs(quality, verdicts, paid)).axes
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [tuple(line.get_xydata()[0]) for line in points] == [(1.0, 2.0), (2.0, 2.0)]


DIGITS, MNIST = "cnn_digits", "cnn_mnist"
METRIC = {
    "family": "faithfulness", "direction": "higher", "unit": "points", "words": "a number",
    "chance": True,
}  # fmt: skip


def checked(*names, dataset="digits", level=0.02, **facts):
    """Results of one check, with a retained share for each explainer."""
    told = {"model": "cnn", "dataset": dataset, "n_images": 12, "draws": 5, "git": "abc"}
    tables = [noisy(level, name, seed=n) for n, name in enumerate(names)]
    return made(*tables, facts=told | facts)


def measured(*names, dataset="digits", gain=2.0, git="abc"):
    """Results of one metric."""
    rows = [
        {
            "explainer": name, "metric": figure.HEADLINE, "n_images": 12, "undefined": 0.0,
            "mean": gain + 1, "low": gain, "high": gain + 2, "chance": 1.0, "gain": gain + n,
            "gain_low": gain - 1, "gain_high": gain + 1, "verdict": "better",
        }
        for n, name in enumerate(names)
    ]  # fmt: skip
    base = checked("gradient", dataset=dataset, git=git)
    facts = {**base.provenance, "metrics": {figure.HEADLINE: METRIC}}
    nothing = {name: getattr(base, name).iloc[:0] for name in ("verdicts", "summary")}
    return replace(base, quality=pd.DataFrame(rows), provenance=facts, **nothing)


@pytest.fixture
def kept(tmp_path):
    pd.DataFrame({"explainer": NAMES, "evaluations": 1.0, "gradients": [1.0, 2.0]}).to_csv(
        tmp_path / "costs.csv", index=False
    )
    return tmp_path


def test_the_board_of_what_is_kept_is_that_of_the_runs(kept):
    runs = [
        (DIGITS, "weights", checked("edge_detector", *NAMES)),
        (DIGITS, "maps", measured(*NAMES)),
        (MNIST, "weights", checked(*NAMES, dataset="mnist", level=0.4)),
    ]
    evidence.keep(runs, kept)
    assert evidence.write(kept)
    whole = {f"{network}/{run}": results for network, run, results in runs}
    expected = board_text(board.parts(board.titled(whole)))
    assert (kept / "leaderboard.md").read_text() == expected
    assert "| cnn on digits | cnn on mnist |" in expected
    assert {path.stem for path in kept.glob("*.png")} == {"verdicts", "metrics", "costs"}
    evidence.keep([], kept)  # what is kept stays as it is
    assert evidence.write(kept)
    assert (kept / "leaderboard.md").read_text() == expected


def test_a_run_of_some_explainers_replaces_their_rows_and_no_other(kept):
    evidence.keep([(DIGITS, "weights", checked(*NAMES)), (DIGITS, "maps", measured(*NAMES))], kept)
    before = {name: pd.read_csv(kept / name) for name in evidence.QUESTIONS}
    again = checked("gradient", level=0.6, git="def")
    evidence.keep([(DIGITS, "weights", again)], kept)
    after = {name: pd.read_csv(kept / name) for name in evidence.QUESTIONS}
    assert after["quality.csv"].equals(before["quality.csv"])
    rows = after["verdicts.csv"].set_index("explainer")
    assert dict(rows["git"]) == {"gradient": "def", "guided_backprop": "abc"}
    assert dict(rows["verdict"]) == {"gradient": "fail", "guided_backprop": "pass"}


def test_a_run_of_another_size_does_not_join_the_rows_of_others(kept):
    evidence.keep([(DIGITS, "weights", checked(*NAMES))], kept)
    smaller = checked("gradient", draws=3)
    with pytest.raises(ValueError, match=r"must be of the size of .* is 3, not 5"):
        evidence.keep([(DIGITS, "weights", smaller)], kept)
    assert len(pd.read_csv(kept / "verdicts.csv")) == 2
    evidence.keep([(DIGITS, "weights", checked(*NAMES, draws=3))], kept)  # the whole run
    assert evidence.read(kept)[f"{DIGITS}/weights"].provenance["draws"] == 3


def test_only_runs_that_are_defined_are_put_on_the_board(monkeypatch, tmp_path):
    monkeypatch.setattr(command, "RUNS", tmp_path)
    monkeypatch.setattr(command.Results, "load", lambda folder: folder.name)
    for name in (
        "board/weights",
        f"{DIGITS}/weights+deep_lift",
        f"{DIGITS}/weights",
        f"{DIGITS}/old",
    ):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "report.md").touch()
    (tmp_path / DIGITS / "labels").mkdir()  # not finished
    os.utime(tmp_path / DIGITS / "weights+deep_lift" / "report.md", (0, 0))
    assert list(command._finished()) == [
        (DIGITS, "weights", "weights+deep_lift"),
        (DIGITS, "weights", "weights"),
    ]


def test_some_explainers_are_asked_without_the_settings_of_others():
    some = ("deep_lift", "rise")
    for asked, folder in command.commands("cnn_digits", NETWORKS["cnn_digits"], some):
        assert folder.name.endswith("+deep_lift+rise")
        config = request.compose(*asked)
        assert list(objects.build_group(config, "explainer")) == list(some)


def test_what_is_committed_is_the_board_of_its_rows():
    found = evidence.read(command.EVIDENCE)
    parts = list(board.parts(board.titled(found)))
    assert (command.EVIDENCE / "leaderboard.md").read_text() == board_text(parts)
    assert (command.EVIDENCE / "leaderboard.html").read_text() == page.board(parts, {})
    assert list(found) == [f"{network}/{run}" for network, run in RUNS]


def test_costs_are_told_in_evaluations_and_in_gradients(tmp_path):
    costs.write_costs(
        tmp_path / "costs.csv",
        {"gradient": Gradient(), "occlusion": Occlusion(patch=14, stride=14)},
    )
    table = pd.read_csv(tmp_path / "costs.csv").set_index("explainer")
    assert table.loc["gradient", "gradients"] == 1
    assert table.loc["gradient", "evaluations"] == 1
    assert table.loc["occlusion", "evaluations"] == 5  # the image, and four patches


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ("resnet50", "a network must be one of cnn_digits, .*; got resnet50"),
        ("--explainers=lrp", "an explainer must be one of activations, .*; got lrp"),
    ],
)
def test_what_is_unknown_is_one_line(monkeypatch, capsys, asked, line):
    monkeypatch.setattr("sys.argv", ["leaderboard", asked])
    assert command.main() == 2
    assert re.fullmatch(line, capsys.readouterr().err.strip())
