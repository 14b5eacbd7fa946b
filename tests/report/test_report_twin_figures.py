"""Figures of a check with retrained twins, read from the figures themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.colors import to_hex

from saliency_bench.checks.data_randomization import TWINS
from saliency_bench.report.figures.bars import bar_figure
from saliency_bench.report.figures.curves import level_figure
from saliency_bench.report.figures.heatmap import retained_figure
from saliency_bench.report.figures.mapgrid import map_figure
from saliency_bench.report.figures.planned import plan_figures
from saliency_bench.report.figures.style import BLUE, ORANGE, SHADE
from saliency_bench.report.figures.training import training_figure

LABELS = "data_randomization"
SIGNED_RANK = "spearman_signed"


def rows(results, stage):
    own = results.summary["check"] == LABELS
    return results.summary[own].query("similarity == @SIGNED_RANK and stage == @stage")


def bars(axes, colour):
    return [patch.get_width() for patch in axes.patches if to_hex(patch.get_facecolor()) == colour]


def test_bars_are_the_twins_and_the_randomized_labels(twins):
    axes = bar_figure(twins, LABELS, SIGNED_RANK).axes[0]
    known = [name != "constant" for name in rows(twins, TWINS)["explainer"]]
    for stage, colour in ((TWINS, BLUE), (TWINS + 1, ORANGE)):
        np.testing.assert_allclose(bars(axes, colour.lower()), rows(twins, stage)["mean"][known])


def test_intervals_and_nulls_lie_on_the_bars(twins):
    lines = bar_figure(twins, LABELS, SIGNED_RANK).axes[0].collections
    ends = [segment[:, 0] for lines in lines for segment in lines.get_segments()]
    (gradient,) = rows(twins, TWINS).query("explainer == 'gradient'").itertuples()
    assert any(np.allclose(end, [gradient.low, gradient.high]) for end in ends)
    assert any(np.allclose(end, gradient.null) for end in ends)


def test_bars_of_controls_are_shaded_and_come_last(twins):
    axes = bar_figure(twins, LABELS, SIGNED_RANK).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[:2] == ["gradient", "guided_backprop"]
    (shade,) = [p for p in axes.patches if to_hex(p.get_facecolor()) == SHADE.lower()]
    top, bottom = shade.get_y(), shade.get_y() + shade.get_height()
    places = axes.get_yticks()
    assert [top < place < bottom for place in places] == [False] * 2 + [True] * 4


def test_bars_without_a_number_say_so(make_twins):
    results = make_twins(explainers=("gradient",), undefined=True, controls=False)
    axes = bar_figure(results, LABELS, SIGNED_RANK).axes[0]
    words = [text.get_text() for text in axes.texts if text.get_text()]
    assert words == [" undefined"] * 2
    assert not bars(axes, BLUE.lower())


def test_an_interval_beyond_a_correlation_does_not_stretch_the_axis(make_twins):
    results = make_twins(explainers=("gradient",), controls=False)
    wide = replace(results, summary=results.summary.assign(low=-9.0, high=9.0))
    low, high = bar_figure(wide, LABELS, SIGNED_RANK).axes[0].get_xlim()
    assert -1.2 < low < -1
    assert 1 < high < 1.2
    unknown = replace(results, summary=results.summary.assign(low=np.nan, high=np.nan))
    assert bar_figure(unknown, LABELS, SIGNED_RANK).axes[0].get_xlim()[1] < 1


def test_levels_lie_at_their_share_of_randomized_labels(make_twins):
    results = make_twins((0.1, 0.5, 1.0), explainers=("gradient",), controls=False)
    axes = level_figure(results, LABELS, SIGNED_RANK).axes[0]
    (mean,) = [line for line in axes.get_lines() if line.get_label() == "mean"]
    np.testing.assert_allclose(mean.get_xdata(), [0, 10, 50, 100])
    expected = [float(rows(results, stage)["mean"].iloc[0]) for stage in range(TWINS, TWINS + 4)]
    np.testing.assert_allclose(mean.get_ydata(), expected)
    assert axes.get_xlabel() == "share of the labels that are randomized, %"


def test_heat_map_of_levels_leaves_the_twins_out(make_twins):
    results = make_twins((0.25, 1.0), explainers=("gradient",), controls=False)
    stages, last, _ = retained_figure(results, LABELS, SIGNED_RANK).axes
    names = [label.get_text() for label in stages.get_xticklabels()]
    assert names == ["25 % permuted labels", "permuted labels"]
    assert [label.get_text() for label in last.get_xticklabels()] == ["last"]


def test_trainings_have_a_panel_per_lesson_a_line_per_network_and_its_test(twins):
    true, permuted = training_figure(twins).axes
    assert true.get_title(loc="left") == "true labels"
    assert permuted.get_title(loc="left") == "permuted labels"
    for axes, epochs, tests in ((true, 8, (0.97, 0.98, 0.99)), (permuted, 30, (0.1, 0.11, 0.12))):
        lines = {}
        for line in axes.get_lines():
            lines.setdefault(line.get_label(), []).append(line)
        assert [len(line.get_xdata()) for line in lines["training"]] == [epochs] * 3
        np.testing.assert_allclose([line.get_ydata()[0] for line in lines["test"]], tests)
        assert set(lines["chance"][0].get_ydata()) == {0.25}
        assert ("asked for" in lines) == (axes is permuted)


def test_a_single_epoch_and_an_unknown_test_draw(twins):
    first = twins.trainings.query("epoch == 1").assign(test_accuracy=np.nan)
    expectations = {
        check: {**told, "learned": None} for check, told in twins.provenance["expectations"].items()
    }
    unknown = {"expectations": expectations}
    figure = training_figure(replace(twins, trainings=first, provenance=unknown))
    figure.canvas.draw()
    labels = {line.get_label() for line in figure.axes[1].get_lines()}
    assert labels == {"training", "after training", "test"}


def test_map_grid_names_the_networks(twins):
    axes = map_figure(twins, LABELS, 0).axes[0]
    heads = [" ".join(label.get_text().split()) for label in axes.get_xticklabels()]
    assert heads == ["input", "true labels", "twin, true labels", "permuted labels"]


def test_plan_of_one_level_has_neither_stages_nor_a_heat_map(twins):
    stems = [plan.stem.removesuffix(f"_{LABELS}") for plan in plan_figures(twins)]
    names = ["spearman_signed", "spearman_abs"]
    assert stems == [
        *(f"ceiling_{LABELS}_{name}" for name in names),
        *(f"maps_{LABELS}_{image}" for image in range(2)),
        "training",
    ]


def test_plan_of_several_levels_adds_their_curve_and_the_heat_map(make_twins):
    results = make_twins((0.5, 1.0), explainers=("gradient",), similarities=("ssim",))
    kinds = [plan.stem.split("_")[0] for plan in plan_figures(results)]
    assert kinds == ["ceiling", "levels", "retained", "maps", "maps", "training"]


def test_accuracy_is_drawn_where_no_training_was_told(twins):
    stems = [plan.stem for plan in plan_figures(replace(twins, trainings=twins.trainings[:0]))]
    assert f"accuracy_{LABELS}" in stems
    assert "training" not in stems


def test_figures_of_long_names_keep_title_and_legend_inside(make_twins):
    name = "a_very_long_name_of_an_explainer_of_mine"
    results = make_twins((0.25, 1.0), explainers=(name,), similarities=("top_k_intersection",))
    for plan in plan_figures(results):
        figure = plan.draw()
        figure.canvas.draw()
        texts = [text for text in figure.texts if text.get_text()]
        for part in (*texts, *figure.legends):
            assert part.get_window_extent().x1 <= figure.bbox.x1, plan.stem
