"""What all metrics share: maps that know nothing, the order of pixels, inputs that must fit."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
import pytest

from saliency_bench import metrics
from saliency_bench.metrics.base import Bound, Metric, ranked, require_count
from saliency_bench.protocols import MetricFacts
from saliency_bench.randomize import image_keys


@dataclass(frozen=True)
class Total(Metric):
    family: ClassVar[Any] = "complexity"
    unit: ClassVar[str] = "map"
    words: ClassVar[str] = "the sum of the map"

    def bind(self, model):
        return _Total()


class _Total(Bound):
    def numbers(self, given):
        self.keys = given.keys
        return {"value": given.maps.sum(axis=(1, 2, 3))}


def maps(count=3, side=6):
    return np.random.default_rng(0).random((count, side, side + 1, 2)).astype(np.float32)


def test_a_moved_map_has_the_same_pixels_with_all_their_channels():
    moved = Total().moved(maps(), np.arange(3))
    for row, other in zip(maps(), moved, strict=True):
        pixels = [Counter(map(tuple, image.reshape(-1, 2).tolist())) for image in (row, other)]
        assert pixels[0] == pixels[1]
        assert not np.array_equal(row, other)


def test_a_move_is_a_turn_and_a_shift_around_the_edges():
    row = maps(1)
    moves = {
        np.roll(row[0][::down, ::right], (dy, dx), axis=(0, 1)).tobytes()
        for down in (1, -1)
        for right in (1, -1)
        for dy in range(6)
        for dx in range(7)
    }
    drawn = [Total().moved(row, np.array([key])).tobytes() for key in range(300)]
    assert set(drawn) <= moves
    assert len(set(drawn)) > 0.75 * len(moves), "nearly all of the 168 moves are drawn"


def test_a_move_depends_on_the_key_alone():
    whole = Total().moved(maps(), np.array([5, 7, 9]))
    alone = Total().moved(maps()[1:2], np.array([7]))
    np.testing.assert_array_equal(whole[1:2], alone)


def test_pixels_are_ordered_from_the_highest_value_down():
    plane = np.array([[0.1, 3.0], [-2.0, 0.5]])
    assert ranked(plane, 0, "order").tolist() == [1, 3, 0, 2]


def test_ties_lie_in_a_random_order_that_the_key_decides():
    orders = [tuple(ranked(np.zeros(4), key, "order")) for key in range(400)]
    assert ranked(np.zeros(4), 3, "order").tolist() == list(orders[3])
    counts = Counter(orders)
    assert len(counts) == 24
    assert max(counts.values()) < 40, "each of the 24 orders is drawn about 17 times"


def test_a_call_gives_the_values_of_measure():
    bound = Total().bind(None)
    images = np.zeros((3, 12, 14, 1))
    np.testing.assert_array_equal(
        bound(maps(), images, np.zeros(3, int)), maps().sum(axis=(1, 2, 3)).astype(float)
    )
    np.testing.assert_array_equal(bound.keys, image_keys(images))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((3, 6, 7), (3, 6, 7, 1)), r"maps must be \[N, h, w, C'\] .* got shapes \(3, 6, 7\)"),
        (((2, 6, 7, 1), (3, 6, 7, 1)), r"got shapes \(2, 6, 7, 1\) and \(3, 6, 7, 1\)"),
    ],
)
def test_maps_that_do_not_fit_are_refused_in_one_line(shapes, message):
    made = [np.zeros(shape) for shape in shapes]
    with pytest.raises(ValueError, match=message):
        Total().bind(None)(*made, np.zeros(3, int))


def test_regions_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"regions must be \(3, 6, 7\), a mask per image; got"):
        Total().bind(None)(
            maps(), np.zeros((3, 6, 7, 1)), np.zeros(3, int), regions=np.ones((3, 7, 7), bool)
        )


def test_a_small_map_does_not_stay_where_it_is():
    small = np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1)
    moved = [Total().moved(small, np.array([key])) for key in range(100)]
    assert not any(np.array_equal(small, other) for other in moved)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (2.5, "steps must be a whole number; got 2.5"),
        ("a", "steps must be a whole number; got 'a'"),
        (True, "steps must be a whole number; got True"),
        (0, "steps must be at least 1; got 0"),
    ],
)
def test_a_count_is_a_whole_number(value, rule):
    with pytest.raises(ValueError, match=rule):
        require_count("steps", value, 1)


@pytest.mark.parametrize(
    ("made", "rule"),
    [
        (lambda: metrics.Deletion(steps=2.5), "steps must be a whole number; got 2.5"),
        (lambda: metrics.Deletion(imputer=0.0), r"imputer must be one, such as Fill\(0.0\)"),
        (lambda: metrics.ROAD(shares=0.5), "shares must be a list of numbers; got 0.5"),
        (lambda: metrics.MaxSensitivity(samples=2.5), "samples must be a whole number; got 2.5"),
        (lambda: metrics.VersusInverse("road"), r"base must be a metric, such as ROAD\(\)"),
        (lambda: metrics.VersusInverse(metrics.ROAD), r"base must be a metric, such as ROAD\(\)"),
        (lambda: metrics.VersusInverse(metrics.Gini()), "base must see the sign of a map; Gini"),
        (
            lambda: metrics.VersusInverse(metrics.RelevanceMass(absolute=True)),
            "base must see the sign of a map; RelevanceMass",
        ),
    ],
)
def test_settings_that_make_no_sense_are_one_line(made, rule):
    with pytest.raises(ValueError, match=rule):
        made()


def test_the_first_setting_of_the_pointing_game_is_its_tolerance():
    assert metrics.PointingGame(15) == metrics.PointingGame(tolerance=15)


def test_a_score_that_nothing_changes_says_nothing_of_a_map():
    layers = [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    model = keras.Sequential(layers)
    model.layers[-1].kernel.assign(np.zeros((36, 3)))
    images = np.random.default_rng(0).random((3, 6, 6, 1)).astype(np.float32)
    own = [metrics.Deletion(), metrics.Insertion(), metrics.ROAD(), metrics.Infidelity()]
    for metric in (*own, metrics.SymmetricRelevanceGain(), metrics.FaithfulnessCorrelation()):
        values = metric.bind(model)(images, images, np.zeros(3, int))
        assert np.isnan(values).all(), metric


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"family": "taste"}, "Total.family must be one of faithfulness.*; got 'taste'"),
        ({"direction": "up"}, "Total.direction must be one of higher, lower; got 'up'"),
    ],
)
def test_what_a_metric_declares_is_checked(monkeypatch, wrong, rule):
    for name, value in wrong.items():
        monkeypatch.setattr(Total, name, value)
    with pytest.raises(ValueError, match=rule):
        MetricFacts.of(Total())
