"""Pictures of maps, by hand arithmetic on their colours, and by what a grid says of itself."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from saliency_bench import plot
from saliency_bench.plot.grids import ordinal
from saliency_bench.plot.scales import UNDEFINED
from saliency_bench.report.figures import style
from saliency_bench.report.figures.palette import SIGNED, UNSIGNED, emptiness

RNG = np.random.default_rng(0)
IMAGE = RNG.random((6, 5, 3), np.float32)
GREY = RNG.random((6, 5, 1), np.float32)
WAVY = RNG.normal(size=(6, 5))
CAM = RNG.random((6, 5))


def colour(name, place):
    return np.float32(mpl.colormaps[name](place)[:3])


def ground(shade):
    """An image's grey below colours: from middle grey to white."""
    return 0.5 + 0.5 * shade


def texts(figure):
    """All words of a figure, with single blanks for whatever separates them."""
    axes = figure.axes
    found = [*figure.texts, *(text for one in axes for text in one.texts)]
    found += [one.title for one in axes] + [one.xaxis.label for one in axes]
    found += [label for one in axes for label in one.get_xticklabels()]
    return [" ".join(text.get_text().split()) for text in found if text.get_text()]


def pictures(figure):
    """What the cells show, in the order of columns, then rows; keys come last."""
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


# scales


def test_a_signed_map_diverges_about_zero():
    values = np.array([[-1.0, 0.0, 2.0]])
    scale = plot.scale([values], percentile=100)
    assert scale == plot.Scale(SIGNED, 2.0)
    painted = scale.painted(values)[0]
    for pixel, place in zip(painted, (0.25, 0.5, 1.0), strict=True):
        np.testing.assert_array_equal(pixel, colour("RdBu_r", place))


def test_an_unsigned_map_starts_at_zero_not_at_its_smallest_value():
    values = np.array([[2.0, 3.0, 4.0]])
    scale = plot.scale([values], percentile=100)
    assert scale == plot.Scale(UNSIGNED, 4.0)
    painted = scale.painted(values)[0]
    for pixel, place in zip(painted, (0.5, 0.75, 1.0), strict=True):
        np.testing.assert_array_equal(pixel, colour("viridis", place))


@pytest.mark.parametrize(("percentile", "end"), [(100, 100), (99, 99), (50, 50), (0.5, 0.5)])
@pytest.mark.parametrize("sign", [1, -1])
def test_colours_end_at_the_percentile_of_the_size(percentile, end, sign):
    values = sign * np.arange(101.0)[None]
    assert plot.scale([values], percentile=percentile).end == pytest.approx(end)


def test_values_beyond_the_percentile_look_alike():
    values = np.arange(101.0)[None]
    painted = plot.scale([values], percentile=50).painted(values)[0]
    assert (painted[50:] == colour("viridis", 1.0)).all()
    assert (painted[40] != painted[50]).any()


def test_a_sparse_map_ends_at_its_largest_value_and_says_so():
    values = np.zeros((20, 20))
    values[3, 4] = 0.25
    scale = plot.scale([values])
    assert (scale.end, scale.sparse) == (0.25, True)
    assert str(scale) == "0 to 0.25 (max)"


def test_a_scale_tells_its_ends():
    assert str(plot.scale([np.array([[-1.0, 0.5]])], percentile=100)) == "±1"
    assert str(plot.scale([np.array([[0.0, 1.5e-9]])], percentile=100)) == "0 to 1.5e-09"


def test_several_maps_share_the_scale_of_all_their_values():
    together = np.concatenate([WAVY, 3 * CAM])
    assert plot.scale([WAVY, 3 * CAM]) == plot.scale([together])


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.zeros((3, 3)), "constant: 0 everywhere"),
        (np.full((3, 3), 0.37), "constant: 0.37 everywhere"),
        (np.full((3, 3), -2) + 1e-9 * RNG.random((3, 3)), "constant: -2 everywhere"),
        (np.full((3, 3), np.nan), "nowhere finite"),
        (np.full((3, 3), np.inf), "nowhere finite"),
        (np.array([[np.nan, 1.0]]), "constant: 1 everywhere"),
    ],
)
def test_a_map_without_differences_shows_nothing(values, why):
    assert emptiness(values) == why
    assert plot.scale([values]) is None


def test_small_differences_are_shown_if_they_are_no_rounding():
    values = np.array([[1.0, 1.0 + 1e-4]])
    assert emptiness(values) == ""
    assert emptiness(1e-30 * WAVY) == ""


def test_the_sum_over_channels_is_what_can_be_constant():
    split = np.stack([WAVY, -WAVY], axis=-1)
    assert plot.scale([split]) is None
    assert plot.scale([split[..., :1]]) == plot.scale([WAVY])


