"""The leaderboard: what it runs can be run, and what it keeps says what the runs say."""

import json
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from experiments.leaderboard import __main__ as command
from experiments.leaderboard import costs, evidence, figure
from experiments.leaderboard.networks import CHEAPER, NETWORKS, explainers
from saliency_bench.cli import objects, request
from saliency_bench.explainers import CONTROLS, Gradient, Occlusion
from saliency_bench.report.figures import style

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


def test_what_is_kept_names_the_network_of_every_row(verdicts, quality, tmp_path):
    board, kept = tmp_path / "board", tmp_path / "kept"
    for folder in (board, kept):
        folder.mkdir()
    for page in evidence.PAGES:
        (board / page).write_text(page)
    folders = [tmp_path / "cnn" / "weights", tmp_path / "cnn" / "maps"]
    for folder, name, table in zip(folders, evidence.TABLES, (verdicts, quality), strict=True):
        folder.mkdir(parents=True)
        own = table.drop(columns="network").assign(schema_version=2)
        own.to_csv(folder / name, index=False)
        facts = {"n_images": 8, "draws": 3, "valid": True, "accuracy": None, "git": "abc"}
        (folder / "provenance.json").write_text(json.dumps(facts))
    pd.DataFrame({"explainer": NAMES, "evaluations": 1.0, "gradients": [1.0, 2.0]}).to_csv(
        kept / "costs.csv", index=False
    )
    evidence.write(folders, board, kept)
    assert set(pd.read_csv(kept / "verdicts.csv")["network"]) == {"cnn"}
    assert "schema_version" not in pd.read_csv(kept / "quality.csv")
    told = json.loads((kept / "provenance.json").read_text())["runs"]
    assert told["cnn/weights"]["n_images"] == 8
    assert {path.name for path in kept.glob("*.png")} == {
        "verdicts.png",
        "metrics.png",
        "costs.png",
    }
    assert (kept / "leaderboard.html").read_text() == "leaderboard.html"


def test_costs_are_told_in_evaluations_and_in_gradients(tmp_path):
    costs.write_costs(
        tmp_path / "costs.csv",
        {"gradient": Gradient(), "occlusion": Occlusion(patch=14, stride=14)},
    )
    table = pd.read_csv(tmp_path / "costs.csv").set_index("explainer")
    assert table.loc["gradient", "gradients"] == 1
    assert table.loc["gradient", "evaluations"] == 1
    assert table.loc["occlusion", "evaluations"] == 5  # the image, and four patches


def test_an_unknown_network_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["leaderboard", "resnet50"])
    assert command.main() == 2
    assert capsys.readouterr().err.startswith("a network must be one of cnn_digits, ")
