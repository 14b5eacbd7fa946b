"""Axes of several kinds of values: special tokens beside a grid, rolled lines, split indices."""

import pytest

from saliency_bench.network.geometry.axes import (
    Digit,
    Joined,
    as_line,
    has_special,
    is_lost,
    is_placed,
    joined,
    length,
    lost,
    merged,
    part,
    places,
    plain,
)
from saliency_bench.network.geometry.receptive_fields import COLUMNS, ROWS, Line
from saliency_bench.network.geometry.regroup import regrouped
from saliency_bench.network.geometry.shapes import Untold
from saliency_bench.network.geometry.tools import leave, require_whole

HEIGHT, WIDTH = Line.tiles(ROWS, 4, 16), Line.tiles(COLUMNS, 6, 24)
GRID = HEIGHT, WIDTH
TOKENS = joined([plain(1), GRID, plain(2)])


def test_tiles_cover_the_picture():
    assert Line.tiles(ROWS, 4, 16) == Line(ROWS, 4, 0.0, 4.0, 4.0, 0.0, 16.0)
    assert (Line.tiles(ROWS, 3, 16).stop, Line.tiles(ROWS, 3, 16).centre) == (16, 16 / 6)


def test_special_tokens_lie_beside_the_grid():
    assert (length(TOKENS), has_special(TOKENS), is_placed(TOKENS)) == (27, True, True)
    assert places(TOKENS) == (1, [HEIGHT, WIDTH])
    assert places(TOKENS).size == 24
    assert joined([plain(1), plain(1), GRID, plain(2)]) == joined([plain(2), GRID, plain(2)])
    assert joined([plain(2), plain(3)]) == plain(5)
    assert joined([plain(0), GRID]) == GRID
    assert is_lost(joined([plain(1), lost(24)]))
    # One position that sees all is no place.
    assert joined([(HEIGHT.united(),), GRID]) == joined([plain(1), GRID])


def test_parts_of_tokens():
    assert part(TOKENS, 0, 1) == plain(1)
    assert part(TOKENS, 1, 24) == GRID
    assert part(TOKENS, 25, 2) == plain(2)
    assert part(TOKENS, 0, 25) == joined([plain(1), GRID])
    assert part(TOKENS, 7, 12) == (HEIGHT.part(1, 2), WIDTH)
    assert is_lost(part(TOKENS, 3, 12))  # It begins inside a row.
    assert is_lost(part(TOKENS, 0, 9, step=3))


def test_parts_that_continue_each_other_are_one():
    again = joined([part(TOKENS, 0, 7), part(TOKENS, 7, 12), part(TOKENS, 19, 8)])
    assert again == TOKENS
    apart = joined([part(GRID, 0, 6), part(GRID, 12, 6)])
    assert places(apart) == (0, [])
    assert is_placed(apart)


@pytest.mark.parametrize("shift", range(1, 4))
def test_a_line_that_is_rolled_and_rolled_back_is_itself(shift):
    line = (HEIGHT,)
    rolled = joined([part(line, shift, 4 - shift), part(line, 0, shift)])
    assert isinstance(rolled[0], Joined)
    assert (length(rolled), as_line(rolled)) == (4, None)
    assert not has_special(rolled)
    require_whole(rolled)
    assert joined([part(rolled, 4 - shift, shift), part(rolled, 0, 4 - shift)]) == line


@pytest.mark.parametrize(
    "whole", [HEIGHT, joined([part((HEIGHT,), 1, 3), part((HEIGHT,), 0, 1)])[0]]
)
def test_windows_are_digits_of_an_index(whole):
    axes = (whole,), (WIDTH,), plain(5)
    split = regrouped(axes, [2, 2, 3, 2, 5])
    assert split[0] == (Digit(whole, 2, 2),)
    assert split[1] == (Digit(whole, 1, 2),)
    assert (is_placed(split[0]), is_placed(split[1])) == (True, False)
    moved = tuple(split[place] for place in (0, 2, 1, 3, 4))
    windows = regrouped(moved, [6, 4, 5])
    assert [length(axis) for axis in windows] == [6, 4, 5]
    back = regrouped(windows, [2, 3, 2, 2, 5])
    assert back == moved
    assert regrouped(tuple(back[place] for place in (0, 2, 1, 3, 4)), [4, 6, 5]) == axes
    # The digits in another order are no index.
    assert regrouped(moved, [4, 6, 5])[0] != (whole,)


def test_three_digits_are_a_number():
    line = (Line.pixels(ROWS, 24),)
    split = regrouped((line,), [2, 3, 4])
    assert regrouped(split, [6, 4]) == regrouped((line,), [6, 4])
    assert regrouped(split, [24]) == (line,)


def test_tokens_that_see_the_same_are_merged_part_by_part():
    wider = HEIGHT.window(3, 1, 1, 4)
    other = joined([plain(1), (wider, WIDTH), plain(2)])
    assert merged([TOKENS, other]) == joined([plain(1), (HEIGHT.beside(wider), WIDTH), plain(2)])
    assert merged([TOKENS, plain(27)]) == TOKENS
    assert is_lost(merged([TOKENS, joined([plain(3), GRID])]))
    assert is_lost(merged([joined([plain(2), GRID, plain(1)]), TOKENS]))


def test_one_special_token_may_be_taken_out_and_no_place():
    for index in (0, 25, -1):
        leave(TOKENS, index)
    for index in (1, 24, None):
        with pytest.raises(Untold):
            leave(TOKENS, index)
    with pytest.raises(Untold):
        leave(lost(3), 0)


def test_a_sum_over_a_cut_must_leave_its_direction():
    cut = (HEIGHT.part(1, 2), WIDTH)
    with pytest.raises(Untold):
        require_whole(cut)
    with pytest.raises(Untold):
        require_whole(cut, ((WIDTH,),))
    require_whole(cut, (plain(3), joined([plain(1), cut])))  # As attention does.
