"""`plan=true`: what is left to do, counted by hand; and nothing is written."""

import re

import pytest

pytestmark = pytest.mark.usefixtures("without_figures")

CONTROLS, CONDITIONS, IMAGES = 6, 1 + 2 * 3, 8
"""The repeat, and three draws of two layers."""


def table(out):
    """Numbers after each name."""
    rows = {}
    for line in out.splitlines():
        name, *numbers = line.split()[:3] or [""]
        rows.setdefault(name, numbers)
    return rows


def test_a_plan_counts_what_is_to_be_done_and_writes_nothing(command, small, tmp_path):
    arguments = [a for a in small if not a.startswith("explainer=")]
    picked = "explainer=[gradient,integrated_gradients]"
    steps = "explainer.integrated_gradients.steps=5"
    done = command(*arguments, picked, steps, "plan=true")
    assert done.status == 0
    assert not (tmp_path / "run").exists()
    rows = table(done.out)
    explained = str(IMAGES * (CONDITIONS + 1))  # and once as what the others are compared with
    assert rows["gradient"] == [explained, "1"]
    assert rows["integrated_gradients"] == [explained, "5"]
    assert rows["edge_detector"] == [explained, "-"]
    assert f"cells    {CONDITIONS * (2 + CONTROLS + 1)} to compute" in done.out
    assert "weights  changed 6 times" in done.out
    assert "workers=1" in done.out
    assert "once there are scores" in done.out


def test_a_batch_that_is_filled_up_costs_more(command, small):
    picked = "explainer.integrated_gradients.steps=5"
    arguments = [a for a in small if not a.startswith("explainer=")]
    done = command(
        *arguments,
        "explainer=[gradient,integrated_gradients]",
        picked,
        "batch_size=32",
        "plan=true",
    )
    rows = table(done.out)
    # 4 evaluations of the network for each of 8 images.
    assert [rows[name][1] for name in ("gradient", "integrated_gradients")] == ["4", "8"]


def test_a_plan_knows_what_is_there_and_how_much_it_varies(command, small):
    assert command(*small).status == 0
    done = command(*small, "plan=true", "width=0.5")
    rows = table(done.out)
    assert rows["gradient"][0] == "0"
    assert f"cells    0 to compute, {CONDITIONS * (1 + CONTROLS + 1)} exist" in done.out
    last = done.out.split("0.5 wide")[1]
    assert re.search(r"gradient +(-|\d+) +(-|\d+) +\d+", last)
    assert "edge_detector" not in last
    more = command(*small, "plan=true", "draws=5")
    assert f"cells    {4 * (1 + CONTROLS + 1)} to compute" in more.out


LEARNING = [
    "check=[param_randomization,data_randomization]",
    "explainer=[gradient]",
    "similarity=[spearman_abs]",
    "n_images=8",
    "draws=3",
    "model.filters=[2]",
    "model.units=16",
    "model.training.epochs=7",
]


def test_a_plan_trains_nothing_and_says_what_training_takes(command, tmp_path):
    done = command(*LEARNING, "plan=true")
    assert done.status == 0
    assert list(tmp_path.iterdir()) == []
    said = re.search(r"training (\d+) to do first, each of at most (\d+) epochs of ", done.out)
    assert said.groups() == ("6", "7")
    assert "not better than chance" not in done.err  # what is not trained guesses
    assert "trained" not in done.err
    # The repeats, three draws of three layers; twins and networks of permuted labels.
    assert f"cells    {(1 + 3 * 3 + 1 + 3 + 3) * (1 + CONTROLS + 1)} to compute" in done.out


def test_networks_that_are_trained_are_not_to_be_trained(command, tmp_path):
    assert command(*LEARNING[1:], "run_dir=run").status in (0, 1)
    done = command(*LEARNING[1:], "run_dir=run", "plan=true")
    assert "training" not in done.out
    assert "cells    0 to compute" in done.out
    done = command(*LEARNING, "plan=true")
    assert "training 5 to do first" in done.out


def test_a_width_that_is_none_is_refused(refused, small):
    assert "width must be at least 0.001; got -1" in refused(*small, "plan=true", "width=-1")
