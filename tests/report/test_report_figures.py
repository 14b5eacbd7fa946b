"""What each figure shows, read from the figure itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex

from saliency_bench.report.figures.curves import accuracy_figure, stage_figure
from saliency_bench.report.figures.heatmap import retained_figure
from saliency_bench.report.figures.mapgrid import MOST_STAGES, map_figure
from saliency_bench.report.figures.palette import SIGNED, UNSIGNED, palette, scaled
from saliency_bench.report.figures.panels import COLUMNS
from saliency_bench.report.figures.planned import plan_figures, stem
from saliency_bench.report.figures.style import SHADE

CHECK = "parameter_randomization"
SIGNED_RANK = "spearman_signed"
MANY = tuple(f"block_{i}_depthwise_conv" for i in range(1, 29))


def line(axes, label):
    return next(one for one in axes.get_lines() if one.get_label() == label)


def labels(axes):
    return [tick.get_text() for tick in axes.get_xticklabels()]


def test_panel_shows_the_summary_from_the_ceiling_on(small):
    axes = stage_figure(small, CHECK, SIGNED_RANK).axes[0]
    rows = small.summary.query(
        "explainer == 'gradient' and similarity == @SIGNED_RANK and stage > 0"
    )
    np.testing.assert_array_equal(line(axes, "mean").get_xdata(), [0, 1, 2, 3, 4])
    np.testing.assert_allclose(line(axes, "mean").get_ydata(), [1.0, *rows["mean"]])
    for guide, level in (("ceiling", 1.0), ("null", 0.05), ("floor", 0.15)):
        np.testing.assert_allclose(line(axes, guide).get_ydata(), level)


def test_controls_are_shaded_in_rows_of_their_own(small):
    panels = stage_figure(small, CHECK, SIGNED_RANK).axes
    names = [axes.get_title(loc="left") for axes in panels]
    assert names[:2] == ["gradient", "guided_backprop"]
    assert [to_hex(axes.get_facecolor()) == SHADE.lower() for axes in panels] == [False] * 2 + [
        True
    ] * 4
    rows = [axes.get_subplotspec().rowspan.start for axes in panels]
    assert rows == [0, 0, 1, 1, 1, 1]
    assert COLUMNS == 4


def test_only_the_lowest_panel_of_a_column_names_the_stages(small):
    panels = stage_figure(small, CHECK, SIGNED_RANK).axes
    named = [any(labels(axes)) for axes in panels]
    assert named == [False, False, True, True, True, True]
    assert labels(panels[-1]) == ["untouched", "dense", "conv_3", "conv_2", "conv_1"]


def test_legend_stays_on_one_line_where_there_is_room_and_never_leaves_one_key_alone(make_results):
    def lines(**settings):
        figure = stage_figure(make_results(similarities=("ssim",), **settings), CHECK, "ssim")
        figure.canvas.draw()
        (legend,) = figure.legends
        assert legend.get_window_extent().x1 <= figure.bbox.x1
        heights = [round(text.get_window_extent().y0) for text in legend.get_texts()]
        return sorted(Counter(heights).values())

    assert lines() == [5]
    assert lines(explainers=("gradient",), controls=False) == [2, 2]


def test_caption_says_whose_floor_a_stage_shows(small):
    caption = next(plan_figures(small)).caption
    assert "The floor of a stage is what the maps of two draws of that stage score" in caption
    assert "where every layer is redrawn, they are two unrelated networks" in caption


def test_many_stages_are_thinned_with_both_ends_named(make_results):
    results = make_results(explainers=("gradient",), similarities=("ssim",), stages=MANY)
    texts = labels(stage_figure(results, CHECK, "ssim").axes[-1])
    assert 3 <= len(texts) <= 12
    assert texts[0] == "untouched"
    assert texts[-1].startswith("block_28")


def test_labels_of_stages_do_not_overlap(make_results):
    results = make_results(explainers=("gradient",), similarities=("ssim",), stages=MANY)
    for figure in (stage_figure(results, CHECK, "ssim"), retained_figure(results, CHECK, "ssim")):
        figure.canvas.draw()
        boxes = [t.get_window_extent() for t in figure.axes[0].get_xticklabels() if t.get_text()]
        assert all(not one.overlaps(two) for one, two in pairwise(boxes))


def test_undefined_panel_says_so(make_results):
    results = make_results(explainers=("gradient",), similarities=("ssim",), undefined=True)
    texts = [text.get_text() for text in stage_figure(results, CHECK, "ssim").axes[0].texts]
    assert texts == ["undefined"]


def test_everything_undefined_still_draws(make_results):
    results = make_results(explainers=("gradient",), similarities=("ssim",), undefined=True)
    summary = results.summary.assign(null=np.nan, ceiling=np.nan, floor=np.nan)
    figure = stage_figure(replace(results, summary=summary), CHECK, "ssim")
    figure.canvas.draw()
    assert [text.get_text() for text in figure.axes[0].texts] == ["undefined"]


def test_heat_map_holds_retained_and_masks_the_undefined(small):
    stages, area, _ = retained_figure(small, CHECK, SIGNED_RANK).axes
    shown = stages.images[0].get_array()
    rows = small.summary.query("explainer == 'gradient' and similarity == @SIGNED_RANK")
    np.testing.assert_allclose(shown[0], rows.query("stage > 0")["retained"])
    np.testing.assert_allclose(area.images[0].get_array()[0], rows.query("stage == -1")["retained"])
    assert shown.mask[-1].all()
    assert stages.patch.get_hatch()
    assert stages.images[0].get_clim() == (0, 1)


def test_numbers_are_left_out_of_many_cells_but_not_of_the_area(make_results):
    results = make_results(explainers=("gradient",), similarities=("ssim",), stages=MANY)
    stages, area, _ = retained_figure(results, CHECK, "ssim").axes
    assert not stages.texts
    assert len(area.texts) == 1 + 3  # constant is undefined


def test_accuracy_stands_beside_chance(small):
    axes = accuracy_figure(small, CHECK).axes[0]
    assert set(line(axes, "chance, 0.1").get_ydata()) == {0.1}
    means = small.networks.groupby("stage")["accuracy"].mean()
    np.testing.assert_allclose(line(axes, "mean over draws").get_ydata(), means)


def test_chance_is_left_out_when_unknown(small):
    unknown = replace(small, provenance={**small.provenance, "chance": None})
    found = [one.get_label() for one in accuracy_figure(unknown, CHECK).axes[0].get_lines()]
    assert found == ["mean over draws"]


@pytest.mark.parametrize(("side", "channels"), [(28, 1), (64, 3), (16, 2)])
def test_grid_has_the_input_and_every_stage_of_every_explainer(make_results, side, channels):
    results = make_results(explainers=("gradient",), side=side, channels=channels)
    axes = map_figure(results, CHECK, 0).axes[0]
    assert labels(axes) == ["input", "untouched", "dense", "conv_3", "conv_2", "conv_1"]
    empty = 5  # the maps of the constant control, each with a word
    assert len(axes.images) == 5 * 6 - empty
    words = [text.get_text() for text in axes.texts]
    assert words == [f"constant\n{channels}", *["nowhere\nfinite"] * 4]


def test_signed_maps_are_symmetric_about_zero_and_unsigned_start_there(make_results):
    results = make_results(explainers=("gradient", "grad_cam"), controls=False)
    facts = {"signed": {"gradient": True, "grad_cam": False}}
    results = replace(results, provenance=results.provenance | facts)
    images = map_figure(results, CHECK, 0).axes[0].images
    assert [image.get_clim() for image in images[1:6]] == [(-1, 1)] * 5
    assert [image.get_clim() for image in images[7:12]] == [(0, 1)] * 5
    assert images[1].get_cmap().name == SIGNED.colours
    assert images[7].get_cmap().name == UNSIGNED.colours


def test_long_cascade_shows_a_choice_with_its_end(make_results):
    results = make_results(explainers=("gradient",), similarities=("ssim",), stages=MANY)
    texts = labels(map_figure(results, CHECK, 0).axes[0])
    assert len(texts) == 2 + MOST_STAGES
    assert texts[-1].startswith("block_28")


def test_grid_without_examples_is_refused(small):
    with pytest.raises(ValueError, match="needs a run with examples"):
        map_figure(replace(small, examples=None), CHECK, 0)


def test_palette_follows_the_explainer():
    assert palette(signed=False) is UNSIGNED
    assert palette(signed=True) is SIGNED


def test_scale_is_the_99th_percentile_of_the_size():
    values = np.arange(-100.0, 1.0).reshape(1, -1)
    np.testing.assert_allclose(scaled(values), values / 99)


def test_sparse_map_is_scaled_by_its_largest_value_and_zero_by_nothing():
    sparse = np.zeros((30, 30))
    sparse[0, 0] = -4.0
    assert scaled(sparse).min() == -1.0
    np.testing.assert_array_equal(scaled(np.zeros((2, 2))), 0)


def test_plan_has_every_figure_once(small):
    stems = [plan.stem for plan in plan_figures(small)]
    assert len(set(stems)) == len(stems) == 2 * 2 + 1 + 2


def test_plan_leaves_out_what_there_are_no_numbers_for(small):
    blind = small.networks.assign(accuracy=np.nan)
    summary = small.summary[small.summary["stage"] == -1]
    assert not list(plan_figures(replace(small, networks=blind, summary=summary, examples=None)))


def test_stems_are_safe_and_stay_apart():
    assert stem("stages", "ssim") == "stages_ssim"
    assert stem("a/../b") != stem("a_.._b")
    assert "/" not in stem("a/../b")


def test_drawing_leaves_the_global_settings_alone(small):
    before = dict(mpl.rcParams)
    stage_figure(small, CHECK, SIGNED_RANK)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("stages", [("permuted labels",), MANY])
def test_title_fits_its_figure(make_results, stages):
    results = make_results(
        explainers=("gradient",), similarities=("top_k_intersection_of_two",), stages=stages,
        check="parameter_randomization_bottom_up",
    )  # fmt: skip
    for plan in plan_figures(results):
        figure = plan.draw()
        figure.canvas.draw()
        assert figure.get_suptitle()
        title = next(text for text in figure.texts if text.get_text() == figure.get_suptitle())
        assert title.get_window_extent().x1 <= figure.bbox.x1


def test_dollars_in_names_draw(make_results):
    results = make_results(
        explainers=("$a_{$", "$x$ | y"),
        similarities=("s$im$",),
        stages=("$b$", "c"),
        controls=False,
    )
    for plan in plan_figures(results):
        figure = plan.draw()
        figure.canvas.draw()
        assert figure.get_suptitle()