@pytest.mark.parametrize("percentile", [0, -1, 101, float("nan")])
def test_a_percentile_lies_between_zero_and_a_hundred(percentile):
    with pytest.raises(ValueError, match="percentile must be above 0 and at most 100; got"):
        plot.scale([WAVY], percentile=percentile)


@pytest.mark.parametrize("shape", [(4,), (2, 4, 4, 1), (0, 4)])
def test_a_map_has_two_axes_or_three(shape):
    with pytest.raises(ValueError, match=r"a map must be numbers \[H, W\] or \[H, W, C\]; got"):
        plot.scale([np.zeros(shape)])


# overlays


def test_where_a_map_is_zero_the_image_is_seen():
    values = np.zeros((6, 5))
    values[0, 0] = 1
    shade = IMAGE @ np.float32([0.299, 0.587, 0.114])
    seen = plot.overlay(IMAGE, values)
    assert seen.shape == (6, 5, 3)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen[1:], np.stack([ground(shade)] * 3, -1)[1:], atol=1e-6)


def test_opaque_colours_are_the_scale_s_own_at_its_ends():
    values = np.zeros((6, 5))
    values[0, 0], values[1, 1] = 2, -2
    seen = plot.overlay(IMAGE, values, opacity=1, percentile=100)
    np.testing.assert_allclose(seen[0, 0], colour("RdBu_r", 1.0), atol=1e-6)
    np.testing.assert_allclose(seen[1, 1], colour("RdBu_r", 0.0), atol=1e-6)


def test_half_the_end_is_half_as_opaque():
    values = np.zeros((1, 3))
    values[0, 1:] = 1, 2
    black = np.zeros((1, 3, 1), np.uint8)
    seen = plot.overlay(black, values, opacity=0.8, percentile=100)[0]
    np.testing.assert_allclose(seen[1], 0.6 * 0.5 + 0.4 * colour("viridis", 0.5), atol=1e-6)
    np.testing.assert_allclose(seen[2], 0.2 * 0.5 + 0.8 * colour("viridis", 1.0), atol=1e-6)


@pytest.mark.parametrize("values", [WAVY, CAM, np.stack([WAVY, CAM], -1)])
def test_the_unit_of_a_map_changes_nothing(values):
    np.testing.assert_array_equal(plot.overlay(IMAGE, values), plot.overlay(IMAGE, 2**40 * values))
    np.testing.assert_array_equal(plot.overlay(IMAGE, values), plot.overlay(IMAGE, values / 2**40))


def test_channels_are_summed():
    both = np.stack([WAVY, CAM], axis=-1)
    np.testing.assert_array_equal(plot.overlay(IMAGE, both), plot.overlay(IMAGE, WAVY + CAM))


def test_another_scale_can_be_asked_for():
    values = np.array([[0.0, 1.0]])
    like = plot.scale([np.array([[0.0, 4.0]])], percentile=100)
    seen = plot.overlay(np.zeros((1, 2)), values, opacity=1, like=like)[0, 1]
    np.testing.assert_allclose(seen, 0.75 * 0.5 + 0.25 * colour("viridis", 0.25), atol=1e-6)


@pytest.mark.parametrize("empty", [0.0, 0.37, np.nan])
def test_a_map_with_nothing_to_show_hatches_the_image(empty):
    white = np.full((24, 24), 255, np.uint8)
    seen = plot.overlay(white, np.full((24, 24), empty))
    lines = (seen < 0.5).all(axis=-1)
    assert 0.05 < lines.mean() < 0.5
    assert (seen[~lines] == 1).all()
    np.testing.assert_array_equal(lines, lines.T)  # diagonal


def test_values_that_are_not_finite_are_grey_and_do_not_set_the_scale():
    broken = CAM.copy()
    broken[0, :3] = np.nan, np.inf, -np.inf
    seen = plot.overlay(IMAGE, broken, opacity=1)
    np.testing.assert_allclose(seen[0, :3], UNDEFINED, atol=1e-6)
    rest = plot.scale([CAM.ravel()[None, 3:]])
    np.testing.assert_array_equal(seen[1:], plot.overlay(IMAGE, CAM, opacity=1, like=rest)[1:])


@pytest.mark.parametrize("unit", [1e-300, 1e-30, 1.0, 1e30, 1e300])
@pytest.mark.parametrize("values", [WAVY, CAM])
def test_an_overlay_is_always_a_picture(values, unit):
    for image in (IMAGE, GREY, IMAGE[..., :2]):
        seen = plot.overlay(image, unit * values)
        assert np.isfinite(seen).all()
        assert (seen >= 0).all()
        assert (seen <= 1).all()


