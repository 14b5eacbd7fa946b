"""The other libraries for real; `make test-adapters` installs them and runs this."""

import numpy as np
import pytest

import saliency_bench as sb
from saliency_bench import adapters
from saliency_bench import explainers as ex
from saliency_bench import network as networks
from saliency_bench.adapters.base import seed_globally
from saliency_bench.properties import check_explainer
from saliency_bench.protocols import NotApplicable
from saliency_bench.randomize import redraw, stream

pytestmark = [
    pytest.mark.adapters,
    pytest.mark.filterwarnings("ignore"),  # what other libraries warn of is theirs
]

STEPS = 64
ALL = {
    "pair gradient": adapters.PAIRSaliency("GradientSaliency"),
    "pair ig": adapters.PAIRSaliency("IntegratedGradients", settings={"x_steps": STEPS}),
    "pair blur ig": adapters.PAIRSaliency("BlurIG", settings={"steps": 10}),
    "pair occlusion": adapters.PAIRSaliency("Occlusion", settings={"size": 4}),
    "xplique saliency": adapters.Xplique("Saliency"),
    "xplique input": adapters.Xplique("GradientInput", settings={"reducer": None}),
    "xplique ig": adapters.Xplique(
        "IntegratedGradients", settings={"steps": STEPS, "reducer": None}
    ),
    "xplique occlusion": adapters.Xplique(
        "Occlusion", settings={"patch_size": 4, "patch_stride": 4}
    ),
    "tf-explain gradient": adapters.TFExplain("vanilla_gradients"),
    "tf-explain input": adapters.TFExplain("gradients_inputs"),
    "tf-explain ig": adapters.TFExplain("integrated_gradients", settings={"n_steps": STEPS}),
}


RANDOM = {
    "pair smoothgrad": adapters.PAIRSaliency(
        "GradientSaliency", smooth=True, settings={"nsamples": 4, "magnitude": False}
    ),
    "xplique smoothgrad": adapters.Xplique("SmoothGrad", settings={"nb_samples": 4}),
    "xplique rise": adapters.Xplique("Rise", settings={"nb_samples": 20, "grid_size": 4}),
}
ALL |= RANDOM


@pytest.fixture
def background(tmp_path, images):
    np.savez(tmp_path / "background.npz", x=np.zeros_like(images))
    return str(tmp_path / "background.npz")


@pytest.mark.parametrize("name", ALL)
def test_every_adapter_has_the_properties(name, functional, images, targets):
    table = check_explainer(ALL[name], functional, images, targets)
    broken = table[table["status"] == "broken"]
    # A Saliency is a magnitude, an adapter cannot know.
    assert broken.to_dict("records") == []


@pytest.mark.parametrize("kind", ["sequential", "nested", "subclassed", "tf_function"])
@pytest.mark.parametrize("name", ["pair ig", "xplique ig", "tf-explain ig"])
def test_every_kind_of_model_is_served(name, kind, model_of, functional, images, targets):
    found, expected = (ALL[name](m, images, targets) for m in (model_of(kind), functional))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_mean_over_noise_is_the_mean_of_our_gradients(functional, images, targets):
    """With the noise that the library draws at an image's seed."""
    keys = np.arange(5)
    explain = ex.Gradient().bind(functional)
    theirs = RANDOM["pair smoothgrad"].bind(functional)(images, targets, keys=keys)
    for i, (image, key) in enumerate(zip(images, keys, strict=True)):
        with seed_globally(int(stream("adapters", 0, int(key)).integers(2**32))):
            noise = np.random.normal(0, 0.15 * np.ptp(image), (4, *image.shape))  # noqa: NPY002
        ours = explain(np.float32(image + noise), np.repeat(targets[i : i + 1], 4)).mean(axis=0)
        np.testing.assert_allclose(theirs[i], ours, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["KernelShap", "Lime"])
def test_xpliques_superpixels_are_an_images_own(name, trained):
    model, images, targets = trained
    bound = adapters.Xplique(name, settings={"nb_samples": 20}).bind(model)
    maps = bound(images[:2], targets[:2])
    assert maps.shape == (2, 8, 8, 1)
    np.testing.assert_allclose(bound(images[1:2], targets[1:2]), maps[1:2], rtol=1e-5, atol=1e-6)


def test_xplique_keeps_no_model(functional):
    from xplique.attributions.base import BlackBoxExplainer

    before = len(BlackBoxExplainer._cache_models)
    ALL["xplique saliency"].bind(functional)
    assert len(BlackBoxExplainer._cache_models) == before


@pytest.mark.parametrize("name", ["pair gradient", "tf-explain gradient"])
def test_gradients_are_ours(name, functional, images, targets):
    expected = ex.Gradient()(functional, images, targets)
    np.testing.assert_allclose(
        ALL[name](functional, images, targets), expected, rtol=1e-4, atol=1e-5
    )


