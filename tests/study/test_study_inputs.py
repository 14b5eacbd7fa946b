"""Inputs of a study: masks, and pictures of several images on a network for single ones."""

import keras
import numpy as np
import pytest

from saliency_bench import explainers, metrics, models, network
from saliency_bench.checks import ParameterRandomization
from saliency_bench.datasets import Mosaic, Npz
from saliency_bench.engine import make_steps
from saliency_bench.protocols import Preprocessing
from saliency_bench.study.build import Options, build
from saliency_bench.study.defaults import default_similarities
from saliency_bench.study.inputs import InputRequest, load_inputs

layers = keras.layers
SIDE = 8
TRAINING = models.Training(epochs=100, batch_size=16)


def pooled():
    """The class is the brightest of four channels, whatever the size of the picture."""
    return keras.Sequential([
        keras.Input((SIDE, SIDE, 4)), layers.GlobalAveragePooling2D(), layers.Dense(4, name="head"),
    ])  # fmt: skip


def flat():
    return keras.Sequential([
        keras.Input((SIDE, SIDE, 4)), layers.Flatten(), layers.Dense(4, name="head"),
    ])  # fmt: skip


@pytest.fixture
def colours(tmp_path):
    """Images of four channels, of which one is bright: that of their class."""
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 4
    pixels = 0.1 * rng.random((80, SIDE, SIDE, 4))
    pixels[np.arange(80), :, :, labels] += 0.5
    path = tmp_path / "colours.npz"
    np.savez(path, x=pixels.astype(np.float32), y=labels)
    return Npz(str(path), mean=0.25, std=0.5)


def request(dataset, model, folder, **settings):
    given = {"trains": True, "retrains": False, "n_images": 6, "target": "label", "seed": 0}
    return InputRequest(
        dataset=dataset, model=lambda trains: model, cache=folder / "cache", **given | settings
    )


def test_a_network_learns_single_images_and_explains_mosaics(colours, tmp_path):
    model = models.Function(pooled, TRAINING)
    inputs = load_inputs(request(Mosaic(colours), model, tmp_path))
    assert inputs.dataset.pixels.shape == (6, 2 * SIDE, 2 * SIDE, 4)
    assert inputs.dataset.regions.mean(axis=(1, 2)).tolist() == [0.25] * 6
    assert inputs.dataset.preprocessing == Preprocessing((0.25,), (0.5,))
    assert inputs.model.model.input_shape == (None, 2 * SIDE, 2 * SIDE, 4)
    (learned,) = inputs.weights.trained.values()
    assert learned.test_accuracy > 0.9
    single = load_inputs(request(colours, model, tmp_path)).model.model
    for own, other in zip(single.variables, inputs.model.model.variables, strict=True):
        np.testing.assert_array_equal(own, other)


def test_gradient_times_input_lies_in_the_cell_of_its_class(colours):
    """A logit is the mean of its class's channel, which is above the data's mean in one cell."""
    model = pooled()
    model.set_weights([np.eye(4), np.zeros(4)])
    data = Mosaic(colours).load().first(6)
    maps = explainers.GradientInput()(network.resized(model, (16, 16, 4)), data.images, data.labels)
    given = (data.images, data.labels)
    found = metrics.GridPointing().bind(None)(maps, *given, regions=data.regions)
    np.testing.assert_allclose(found, 1, rtol=1e-6)
    constant = np.ones((6, 16, 16, 1))
    chance = metrics.GridPointing().bind(None)(constant, *given, regions=data.regions)
    assert chance.tolist() == [0.25] * 6


def test_a_network_that_takes_one_size_is_refused_before_it_is_trained(colours, tmp_path):
    model = models.Function(flat, TRAINING)
    with pytest.raises(ValueError, match="pictures of 16x16x4: its layer 'head' has a fixed size"):
        load_inputs(request(Mosaic(colours), model, tmp_path))
    assert not (tmp_path / "cache").exists()


def test_a_loaded_network_is_applied_to_mosaics_too(colours, tmp_path):
    pooled().save(tmp_path / "pooled.keras")
    saved = models.Saved(str(tmp_path / "pooled.keras"))
    inputs = load_inputs(request(Mosaic(colours, focus=True), saved, tmp_path, trains=False))
    assert inputs.model.model.input_shape == (None, 2 * SIDE, 2 * SIDE, 4)
    flat().save(tmp_path / "flat.keras")
    saved = models.Saved(str(tmp_path / "flat.keras"))
    with pytest.raises(ValueError, match="its layer 'head' has a fixed size"):
        load_inputs(request(Mosaic(colours), saved, tmp_path, trains=False))


# ---------------------------------------------------------------- masks


def study(regions=None, targets=None, **settings):
    model, rng = pooled(), np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    images = rng.random((5, SIDE, SIDE, 4)).astype(np.float32)
    return build(
        model, images, targets,
        explainers={"gradient": explainers.Gradient()},
        checks={"cascade": ParameterRandomization(draws=2)},
        similarities=default_similarities(),
        options=Options(regions=regions, **settings),
    )  # fmt: skip


def test_masks_lie_beside_the_scene_so_that_no_cell_of_a_check_gets_another_key():
    masks = np.zeros((5, SIDE, SIDE), bool)
    masks[:, 2:4] = True
    without, with_masks = study(None), study(255 * masks.astype(np.uint8))
    assert without.regions is None
    np.testing.assert_array_equal(with_masks.regions, masks)
    assert with_masks.scene.regions is None
    keys = [[step.keys for step in make_steps(one)] for one in (without, with_masks)]
    assert keys[0] == keys[1]


@pytest.mark.parametrize("shape", [(4, SIDE, SIDE), (5, SIDE, SIDE + 1), (5, SIDE, SIDE, 1)])
def test_masks_of_another_count_or_size_are_refused_in_one_line(shape):
    with pytest.raises(ValueError, match=r"^regions must be \(5, 8, 8\), a mask per image[^\n]*$"):
        study(np.ones(shape, bool))


def test_labels_of_mixed_images_say_nothing_about_the_accuracy():
    """Labels are explained all the same."""
    targets = np.array([0, 1, 2, 3, 0])
    known, mixed = study(targets=targets), study(targets=targets, mixed=True)
    assert known.labels.tolist() == targets.tolist()
    assert mixed.labels is None
    assert mixed.remarks == ()
    assert mixed.scene.targets.tolist() == targets.tolist()


def test_mixed_is_true_or_false():
    with pytest.raises(ValueError, match="mixed must be true or false; got 1"):
        Options(mixed=1)
