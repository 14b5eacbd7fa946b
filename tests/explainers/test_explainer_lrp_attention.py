"""AttnLRP, and LRP with constant attention: against plain TensorFlow, and what is conserved."""

from functools import cache

import keras
import numpy as np
import pytest
from helpers import plain_transformer as transformers
from helpers.plain_transformer import KINDS, SHAPES, Plain, drawn, transformer

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.models import VisionTransformer
from saliency_bench.network.batches import Kernel
from saliency_bench.network.gradients import derivative
from saliency_bench.properties import axioms
from saliency_bench.properties import subject as tested
from saliency_bench.protocols import NotApplicable

pytestmark = pytest.mark.usefixtures("seeded")

TARGETS = np.array([0, 1, 2, 1])
EXACT = 1e-12
HALVES = {"attention": True, "epsilon": False}


def images():
    return np.random.default_rng(5).normal(size=(4, 8, 8, 2)).astype(np.float32)


@cache
def plain(rule, seed=0):
    """Relevance by the reference, that of all other sources, and the logits."""
    explain = Plain(drawn(seed), HALVES[rule])
    found = [explain(*pair) for pair in zip(images(), TARGETS, strict=True)]
    maps, sources, logits = zip(*found, strict=True)
    return np.stack(maps), sources, np.array(logits)


def close(found, expected, tolerance=1e-4):
    np.testing.assert_allclose(found, expected, 0, tolerance * np.abs(expected).max())


@pytest.mark.parametrize("rule", HALVES)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_plain_modified_gradient_times_the_image(kind, rule):
    model = transformer(kind, drawn())
    expected, _, logits = plain(rule)
    close(network.target_score(model)(images(), TARGETS), logits)
    close(ex.LRP(rule, epsilon=EXACT)(model, images(), TARGETS), expected)


@pytest.mark.parametrize("rule", HALVES)
def test_relevance_of_all_sources_sums_to_the_logit(rule):
    """The image, biases, the class token, embeddings of places, and the softmax's constant."""
    maps = ex.LRP(rule, epsilon=EXACT)(transformer("functional", drawn()), images(), TARGETS)
    _, sources, logits = plain(rule)
    for own, shares, logit in zip(maps, sources, logits, strict=True):
        assert all(shares[name] for name in ("token", "place", "one/beta", "value/bias"))
        assert bool(shares["softmax"]) == HALVES[rule]
        total = own.sum() + sum(shares.values())
        assert abs(total - logit) < 1e-4 * max(abs(own.sum()), *map(abs, shares.values()))


class Recording(network.Relevance):
    """Notes what each operation takes in, less what it hands back, `[B]`."""

    absorbed: dict = {}  # noqa: RUF012

    def backward(self, path):
        import tensorflow as tf

        back = super().backward(path)

        def total(tensors):
            flat = [tf.reduce_sum(tf.reshape(t, [tf.shape(t)[0], -1]), 1) for t in tensors]
            return tf.add_n(flat)

        def noting(op, relevance):
            parts = back(op, relevance)
            handed = total([part for part in parts if part is not None])
            self.absorbed.setdefault(op.type, []).append(total([relevance]) - handed)
            return parts

        return noting


def test_only_constants_and_the_softmax_absorb_relevance():
    import tensorflow as tf

    rule = Recording(lambda place, layer: network.Epsilon(EXACT), "halves")
    rule.absorbed.clear()
    names = []

    def body(traced):
        derivative(traced.target_scores, traced.images, start=traced.target_scores)
        names.extend(rule.absorbed)
        return tf.stack([tf.add_n([abs(t) for t in each]) for each in rule.absorbed.values()], 1)

    kernel = Kernel(transformer("subclassed", drawn()), body, "logit", rule=rule)
    found = dict(zip(names, kernel(images(), TARGETS).max(axis=0), strict=True))
    # Where maps with a bias or an embedding begin; a LayerNorm by hand begins with its division.
    absorbing = {"AddV2", "Conv2D", "MatMul", "RealDiv", "Softmax"}
    conserving = {"BatchMatMulV2", "Einsum", "Erf", "Mean", "Mul", "Sub"}
    assert found.keys() == absorbing | conserving
    assert min(found[name] for name in absorbing) > 0.1
    assert max(found[name] for name in conserving) < 1e-5


@pytest.mark.parametrize("rule", ["gamma", "z_plus", "alpha_beta", "attention_gamma"])
def test_other_rules_are_the_same_for_kinds_of_models(rule):
    maps = [ex.LRP(rule)(transformer(kind, drawn()), images(), TARGETS) for kind in KINDS[:2]]
    assert np.isfinite(maps[0]).all()
    assert maps[0].any()
    close(maps[1], maps[0])


def without_sources():
    """Weights without biases and embeddings; the network has no other source than the image."""
    own = drawn()
    return {name: own[name] * (name not in transformers.SOURCES) for name in SHAPES}


