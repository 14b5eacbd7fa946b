"""Class activation maps of tokens: which tokens, of which layer, and where they lie."""

import numpy as np
import pytest
from helpers.lazily import keras, layers, tf, transformers

from saliency_bench import explainers as ex
from saliency_bench import network
from saliency_bench.models import VisionTransformer
from saliency_bench.protocols import NotApplicable, SettingError

pytestmark = pytest.mark.usefixtures("seeded")

FAMILY = [
    *(ex.GradCAM, ex.GradCAMPlusPlus, ex.LayerCAM, ex.HiResCAM),
    *(ex.ScoreCAM, ex.EigenCAM, ex.FEM, ex.Activations),
]
SHAPE, WIDE = (16, 24, 3), (16, 32, 3)
TARGETS = np.array([0, 1, 2])


def pictures(shape=SHAPE, count=3):
    return np.random.default_rng(1).random((count, *shape)).astype(np.float32)


def taken(model, shape=SHAPE, **settings):
    """The feature map that is taken."""
    found = []

    def body(traced):
        found.append(traced.features(**settings))
        return traced.scores

    network.Kernel(model, body, "logit")(np.zeros((1, *shape), np.float32))
    return found[0]


def by_hand(model, layer, images, targets):
    """Features `[N, T, D]` of a layer, and the gradients of the targets' scores."""
    both = keras.Model(model.inputs, [model.get_layer(layer).output, *model.outputs])
    with tf.GradientTape() as tape:
        watched = tf.constant(images)
        tape.watch(watched)
        features, scores = both(watched, training=False)
        score = tf.reduce_sum(tf.gather(scores, targets, axis=1, batch_dims=1))
    return features.numpy(), tape.gradient(score, features).numpy()


READ_AT_CLASS = ["class", "taken", "squeezed", "split", "unstacked"]


@pytest.mark.parametrize("readout", READ_AT_CLASS)
def test_scores_of_a_class_token_are_explained_before_the_last_attention(readout):
    """16x24 pixels in patches of 4 with a class token are 25 tokens, and no 5x5 grid."""
    model = transformers.vit(readout=readout)
    found = taken(model)
    assert (found.layer, found.place.grid, found.first) == ("b1_norm1", (4, 6), 1)
    features, gradients = by_hand(model, "b1_norm1", pictures(), TARGETS)
    weights = gradients[:, 1:].mean(axis=1, keepdims=True)
    wanted = np.maximum((weights * features[:, 1:]).sum(axis=-1), 0).reshape(3, 4, 6)
    assert wanted.any()
    native = ex.GradCAM(upsample=None)(model, pictures(), TARGETS)[..., 0]
    np.testing.assert_allclose(native, wanted, rtol=1e-4, atol=1e-6 * wanted.max())
    stretched = tf.image.resize(wanted[..., None], (16, 24)).numpy()
    whole = ex.GradCAM()(model, pictures(), TARGETS)
    np.testing.assert_allclose(whole, stretched, rtol=1e-4, atol=1e-6 * wanted.max())


def test_behind_the_last_attention_no_patch_has_a_gradient():
    """The reason for the default: the last layer's patches do not reach the scores."""
    _, gradients = by_hand(transformers.vit(), "b1_out", pictures(), TARGETS)
    assert not gradients[:, 1:].any()
    assert gradients[:, 0].any()


@pytest.mark.parametrize(
    ("settings", "layer", "first"),
    [
        ({"front": 2, "behind": 3}, "b1_norm1", 2),
        ({"front": 0, "behind": 4, "readout": "mean"}, "norm", 0),
        ({"readout": "mean"}, "norm", 1),
        ({"fused": True}, "b1_norm1", 1),
        ({"fused": True, "depth": 1}, "b0_norm1", 1),
        ({"fused": True, "front": 3, "behind": 1, "depth": 3}, "b2_norm1", 3),
    ],
)
def test_special_tokens_are_dropped(settings, layer, first):
    model = transformers.vit(**settings)
    found = taken(model)
    assert (found.layer, found.place.grid, found.first) == (layer, (4, 6), first)
    features, gradients = by_hand(model, layer, pictures(), TARGETS)
    wanted = (features * gradients).sum(axis=-1)[:, first : first + 24].reshape(3, 4, 6)
    native = ex.HiResCAM(upsample=None)(model, pictures(), TARGETS)[..., 0]
    np.testing.assert_allclose(native, wanted, rtol=1e-4, atol=1e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("readout", ["patches", "both"])
def test_dropping_the_class_token_keeps_the_grid(readout):
    model = transformers.vit(readout=readout)
    assert taken(model).place.grid == (4, 6)
    features, gradients = by_hand(model, "norm", pictures(), TARGETS)
    wanted = (features * gradients).sum(axis=-1)[:, 1:].reshape(3, 4, 6)
    native = ex.HiResCAM(upsample=None)(model, pictures(), TARGETS)[..., 0]
    np.testing.assert_allclose(native, wanted, rtol=1e-4, atol=1e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("explainer", FAMILY)
def test_nested_and_subclassed_models_have_the_same_maps(explainer):
    model, functional = transformers.Subclassed(), transformers.vit(positions=False)
    model(pictures())
    functional.set_weights(model.get_weights())
    maps = [explainer()(each, pictures(), TARGETS) for each in (model, functional)]
    assert maps[0].any()
    np.testing.assert_allclose(*maps, rtol=1e-4, atol=1e-5 * np.abs(maps[1]).max())


@pytest.mark.parametrize("explainer", [ex.GradCAM, ex.LayerCAM, ex.EigenCAM])
@pytest.mark.parametrize("readout", ["class", "mean"])
def test_content_that_moves_moves_the_map(explainer, readout):
    """Without positions a transformer does not know where a patch lies."""
    model = transformers.vit(readout=readout, positions=False)
    moved = np.roll(pictures(), (4, 8), (1, 2))
    here, there = (explainer(upsample=None)(model, x, TARGETS) for x in (pictures(), moved))
    scale = np.abs(here).max()
    assert scale > 0
    np.testing.assert_allclose(np.roll(here, (1, 2), (1, 2)), there, atol=2e-4 * scale)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 5), (3, 2)])
