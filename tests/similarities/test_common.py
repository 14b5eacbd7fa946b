"""What every similarity promises, whatever it measures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra.utils import instantiate

from saliency_bench.protocols import Prepared
from saliency_bench.similarities import (
    MSE,
    SSIM,
    Closeness,
    Cosine,
    HOGCorrelation,
    Pearson,
    SignAgreement,
    Spearman,
    SpearmanOffBaseline,
    TopKIntersection,
)

CONF = Path(__file__).parents[2] / "conf" / "similarity"
MEASURES = [
    Spearman(),
    Spearman(absolute=False),
    SSIM(),
    SSIM(normalize=None, absolute=True),
    HOGCorrelation(),
    HOGCorrelation(correlation="spearman", absolute=True),
    Pearson(),
    Pearson(absolute=True),
    Cosine(),
    MSE(),
    TopKIntersection(),
    TopKIntersection(k=30, absolute=True),
    SignAgreement(),
    SpearmanOffBaseline(),
    SpearmanOffBaseline(absolute=False),
    Closeness(),
]
RAW = SSIM(normalize=None, absolute=True)
SCALE_FREE = [m for m in MEASURES if m not in (RAW, MSE(), Closeness())]
CHANCE = {HOGCorrelation: 0.08, TopKIntersection: 0.1, Closeness: 2**0.5 - 1}
"""Bounds of what independent maps score: border pixels have no gradient across it, k of all pixels
are chosen, and two vectors at right angles are sqrt(2) apart."""

every = pytest.mark.parametrize("measure", MEASURES, ids=repr)
scale_free = pytest.mark.parametrize("measure", SCALE_FREE, ids=repr)
normalised = pytest.mark.parametrize("measure", [m for m in MEASURES if m != RAW], ids=repr)


def maps(rng, n=6, height=28, width=28, channels=1):
    return rng.normal(size=(n, height, width, channels)).astype(np.float32)


@every
def test_a_map_agrees_with_itself(measure, rng):
    a = maps(rng, channels=3)
    np.testing.assert_allclose(measure(a, a), 1, atol=1e-12)


@pytest.mark.parametrize("measure", [m for m in MEASURES if m != Closeness()], ids=repr)
def test_order_of_the_two_does_not_matter(measure, rng):
    a, b = maps(rng), maps(rng)
    np.testing.assert_allclose(measure(a, b), measure(b, a), rtol=0, atol=1e-15)


@every
def test_independent_maps_share_next_to_nothing(measure, rng):
    """Null calibration of the paper: below .005, HOG (Gaussian or uniform) at most .08."""
    scores = measure(maps(rng, n=200), maps(rng, n=200))
    bound = CHANCE.get(type(measure), 0.005)
    assert abs(scores.mean()) < bound + 3 * scores.std() / np.sqrt(200)


@every
def test_batch_does_not_matter(measure, rng):
    a, b = maps(rng, n=50), maps(rng, n=50)
    together = measure(a, b)
    alone = np.concatenate([measure(a[i : i + 1], b[i : i + 1]) for i in range(50)])
    np.testing.assert_array_equal(together, alone)


@every
def test_take_commutes_with_prepare_and_compare(measure, rng):
    a, b = maps(rng), maps(rng)
    order = np.array([3, 0, 5, 5])
    reference, changed = measure.prepare(a), measure.prepare(b)
    rolled = measure.compare(reference.take(order), changed.take(np.roll(order, 1)))
    np.testing.assert_array_equal(rolled, measure(a[order], b[np.roll(order, 1)]))
    np.testing.assert_array_equal(
        measure.compare(reference, changed)[order],
        measure.compare(reference.take(order), changed.take(order)),
    )


@every
def test_prepared_says_which_rows_are_defined(measure, rng):
    a = maps(rng)
    a[2] = np.nan
    prepared = measure.prepare(a)
    assert isinstance(prepared, Prepared)
    np.testing.assert_array_equal(prepared.defined, np.arange(6) != 2)
    np.testing.assert_array_equal(prepared.take(np.array([2, 1])).defined, [False, True])


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_bad_row_is_undefined_and_spoils_no_other(measure, bad, rng):
    a, b = maps(rng), maps(rng)
    broken = a.copy()
    broken[1, 4, 5] = bad
    for scores, clean in (
        (measure(broken, b), measure(a, b)),
        (measure(b, broken), measure(b, a)),
    ):
        assert np.isnan(scores[1])
        np.testing.assert_array_equal(np.delete(scores, 1), np.delete(clean, 1))


@pytest.mark.parametrize("absolute", [True, False])
def test_opposite_infinities_in_two_channels_are_undefined(absolute, rng):
    a = maps(rng, channels=2)
    a[0, 0, 0] = [np.inf, -np.inf]
    undefined = np.isnan(Spearman(absolute=absolute)(a, a))
    np.testing.assert_array_equal(undefined, np.arange(6) == 0)


@normalised
@pytest.mark.parametrize("value", [0.0, -2.0, 0.1, 3e-21])
def test_a_constant_map_is_undefined(measure, value, rng):
    a, b = maps(rng), maps(rng)
    a[3] = value
    np.testing.assert_array_equal(np.isnan(measure(a, b)), np.arange(6) == 3)
    assert not measure.prepare(a).defined[3]
    assert np.isnan(measure(a, a)[3])


@scale_free
@pytest.mark.parametrize("scale", [3e-21, 2.0**-60, 1e15])
def test_positive_scale_does_not_matter(measure, scale, rng):
    a, b = maps(rng), maps(rng)
    np.testing.assert_allclose(measure(np.float32(scale) * a, b), measure(a, b), atol=2e-6)


@scale_free
def test_scale_of_one_row_does_not_reach_another(measure, rng):
    a, b = maps(rng), maps(rng)
    louder = a.copy()
    louder[0] *= 1024
    np.testing.assert_array_equal(measure(louder, b)[1:], measure(a, b)[1:])


@pytest.mark.parametrize("measure", [m for m in MEASURES if m != Closeness()], ids=repr)
def test_channels_are_summed(measure, rng):
    a, b = maps(rng, channels=3), maps(rng, channels=3)
    before = np.abs if getattr(measure, "absolute", False) else np.asarray
    one_a, one_b = (before(m.astype(np.float64)).sum(-1, keepdims=True) for m in (a, b))
    np.testing.assert_allclose(measure(a, b), measure(one_a, one_b), atol=1e-6)


@pytest.mark.parametrize(
    "kind", [Spearman, SSIM, HOGCorrelation, Pearson, Cosine, MSE, TopKIntersection]
)
def test_absolute_value_hides_the_sign(kind, rng):
    a, b = maps(rng, channels=3), maps(rng, channels=3)
    measure = kind(absolute=True)
    np.testing.assert_array_equal(measure(a, b), measure(-a, b))


@every
def test_inputs_stay_as_they_are(measure, rng):
    a, b = maps(rng).astype(np.float64), maps(rng).astype(np.float64)
    copies = a.copy(), b.copy()
    measure(a, b)
    np.testing.assert_array_equal((a, b), copies)


@every
def test_scores_are_float64(measure, rng):
    assert measure(maps(rng), maps(rng)).dtype == np.float64


@every
def test_shapes_must_agree(measure, rng):
    with pytest.raises(ValueError, match=r"equal shapes; got \(6, 28, 28, 1\) and \(1, 28"):
        measure(maps(rng), maps(rng, n=1))


@every
def test_maps_must_have_four_axes(measure):
    with pytest.raises(ValueError, match=r"\[N, H, W, C\]; got shape \(2, 28, 28\)"):
        measure.prepare(np.zeros((2, 28, 28)))


@pytest.mark.parametrize("kind", dict.fromkeys(type(measure) for measure in MEASURES))
def test_threshold_is_a_share(kind):
    assert kind(threshold=0.4).threshold == 0.4
    with pytest.raises(ValueError, match=r"threshold must be in \(0, 1\) or None; got 1.5"):
        kind(threshold=1.5)


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_conf_file_builds_a_measure_under_its_own_key(path, rng):
    (key, settings), *others = yaml.safe_load(path.read_text()).items()
    assert (key, others) == (path.stem, [])
    a = maps(rng)
    np.testing.assert_allclose(instantiate(settings)(a, a), 1, atol=1e-12)


@pytest.mark.parametrize(
    ("key", "measure"),
    [
        ("spearman_abs", Spearman(absolute=True)),
        ("spearman_signed", Spearman(absolute=False)),
        ("ssim", SSIM()),
        ("hog", HOGCorrelation()),
        ("pearson", Pearson()),
        ("cosine", Cosine()),
        ("mse", MSE()),
        ("closeness", Closeness()),
        ("top_k_intersection", TopKIntersection()),
        ("sign_agreement", SignAgreement()),
        ("spearman_abs_off_baseline", SpearmanOffBaseline()),
        ("spearman_signed_off_baseline", SpearmanOffBaseline(absolute=False)),
    ],
)
def test_conf_states_the_defaults(key, measure):
    assert instantiate(yaml.safe_load((CONF / f"{key}.yaml").read_text())[key]) == measure


@pytest.mark.parametrize("shape", [(0, 8, 8, 1), (3, 0, 8, 1), (3, 8, 8, 0)])
@every
def test_no_maps_are_refused_in_one_line(measure, shape):
    with pytest.raises(ValueError, match="maps must have at least one value; got shape"):
        measure(np.zeros(shape), np.zeros(shape))


@every
def test_texts_are_no_maps(measure):
    words = np.full((2, 8, 8, 1), "a")
    with pytest.raises(ValueError, match="maps must be real numbers; got <U1"):
        measure(words, words)