def test_xpliques_gradients_are_ours(functional, images, targets):
    largest = np.abs(ex.Gradient()(functional, images, targets)).max(axis=-1, keepdims=True)
    np.testing.assert_allclose(
        ALL["xplique saliency"](functional, images, targets), largest, rtol=1e-4, atol=1e-5
    )
    product = ex.GradientInput()(functional, images, targets)
    np.testing.assert_allclose(
        ALL["xplique input"](functional, images, targets), product, rtol=1e-4, atol=1e-5
    )


def test_xpliques_integral_is_our_trapezoid(functional, images, targets):
    ours = ex.IntegratedGradients(steps=STEPS - 1, rule="trapezoid")(functional, images, targets)
    theirs = ALL["xplique ig"](functional, images, targets)
    np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-4)


def test_pairs_integral_takes_both_ends_as_whole_steps(functional, images, targets):
    """Places `linspace(0, 1, n)`, their mean gradient times the image."""
    gradient = ex.Gradient().bind(functional)
    places = np.linspace(0, 1, STEPS)
    mean = np.mean([gradient(np.float32(p) * images, targets) for p in places], axis=0)
    theirs = ALL["pair ig"](functional, images, targets)
    np.testing.assert_allclose(theirs, mean * images, rtol=1e-3, atol=1e-4)
    ours = ex.IntegratedGradients(steps=STEPS)(functional, images, targets)
    assert np.abs(theirs - ours).mean() < 0.03 * np.abs(ours).mean()


def test_shaps_expected_gradients_sum_to_the_difference(functional, background, images, targets):
    from saliency_bench.network import target_score

    explainer = adapters.SHAP(background, settings={"nsamples": 400})
    sums = explainer(functional, images, targets).sum(axis=(1, 2, 3))
    score = target_score(functional)
    difference = score(images, targets) - score(np.zeros_like(images), targets)
    assert np.abs(sums - difference).max() < 0.1 * np.abs(difference).max()
    np.testing.assert_array_equal(
        explainer(functional, images[:1], targets[:1]),
        explainer(functional, images, targets)[:1],
    )


@pytest.mark.parametrize("name", ["pair gradient", "xplique input", "tf-explain gradient"])
def test_redrawn_weights_are_seen(name, fresh_model_of, images, targets):
    model = fresh_model_of("subclassed")
    bound = ALL[name].bind(model)
    before = bound(images, targets)
    with networks.swapped(model, model.variables, redraw(model, model.variables, seed=0)):
        after = bound(images, targets)
        np.testing.assert_allclose(after, ALL[name](model, images, targets), rtol=1e-5, atol=1e-6)
    assert not np.allclose(after, before)


@pytest.mark.parametrize(
    "explainer",
    [
        adapters.Xplique("GuidedBackprop"),
        adapters.Xplique("GradCAM"),
        adapters.PAIRSaliency("GradCam"),
        adapters.Xplique("HsicAttributionMethod"),
    ],
)
def test_what_needs_layers_is_refused(explainer, functional):
    with pytest.raises(NotApplicable, match=r"needs|no seed"):
        explainer.bind(functional)


@pytest.mark.parametrize(
    ("explainer", "message"),
    [
        (adapters.Xplique("Salency"), r"method must be one of xplique's \(Saliency.*got 'Salency'"),
        (adapters.PAIRSaliency("GuidedIGG"), r"one of saliency's \(GuidedIG.*got 'GuidedIGG'"),
    ],
)
def test_unknown_methods_are_answered_with_near_ones(explainer, message, functional):
    with pytest.raises(ValueError, match=message):
        explainer.bind(functional)


def test_our_integrated_gradients_and_theirs_get_the_same_verdicts(trained):
    model, images, targets = trained
    results = sb.evaluate(
        model, images, targets,
        explainers={
            "ours": ex.IntegratedGradients(steps=25),
            "pair": adapters.PAIRSaliency(
                "IntegratedGradients", settings={"x_steps": 25, "batch_size": 25}
            ),
            "xplique": adapters.Xplique(
                "IntegratedGradients", settings={"steps": 25, "reducer": None}
            ),
        },
        options=sb.Options(draws=3),
    )  # fmt: skip
    rows = results.summary.query("stage == -1 and explainer in ['ours', 'pair', 'xplique']")
    table = rows.pivot(index="explainer", columns="similarity", values="retained")
    print(table.round(3).to_string())
    print(results.verdicts.set_index("explainer").loc[["ours", "pair", "xplique"], "verdict"])
    verdicts = results.verdicts.set_index("explainer").loc[["ours", "pair", "xplique"], "verdict"]
    assert set(verdicts) == {"pass"}
    assert np.abs(table - table.loc["ours"]).max(axis=None) < 0.05


@pytest.fixture(scope="module")
def trained():
    """A small network that knows digits, and 32 of them."""
    import keras
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images[..., None] / 16).astype(np.float32)
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images, digits.target, epochs=8, verbose=0)
    return model, images[:32], digits.target[:32]
