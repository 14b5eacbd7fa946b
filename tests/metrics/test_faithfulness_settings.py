"""Settings that make no sense are refused in one line."""

import pytest

from saliency_bench import metrics

INF = float("inf")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.Deletion(steps=0), "steps must be at least 1; got 0"),
        (lambda: metrics.Fill(float("nan")), "value must be finite; got nan"),
        (lambda: metrics.Blur(sigma=0), "sigma must be above 0 and finite; got 0"),
        (lambda: metrics.Blur(radius=0), "radius must be at least 1; got 0"),
        (lambda: metrics.Neighbours(-1), "noise must be at least 0 and finite; got -1"),
        (lambda: metrics.ROAD(noise=-1), "noise must be at least 0 and finite; got -1"),
        (lambda: metrics.ROAD(shares=()), r"shares must rise between 0 and 1; got \[\]"),
        (lambda: metrics.ROAD(shares=(0.5, 1)), "shares must rise .* got .0.5, 1.0."),
        (lambda: metrics.ROAD(shares=(0.5, 0.2)), "shares must rise .* got .0.5, 0.2."),
        (lambda: metrics.SymmetricRelevanceGain(segments=1), "segments must be at least 2; got 1"),
        (lambda: metrics.SymmetricRelevanceGain(steps=0), "steps must be at least 1; got 0"),
        (lambda: metrics.SymmetricRelevanceGain(draws=0), "draws must be at least 1; got 0"),
        (lambda: metrics.SymmetricRelevanceGain(draws=3), r"draws must be 1 .* Mean\(\); got 3"),
        (lambda: metrics.FaithfulnessCorrelation(subsets=2), "subsets must be at least 3; got 2"),
        (lambda: metrics.FaithfulnessCorrelation(share=0), "share must lie above 0 .* got 0"),
        (lambda: metrics.FaithfulnessCorrelation(share=1), "share must lie above 0 .* got 1"),
        (lambda: metrics.FaithfulnessCorrelation(fill=INF), "fill must be finite; got inf"),
        (lambda: metrics.Infidelity(samples=1), "samples must be at least 2; got 1"),
        (lambda: metrics.Infidelity(largest=0), "largest must lie above 0 .* got 0"),
        (lambda: metrics.Infidelity(largest=1.1), "largest must lie above 0 .* got 1.1"),
        (lambda: metrics.Infidelity(fill=INF), "fill must be finite; got inf"),
        (lambda: metrics.Infidelity(attribution="x"), "attribution must be .* got 'x'"),
    ],
)  # fmt: skip
def test_a_bad_setting_is_named(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()
