"""Copies of images in batches, and small helpers."""

import numpy as np
import pytest

from saliency_bench import network
from saliency_bench.metrics.perturbed import Copies, area, counts_of, places_of, scores


@pytest.mark.parametrize("rows", [1, 4, 5, 64])
def test_copies_are_made_in_order_and_no_more_than_a_batch_at_a_time(rows, functional, images):
    asked = []

    def copies(index, count):
        def make(start, stop):
            asked.append((index, start, stop))
            return images[index] * np.arange(start, stop, dtype=np.float32)[:, None, None, None]

        return Copies(index % 3, count, make)

    counts = (3, 7, 1)
    with network.evaluating(rows, full=False), network.counting() as evaluations:
        kernel = network.target_score(functional)
        found = list(scores(kernel, (copies(i, count) for i, count in enumerate(counts))))
    assert [len(own) for own in found] == list(counts)
    assert evaluations.rows == sum(counts)
    assert max(stop - start for _, start, stop in asked) <= rows
    for index, own in enumerate(found):
        scaled = images[index] * np.arange(len(own), dtype=np.float32)[:, None, None, None]
        expected = network.target_score(functional)(scaled, np.full(len(own), index % 3))
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-5)


def test_no_copies_have_no_scores(functional):
    assert list(scores(network.target_score(functional), iter(()))) == []


def test_counts_come_nearest_to_shares_and_each_is_evaluated_once():
    counts, index = counts_of(np.linspace(0, 1, 6), 3)
    assert counts.tolist() == [0, 1, 2, 3]
    assert counts[index].tolist() == [0, 1, 1, 2, 2, 3]


def test_places_are_the_inverse_of_an_order():
    assert places_of(np.array([2, 0, 1])).tolist() == [1, 2, 0]


def test_an_area_is_a_mean_height():
    shares = np.array([0.0, 0.5, 1.0])
    assert area(np.array([2.0, 2.0, 2.0]), shares) == 2
    assert area(np.array([0.0, 1.0, 0.0]), shares) == 0.5
    assert area(np.array([1.0, 3.0]), np.array([0.2, 0.4])) == pytest.approx(2)