@pytest.mark.parametrize("rule", ["epsilon", "gamma", "z_plus", "alpha_beta"])
def test_without_other_sources_constant_attention_conserves_the_logit(rule):
    model = transformer("functional", without_sources())
    logits = network.target_score(model)(images(), TARGETS)
    explainer = ex.LRP(rule, epsilon=EXACT)
    close(
        explainer(model, images(), TARGETS).sum(axis=(1, 2, 3)), explainer.conserved(logits), 1e-3
    )


@pytest.mark.parametrize("pool", ["class_token", "mean"])
@pytest.mark.parametrize("rule", ["epsilon", "z_plus", "epsilon_plus_flat"])
def test_the_axiom_of_conservation_holds_for_the_vision_transformer(rule, pool):
    model = VisionTransformer(blocks=1, width=8, pool=pool).network((8, 8, 2), 3, seed=0)
    explainer = ex.LRP(rule)
    bound = explainer.bind(model)
    finding = axioms.conservation(
        tested.TestedExplainer(explainer, model, images(), TARGETS, {}, bound)
    )
    assert finding.deviation < 1e-3
    assert "conservation" in explainer.axioms
    assert "conservation" not in ex.LRP("attention").axioms


def test_a_bound_explainer_reads_swapped_weights():
    model, other = transformer("subclassed", drawn()), drawn(1)
    bound = ex.LRP("attention", epsilon=EXACT).bind(model)
    close(bound(images(), TARGETS), plain("attention")[0])
    values = [other[name] for name in SHAPES]
    with network.swapped(model, model.variables, values):
        close(bound(images(), TARGETS), plain("attention", 1)[0])


@pytest.mark.parametrize("rule", HALVES)
def test_half_precision_is_near(rule):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = transformer("functional", drawn())
    finally:
        keras.mixed_precision.set_global_policy("float32")
    found = ex.LRP(rule)(model, images(), TARGETS)
    assert found.dtype == np.float32
    assert np.abs(found - plain(rule)[0]).mean() < 0.02 * np.abs(plain(rule)[0]).max()


def test_it_is_signed_and_starts_from_the_logit():
    assert ex.LRP("attention").signed
    logits = np.array([-2.0, 3.0])
    np.testing.assert_array_equal(ex.LRP("attention").conserved(logits), logits)
    np.testing.assert_array_equal(ex.LRP("attention_gamma").conserved(logits), [2.0, 3.0])


def with_middle(middle):
    layers = keras.layers
    stack = [layers.Conv2D(4, 3), layers.Lambda(middle, name="odd"), layers.Flatten()]
    return keras.Sequential([keras.Input((8, 8, 2)), *stack, layers.Dense(3)])


@pytest.mark.parametrize("rule", ["attention", "epsilon"])
def test_a_softmax_by_hand_has_no_rule(rule):
    def by_hand(hidden):
        powers = keras.ops.exp(hidden)
        return powers / keras.ops.sum(powers, axis=-1, keepdims=True)

    with pytest.raises(NotApplicable, match=r"^Lambda has no rule \(layer 'odd'\)$"):
        ex.LRP(rule).bind(with_middle(by_hand))


def test_a_softmax_that_is_no_gate_has_a_rule_in_attention_alone():
    model = with_middle(lambda hidden: keras.ops.softmax(hidden))
    assert ex.LRP("attention")(model, images(), TARGETS).any()
    with pytest.raises(NotApplicable, match=r"^Lambda has no rule \(layer 'odd'\)$"):
        ex.LRP().bind(model)


def tokens_by_a_convolution():
    """A transformer whose one convolution, without a bias, makes the tokens."""
    layers = keras.layers
    image = keras.Input((8, 8, 2))
    x = layers.Reshape((4, 6))(layers.Conv2D(6, 4, 4, use_bias=False)(image))
    for _ in range(2):
        own = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(2, 3)(own, own)
        own = layers.Dense(9, "gelu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(6)(own)
    pooled = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(image, layers.Dense(3)(pooled))


@pytest.mark.parametrize("composite", ["epsilon_plus", "epsilon_plus_flat"])
def test_sums_behind_dense_layers_are_theirs_in_a_composite(composite):
    """Every rule gives a patch what its token has, and the tokens are among dense layers only.

    Positive parts of sums of both signs, divided by values near 0, would give any number.
    """
    model = tokens_by_a_convolution()

    def of_patches(rule):
        maps = ex.LRP(rule, epsilon=EXACT)(model, images(), TARGETS)
        return maps.reshape(4, 2, 4, 2, 4, 2).sum(axis=(2, 4, 5))

    # Rules of positive parts send the logit's magnitude back.
    signs = np.sign(network.target_score(model)(images(), TARGETS))[:, None, None]
    close(signs * of_patches(composite), of_patches("epsilon"), 1e-3)
