"""Random labels: what they keep, whom they reach, and that their stream is their own."""

import numpy as np
import pytest

from saliency_bench import randomize

LABELS = np.repeat(np.arange(10), [5, 50, 10, 10, 10, 20, 30, 15, 25, 25])


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 1.0])
def test_a_permutation_keeps_every_classs_size(fraction):
    permuted = randomize.labels(LABELS, seed=0, fraction=fraction)
    np.testing.assert_array_equal(np.sort(permuted), LABELS)
    assert permuted.dtype == np.int64


def test_by_chance_alone_images_keep_their_label():
    kept = [np.mean(randomize.labels(LABELS, seed=0, draw=d) == LABELS) for d in range(200)]
    sizes = np.bincount(LABELS) / len(LABELS)
    assert np.mean(kept) == pytest.approx(np.sum(sizes**2), abs=0.01)


def test_a_fraction_reaches_so_many_and_those_of_a_smaller_one():
    changed = {
        fraction: randomize.labels(np.arange(400), seed=3, fraction=fraction) != np.arange(400)
        for fraction in (0.25, 0.5, 1.0)
    }
    # Of so many different labels a permutation leaves about one in its place.
    assert [changed[f].sum() for f in (0.25, 0.5, 1.0)] == pytest.approx([100, 200, 400], abs=5)
    assert changed[0.5][changed[0.25]].mean() > 0.95


def test_uniform_labels_are_all_alike_likely_whatever_the_sizes():
    drawn = [randomize.labels(LABELS, seed=0, draw=d, policy="uniform") for d in range(200)]
    shares = np.bincount(np.concatenate(drawn)) / (200 * len(LABELS))
    np.testing.assert_allclose(shares, 0.1, atol=0.01)
    assert set(np.concatenate(drawn)) == set(LABELS)


@pytest.mark.parametrize("policy", ["permuted", "uniform"])
def test_draws_and_seeds_differ_and_repeat(policy):
    drawn = [
        randomize.labels(LABELS, seed=seed, draw=draw, policy=policy)
        for seed, draw in ((0, 0), (0, 1), (1, 0), (0, 0))
    ]
    np.testing.assert_array_equal(drawn[0], drawn[3])
    assert all((drawn[0] != other).mean() > 0.5 for other in drawn[1:3])


def test_the_stream_is_another_than_that_of_weights_and_noise():
    key = (0, 0)
    purposes = ["labels", "weights", "network", "noise", "random_frozen"]
    firsts = [randomize.stream(purpose, *key).integers(2**63) for purpose in purposes]
    assert len(set(firsts)) == len(purposes)


def test_the_given_labels_and_the_global_random_state_are_left_alone():
    before, state = LABELS.copy(), np.random.get_state()[1].copy()  # noqa: NPY002
    randomize.labels(LABELS, seed=0)
    np.testing.assert_array_equal(LABELS, before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"policy": "swapped"}, "policy must be one of"), ({"fraction": 1.1}, "fraction must be in")],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(ValueError, match=words):
        randomize.labels(LABELS, seed=0, **settings)