def test_images_in_bytes_and_in_floats_are_alike():
    small = RNG.integers(0, 256, (6, 5, 3), np.uint8)
    np.testing.assert_allclose(
        plot.overlay(small, WAVY), plot.overlay(small / 255, WAVY), atol=1e-6
    )
    np.testing.assert_array_equal(plot.overlay(GREY, WAVY), plot.overlay(GREY[..., 0], WAVY))
    np.testing.assert_allclose(
        plot.overlay(GREY, WAVY), plot.overlay(np.repeat(GREY, 3, -1), WAVY), atol=1e-6
    )


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (2 * IMAGE - 1, r"display units, uint8 or \[0, 1\]; got -"),
        (255 * IMAGE, r"display units, uint8 or \[0, 1\]; got"),
        (np.full((6, 5), np.nan), r"display units, uint8 or \[0, 1\]; got nan"),
        (np.ones((6, 5), np.int64), "must be uint8 or floats"),
        (IMAGE[None], r"must be \[H, W\] or \[H, W, C\]; got shape \(1, 6, 5, 3\)"),
        (IMAGE[:5], r"as high and wide as its image, \(5, 5\); got \(6, 5\)"),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        plot.overlay(image, WAVY)


@pytest.mark.parametrize("opacity", [0, -0.1, 1.1])
def test_opacity_lies_between_zero_and_one(opacity):
    with pytest.raises(ValueError, match="opacity must be above 0 and at most 1; got"):
        plot.overlay(IMAGE, WAVY, opacity=opacity)


# grids


def test_a_grid_has_images_down_and_explainers_across():
    figure = plot.grid([IMAGE, GREY], {"a": [WAVY, CAM], "b": [CAM, 2 * CAM]}, titles=["x", "y"])
    shown = pictures(figure)
    np.testing.assert_array_equal(shown[0], IMAGE)
    np.testing.assert_array_equal(shown[1], np.repeat(GREY, 3, axis=-1))
    np.testing.assert_array_equal(shown[2], plot.scale([WAVY]).painted(WAVY))
    np.testing.assert_array_equal(shown[4], shown[5])  # each on its own scale
    assert [axes.get_title() for axes in figure.axes[:6]] == ["input", "", "a", "", "b", ""]
    tops = [axes.get_position().y0 for axes in figure.axes[:6]]
    lefts = [axes.get_position().x0 for axes in figure.axes[:6]]
    assert lefts == pytest.approx([lefts[0], lefts[0], lefts[2], lefts[2], lefts[4], lefts[4]])
    assert tops == pytest.approx([tops[0], tops[1]] * 3)
    assert lefts[0] < lefts[2] < lefts[4]
    assert tops[0] > tops[1]


def test_the_values_at_which_colours_end_stand_below_the_maps():
    words = texts(plot.grid([IMAGE, IMAGE], {"a": [CAM, 2 * CAM]}, percentile=100))
    assert f"0 to {CAM.max():.2g}" in words
    assert f"0 to {2 * CAM.max():.2g}" in words


def test_a_shared_scale_is_one_per_explainer():
    maps = {"a": [CAM, 2 * CAM], "b": [WAVY, WAVY]}
    figure = plot.grid([IMAGE, IMAGE], maps, shared=True, percentile=100)
    shown = pictures(figure)
    common = plot.Scale(UNSIGNED, 2 * CAM.max())
    np.testing.assert_array_equal(shown[2], common.painted(CAM))
    np.testing.assert_array_equal(shown[3], common.painted(2 * CAM))
    assert texts(figure).count(str(common)) == 2
    assert any("The maps of an explainer share a scale" in text for text in texts(figure))


def test_an_explainer_has_one_kind_of_colours():
    shown = pictures(plot.grid([IMAGE, IMAGE], {"a": [CAM, WAVY]}, percentile=100))
    np.testing.assert_array_equal(shown[2], plot.Scale(SIGNED, CAM.max()).painted(CAM))


def test_maps_may_lie_over_their_images():
    figure = plot.grid([IMAGE], {"a": [WAVY]}, opacity=0.7)
    np.testing.assert_array_equal(pictures(figure)[1], plot.overlay(IMAGE, WAVY, opacity=0.7))
    assert any("values near 0 are transparent" in text for text in texts(figure))


@pytest.mark.parametrize(
    ("percentile", "words"),
    [
        (99, "Clipped at the 99th percentile of |map|."),
        (99.5, "Clipped at the 99.5th percentile of |map|."),
        (91, "Clipped at the 91st percentile of |map|."),
        (100, "The colours end at the largest |map|: nothing is clipped."),
    ],
)
def test_a_grid_says_where_it_is_clipped(percentile, words):
    found = texts(plot.grid([IMAGE], {"a": [WAVY]}, percentile=percentile))
    assert any(words in text for text in found)
    assert ("max" if percentile == 100 else f"p{percentile}") in found


def test_ordinals():
    numbers = (1, 2, 3, 4, 11, 12, 13, 21, 92, 93, 99.5, 90.2)
    assert " ".join(map(ordinal, numbers)) == (
        "1st 2nd 3rd 4th 11th 12th 13th 21st 92nd 93rd 99.5th 90.2th"
    )