def test_a_score_of_one_patch_lights_this_patch(row, column):
    images = keras.Input(SHAPE)
    tokens = transformers.Special(2, 1)(transformers.patch_tokens(images))
    tokens = layers.LayerNormalization(name="norm")(tokens)
    model = keras.Model(images, layers.Dense(3)(tokens[:, 2 + 6 * row + column]))
    assert taken(model).layer == "norm"
    maps = ex.HiResCAM(upsample="nearest")(model, pictures(), TARGETS)[..., 0]
    lit = np.zeros((16, 24), bool)
    lit[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = True
    assert maps[:, lit].all()
    assert not maps[:, ~lit].any()


def test_a_class_token_of_its_own_is_explained_before_it_looks():
    """Patches that never see the class token, as in CaiT: what all of its attentions read."""
    model = transformers.class_attention()
    assert (taken(model).layer, taken(model).place.grid) == ("b1_out", (4, 6))
    assert ex.GradCAM(relu=False)(model, pictures(), TARGETS).any()


def test_the_embedding_of_patches_is_never_taken_for_what_is_deeper():
    model = transformers.class_attention(aside=True)
    with pytest.raises(
        NotApplicable, match="no tensor behind the embedding of the patches, 'patches'"
    ):
        ex.GradCAM().bind(model)
    assert ex.GradCAM(layer="aside0_out", relu=False)(model, pictures(), TARGETS).any()


def test_tokens_of_a_crop_lie_in_the_crop():
    """Of 32x40 pixels the network sees rows 8 to 24 and columns 8 to 32."""
    images = keras.Input((32, 40, 3))
    cropped = layers.CenterCrop(16, 24)(images)
    model = keras.Model(images, transformers.vit()(cropped))
    found = taken(model, (32, 40, 3))
    assert (found.layer, found.place.grid) == ("b1_norm1", (4, 6))
    maps = ex.GradCAM(relu=False)(model, pictures((32, 40, 3)), TARGETS)[..., 0]
    inside = np.zeros((32, 40), bool)
    inside[8:24, 8:32] = True
    assert maps[:, inside].any()
    assert not maps[:, ~inside].any()


HIERARCHIES = {
    "swin": ("norm", (4, 8)),
    "maxvit": ("b_out", (8, 16)),
    "convnext": ("b", (4, 8)),
}


@pytest.mark.parametrize("name", HIERARCHIES)
def test_windows_grids_and_merged_patches_keep_the_place(name):
    model = getattr(transformers, name)(WIDE)
    layer, grid = HIERARCHIES[name]
    found = taken(model, WIDE)
    assert (found.layer, found.place.grid, found.place.is_stretched) == (layer, grid, True)
    features, gradients = by_hand(model, layer, pictures(WIDE), TARGETS)
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    wanted = np.maximum((weights * features).sum(axis=-1), 0)
    native = ex.GradCAM(upsample=None)(model, pictures(WIDE), TARGETS)[..., 0]
    np.testing.assert_allclose(native, wanted, rtol=1e-4, atol=1e-6 * wanted.max())


def test_shifted_windows_move_with_the_content():
    """A shift by 16 pixels is one of two windows in the deeper stage, of four before."""
    model = transformers.swin(WIDE)
    moved = np.roll(pictures(WIDE), (8, 16), (1, 2))
    here, there = (ex.HiResCAM(upsample=None)(model, x, TARGETS) for x in (pictures(WIDE), moved))
    np.testing.assert_allclose(np.roll(here, (2, 4), (1, 2)), there, atol=2e-4 * np.abs(here).max())


def test_every_stage_of_shifted_windows_can_be_named():
    model = transformers.swin(WIDE)
    for layer, grid in (("a_out", (8, 16)), ("b_out", (8, 16)), ("merge", (4, 8))):
        assert taken(model, WIDE, layer=layer).place.grid == grid
        maps = ex.Activations(layer=layer, upsample=None)(model, pictures(WIDE), TARGETS)
        values = keras.Model(model.input, model.get_layer(layer).output)(pictures(WIDE))
        np.testing.assert_allclose(maps[..., 0], values.numpy().mean(axis=-1), rtol=1e-4, atol=1e-6)


def test_lists_of_tokens_in_padded_masked_windows_are_grids():
    shape = (16, 28, 3)
    model = transformers.listed_swin(shape)
    found = taken(model, shape)
    assert (found.layer, found.place.grid, found.place.is_stretched) == ("b_out", (4, 7), True)
    assert taken(model, shape, layer="b_norm").place.grid == (4, 7)
    features, gradients = by_hand(model, "b_out", pictures(shape), TARGETS)
    wanted = (features * gradients).sum(axis=-1).reshape(3, 4, 7)
    native = ex.HiResCAM(upsample=None)(model, pictures(shape), TARGETS)[..., 0]
    np.testing.assert_allclose(native, wanted, rtol=1e-4, atol=1e-6 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("pool", "layer", "first"), [("class_token", "block2_norm_attention", 1), ("mean", "norm", 0)]
)
def test_the_transformer_of_this_package(pool, layer, first):
    model = VisionTransformer(pool=pool, blocks=2, width=8).network(SHAPE, 3, seed=0)
    found = taken(model)
    assert (found.layer, found.place.grid, found.first) == (layer, (4, 6), first)


def test_a_rolled_map_has_no_grid():
    def rolled(x):
        return keras.ops.roll(x, 1, axis=2)

    images = keras.Input(SHAPE)
    x = layers.Lambda(rolled, name="rolled")(layers.Conv2D(4, 3, padding="same")(images))
    model = keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    with pytest.raises(NotApplicable, match=r"the output of layer 'rolled' lie .* in pieces"):
        ex.GradCAM().bind(model)


def shuffled(readout, *, special=1):
    """Tokens of which the graph does not tell the order, although it is kept."""
    images = keras.Input(SHAPE)
    tokens = transformers.patch_tokens(images)
    tokens = layers.Lambda(lambda x: tf.reverse(tf.reverse(x, [1]), [1]))(tokens)
    x = transformers.block(transformers.Special(special)(tokens), "b0")
    x = layers.LayerNormalization(name="norm")(transformers.block(x, "b1"))
    return keras.Model(images, layers.Dense(3)(transformers.READOUTS[readout](x)))


@pytest.mark.parametrize(("readout", "layer"), [("class", "b1_norm1"), ("mean", "norm")])
@pytest.mark.parametrize("explainer", [ex.GradCAM, ex.ScoreCAM, ex.FEM])
def test_a_grid_that_the_graph_does_not_tell_can_be_given(explainer, readout, layer):
    model, told = shuffled(readout), transformers.vit(readout=readout, positions=False)
    told.set_weights(model.get_weights())
    with pytest.raises(NotApplicable, match=r"nothing tells where .*grid=\(rows, columns\)"):
        explainer().bind(model)
    found = taken(model, grid=(4, 6))
    assert (found.layer, found.first) == (layer, 1)
    maps = explainer(grid=(4, 6))(model, pictures(), TARGETS)
    wanted = explainer()(told, pictures(), TARGETS)
    np.testing.assert_allclose(maps, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


def test_a_given_grid_may_be_any_that_fits():
    """25 tokens are a row of 25, or two rows of 12 and a class token: nobody else knows."""
    model = shuffled("mean", special=1)
    for grid, first in (((1, 25), 0), ((2, 12), 1), ((5, 5), 0)):
        found = taken(model, grid=grid)
        assert (found.place.grid, found.first) == (grid, first)


@pytest.mark.parametrize("explainer", [*FAMILY, ex.GuidedGradCAM])
@pytest.mark.parametrize(
    "grid", [(4,), (4, 6, 1), (0, 6), (4, -6), (4.0, 6), "46", (True, 6), 24], ids=str
)
def test_a_grid_is_two_positive_integers(explainer, grid):
    with pytest.raises(ValueError, match="grid must be two positive integers, rows and columns"):
        explainer(grid=grid)


def test_a_grid_from_a_file_is_a_pair():
    assert ex.GradCAM(grid=[4, 6]) == ex.GradCAM(grid=(4, 6))
    assert hash(ex.FEM(grid=[4, 6])) == hash(ex.FEM(grid=(4, 6)))


def test_a_grid_that_does_not_fit_is_refused():
    with pytest.raises(SettingError, match=r"grid must be \(4, 6\), .* 'b1_norm1'; got \(5, 5\)"):
        ex.GradCAM(grid=(5, 5)).bind(transformers.vit())
    with pytest.raises(SettingError, match=r"at most .* tokens, 25; got \(5, 6\)"):
        ex.GradCAM(grid=(5, 6)).bind(shuffled("mean"))
    model = transformers.vit()
    maps = [ex.GradCAM(grid=grid)(model, pictures(), TARGETS) for grid in (None, (4, 6))]
    np.testing.assert_array_equal(*maps)
