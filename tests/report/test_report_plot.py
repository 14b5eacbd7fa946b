"""`Results.plot`: the curves, and the line on whose one side a map passes."""

import io

import numpy as np
import pytest
from helpers.runs import made, noisy
from matplotlib.figure import Figure
from PIL import Image

from saliency_bench.report import view


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


@pytest.fixture(scope="module")
def results():
    return made(noisy(0.02, "changes"), noisy(0.6, "stays", seed=1))


def test_it_is_a_figure_with_a_panel_for_each_explainer(results):
    figure = results.plot()
    assert isinstance(figure, Figure)
    check, similarity = view.ran(results)[0], view.similarities(results, view.ran(results)[0])[0]
    assert len(figure.axes) == len(view.curves(results, check, similarity))
    assert "threshold" in {text.get_text() for text in figure.legends[0].get_texts()}


def test_the_threshold_cuts_null_and_ceiling_in_its_proportion(results):
    (similarity,) = view.similarities(results, view.ran(results)[0])
    share = results.provenance["thresholds"][similarity]
    for axes in results.plot().axes:
        drawn = {name: line.get_ydata() for name, line in lines(axes).items()}
        expected = drawn["null"] + share * (drawn["ceiling"] - drawn["null"])
        np.testing.assert_allclose(drawn["threshold"], expected)


def test_a_curve_lies_below_it_on_average_where_less_is_retained_than_the_threshold(results):
    check = view.ran(results)[0]
    for name, verdict in results.verdicts.set_index("explainer")["verdict"].items():
        (axes,) = results.plot(explainer=name, check=check).axes
        drawn = lines(axes)
        # The first place is the untouched network; the line is drawn past both ends.
        above = drawn["mean"].get_ydata()[1:] - drawn["threshold"].get_ydata()[2:-1]
        assert verdict == ("fail" if above.mean() > 0 else "pass")


def test_one_explainer_has_a_panel_for_each_similarity(small):
    figure = small.plot("gradient")
    check = view.ran(small)[0]
    assert len(figure.axes) == len(view.similarities(small, check))


def test_checks_that_measure_their_ceiling_are_drawn_as_in_the_report(both):
    for check in view.ran(both):
        for similarity in view.similarities(both, check):
            assert isinstance(both.plot(check=check, similarity=similarity), Figure)


def test_a_notebook_shows_it_as_a_picture(results):
    picture = Image.open(io.BytesIO(results.plot()._repr_png_()))
    assert picture.format == "PNG"
    assert picture.width == round(100 * results.plot().get_figwidth())


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        ({"explainer": "chnges"}, "explainer must be one of this run, got 'chnges'; .*changes"),
        ({"check": "nope"}, "check must be one of this run, got 'nope'"),
        ({"similarity": "ssim"}, "similarity must be one of this run, got 'ssim'; there are"),
    ],
)
def test_unknown_names_are_refused_in_one_line(results, asked, rule):
    with pytest.raises(ValueError, match=rule) as raised:
        results.plot(**asked)
    assert "\n" not in str(raised.value)