def test_what_is_no_map_is_words_in_its_place():
    nan = np.full((6, 5), np.nan)
    holes = np.where(CAM > 0.9, np.nan, CAM)
    maps = {"a": [np.full((6, 5), 0.5), nan], "b": "no ReLU", "c": [holes, CAM]}
    figure = plot.grid([IMAGE, IMAGE], maps)
    found = texts(figure)
    assert "constant: 0.5 everywhere" in found
    assert "nowhere finite" in found
    assert found.count("no ReLU") == 2
    assert any("Grey: not finite." in text for text in found)
    assert len(pictures(figure)) == 2 + 2 + 1  # the images, the maps that are there, a key


def test_a_map_that_is_large_everywhere_says_its_smallest_value():
    found = texts(plot.grid([IMAGE], {"a": [17 + CAM]}, percentile=100))
    assert f"0 to {17 + CAM.max():.2g} smallest {17 + CAM.min():.2g}" in found


@pytest.mark.parametrize(
    ("images", "maps", "titles", "message"),
    [
        ([], {"a": []}, [], "must have images and maps; got 0 and 1"),
        ([IMAGE], {}, [], "must have images and maps; got 1 and 0"),
        ([IMAGE], {"a": [WAVY, WAVY]}, [], "one per image, 1; got 2 of a"),
        ([IMAGE], {"a": [WAVY]}, ["x", "y"], "titles must be one per image, 1; got 2"),
    ],
)
def test_numbers_must_fit(images, maps, titles, message):
    with pytest.raises(ValueError, match=message):
        plot.grid(images, maps, titles=titles)


def test_a_small_map_stands_alone_but_not_over_an_image():
    small = CAM[:2, :2]
    np.testing.assert_array_equal(
        pictures(plot.grid([IMAGE], {"a": [small]}))[1], plot.scale([small]).painted(small)
    )
    with pytest.raises(ValueError, match="as high and wide as its image"):
        plot.grid([IMAGE], {"a": [small]}, opacity=0.5)


@pytest.mark.parametrize("shape", [(6, 5), (5, 20), (30, 5)])
@pytest.mark.parametrize("count", [1, 6, 12])
def test_all_words_lie_inside_the_figure_and_beside_one_another(count, shape):
    image, values = RNG.random(shape), RNG.normal(size=shape)
    names = [f"an_explainer_with_$quite$_a_long_name_{i}" for i in range(count)]
    reason = "not applicable: " + "the network has no layer whose output is a feature map " * 4
    maps = dict.fromkeys(names, [values] * 2) | {"refused": reason}
    figure = plot.grid([image] * 2, maps, titles=["a/long/path/of/some/photo.jpg\nclass 285"] * 2)
    style.encoded(figure, "png")  # lays out
    whole = figure.bbox
    for axes in figure.axes:
        labels = [axes.title, axes.xaxis.label, *axes.texts]
        for box in (text.get_window_extent() for text in labels if text.get_text()):
            assert whole.x0 <= box.x0 < box.x1 <= whole.x1
            assert whole.y0 <= box.y0 < box.y1 <= whole.y1
            assert box.width <= axes.get_window_extent().width + 4  # pixels: the gap
    notes = [text.get_window_extent() for text in figure.texts]
    assert all(box.x0 >= 0 and box.x1 <= whole.x1 for box in notes)
    keys = [axes.get_tightbbox() for axes in figure.axes[-1:]]
    assert all(key.y0 >= note.y1 - 1 for key in keys for note in notes)


@pytest.mark.parametrize("kind", plot.KINDS)
def test_the_same_grid_is_the_same_file(kind, tmp_path):
    for name in "ab":
        plot.save(plot.grid([IMAGE], {"a": [WAVY]}), tmp_path / f"{name}{kind}")
    assert (tmp_path / f"a{kind}").read_bytes() == (tmp_path / f"b{kind}").read_bytes()


def test_a_grid_is_as_wide_as_a_page_and_fine_enough_for_it(tmp_path):
    plot.save(plot.grid([IMAGE], {name: [WAVY] for name in "abcdef"}), tmp_path / "six.PNG")
    with Image.open(tmp_path / "six.PNG") as picture:
        assert picture.width == 200 * style.WIDTH
    plot.save(plot.grid([IMAGE], {"a": [WAVY]}), tmp_path / "one.svg")
    assert "Clipped at the 99th percentile of |map|." in (tmp_path / "one.svg").read_text()


def test_a_figure_has_three_kinds_of_files(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.png, \.pdf, \.svg; got .*grid\.jpg"):
        plot.save(plot.grid([IMAGE], {"a": [WAVY]}), tmp_path / "grid.jpg")
