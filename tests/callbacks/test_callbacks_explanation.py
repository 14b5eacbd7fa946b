"""Maps and overlays are read back from TensorBoard's files."""

import numpy as np
import pytest
from helpers.lazily import ExplanationCallback, keras, read, read_maps, tf

from saliency_bench import explainers, plot
from saliency_bench.protocols import Preprocessing

KINDS = ("sequential", "functional", "nested", "subclassed", "train_step", "eager", "mixed")


def fit(model, data, callback, epochs=2, **settings):
    model.fit(*data, epochs=epochs, batch_size=24, verbose=0, callbacks=[callback], **settings)


def values(folder, tag):
    """By step."""
    return {step: value for name, step, _, value in read(folder) if name == tag}


def texts(folder):
    return {
        tag: str(value.item(), "utf-8") for tag, _, kind, value in read(folder) if kind == "text"
    }


@pytest.mark.parametrize("kind", KINDS)
def test_raw_maps_are_those_of_the_live_weights_bit_for_bit(
    kind, network, data, images, targets, tmp_path
):
    model = network(kind, "sgd")
    given = {
        "gradient": explainers.Gradient(),
        "smoothgrad": explainers.SmoothGrad(explainers.Gradient(), samples=4),
    }
    fit(model, data, ExplanationCallback(given, images, targets, tmp_path))
    found = read_maps(tmp_path)
    assert found.keys() == given.keys()
    for name, explainer in given.items():
        assert sorted(found[name]) == ([1, 2] if kind == "subclassed" else [0, 1, 2])
        assert np.array_equal(found[name][2], explainer(model, images, targets))
        assert not np.array_equal(found[name][1], found[name][2])


def test_step_0_is_before_the_first_epoch(known, data, images, targets, tmp_path):
    model = known
    untrained = explainers.Gradient()(model, images, targets)
    fit(model, data, ExplanationCallback(explainers.Gradient(), images, targets, tmp_path), 1)
    assert np.array_equal(read_maps(tmp_path)["Gradient"][0], untrained)


def test_a_model_that_is_built_by_its_first_batch_says_why_step_0_is_missing(
    network, data, images, targets, tmp_path
):
    model = network("subclassed", "sgd")
    fit(model, data, ExplanationCallback(explainers.Gradient(), images, targets, tmp_path), 1)
    assert texts(tmp_path)["not shown/step 0"].endswith("call it once on a batch before fit")
    assert sorted(read_maps(tmp_path)["Gradient"]) == [1]
    built = network("subclassed", "sgd")
    built(images)
    folder = tmp_path / "built"
    fit(built, data, ExplanationCallback(explainers.Gradient(), images, targets, folder), 1)
    assert sorted(read_maps(folder)["Gradient"]) == [0, 1]


@pytest.mark.parametrize(("every", "steps"), [(1, [0, 1, 2, 3, 4]), (2, [0, 2, 4]), (5, [0])])
def test_every_so_many_epochs(every, steps, known, data, images, targets, tmp_path):
    callback = ExplanationCallback(explainers.Gradient(), images, targets, tmp_path, every)
    fit(known, data, callback, epochs=4)
    assert sorted(read_maps(tmp_path)["Gradient"]) == steps


def test_a_fit_that_is_gone_on_with_counts_on_and_binds_once(
    network, data, images, targets, tmp_path
):
    calls = []

    class Counted(explainers.Gradient):
        def bind(self, model):
            calls.append(model)
            return super().bind(model)

    model = network("sequential", "sgd")
    callback = ExplanationCallback({"counted": Counted()}, images, targets, tmp_path)
    fit(model, data, callback, epochs=2)
    fit(model, data, callback, epochs=3, initial_epoch=2)
    assert calls == [model]
    assert sorted(values(tmp_path, "maps/counted")) == [0, 1, 2, 3]
    assert sum(tag == "maps/counted" for tag, *_ in read(tmp_path)) == 4
    fit(network("nested", "sgd"), data, callback, epochs=1)
    assert len(calls) == 2


def test_overlays_are_pictures_of_the_maps(known, data, images, targets, tmp_path):
    fit(
        known,
        data,
        ExplanationCallback({"g": explainers.Gradient()}, images, targets, tmp_path),
        epochs=1,
    )
    width, height, *pictures = values(tmp_path, "overlay/g")[1]
    assert (width, height) == (b"160", b"160")
    maps = read_maps(tmp_path)["g"][1]
    assert len(pictures) == len(images)
    for picture, image, attribution in zip(pictures, images, maps, strict=True):
        shown = tf.io.decode_png(picture).numpy()
        large = [values.repeat(20, 0).repeat(20, 1) for values in (image, attribution)]
        assert np.array_equal(shown, np.round(plot.overlay(*large) * 255))


def test_images_are_shown_once_in_display_units(known, data, images, targets, tmp_path):
    units = Preprocessing(mean=(0.5,), std=(0.25,))
    callback = ExplanationCallback(
        explainers.Gradient(), units(images), targets, tmp_path, preprocessing=units
    )
    fit(known, data, callback)
    (shown,) = values(tmp_path, "image").values()
    pixels = tf.io.decode_png(shown[2]).numpy()
    assert np.array_equal(pixels[::20, ::20], np.round(images[0].clip(0, 1) * 255))


def test_pixels_beyond_the_display_are_stretched(known, data, images, targets, tmp_path):
    callback = ExplanationCallback(explainers.Gradient(), images * 4 - 1, targets, tmp_path)
    fit(known, data, callback, epochs=1)
    (shown,) = values(tmp_path, "image").values()
    pixels = np.stack([tf.io.decode_png(png).numpy() for png in shown[2:]])
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_small_maps_and_those_without_channels_are_shown(known, data, images, targets, tmp_path):
    given = {
        "small": lambda model, images, targets: images[:, ::2, ::2],
        "flat": lambda model, images, targets: images[..., 0],
        "constant": lambda model, images, targets: np.ones_like(images),
    }
    fit(known, data, ExplanationCallback(given, images, targets, tmp_path), epochs=1)
    assert not texts(tmp_path)
    for name in given:
        assert len(values(tmp_path, f"overlay/{name}")[1]) == 2 + len(images)
    assert read_maps(tmp_path)["small"][0].shape == (6, 4, 4, 1)


def test_who_does_not_apply_or_raises_says_so_once(network, data, images, targets, tmp_path):
    calls = []

    def broken(model, images, targets):
        calls.append(1)
        raise KeyError("no such thing")

    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    given = {
        "guided": explainers.GuidedBackprop(),
        "broken": broken,
        "gradient": explainers.Gradient(),
    }
    fit(model, data, ExplanationCallback(given, images, targets, tmp_path))
    assert len(calls) == 1
    said = [(tag, step) for tag, step, kind, _ in read(tmp_path) if kind == "text"]
    assert said == [("not shown/guided", 0), ("not shown/broken", 0)]
    assert "does not apply" in texts(tmp_path)["not shown/guided"]
    assert texts(tmp_path)["not shown/broken"] == "`broken` failed: KeyError: 'no such thing'"
    assert sorted(read_maps(tmp_path)) == ["gradient"]


def test_who_changes_the_weights_is_not_shown(known, data, images, targets, tmp_path):
    def vandal(model, images, targets):
        model.layers[-1].bias.assign(model.layers[-1].bias + 1)
        return images

    fit(
        known,
        data,
        ExplanationCallback({"vandal": vandal}, images, targets, tmp_path),
        epochs=1,
    )
    assert "it changed the model's weights" in texts(tmp_path)["not shown/vandal"]
    assert not read_maps(tmp_path)


def test_a_model_that_diverges_is_still_watched(network, data, images, targets, tmp_path):
    model = network("functional")
    model.compile(keras.optimizers.SGD(1e30), "mse")
    labels = keras.utils.to_categorical(data[1])
    given = {"gradient": explainers.Gradient(), "mine": lambda model, images, targets: images}
    fit(model, (data[0], labels), ExplanationCallback(given, images, targets, tmp_path))
    found = read_maps(tmp_path)
    assert sorted(found["gradient"]) == sorted(found["mine"]) == [0, 1, 2]
    assert np.isnan(found["gradient"][2]).any()


def test_a_model_that_counts_its_calls_is_not_shown_and_counts_training_only(
    data, images, targets, tmp_path
):
    class Counting(keras.layers.Layer):
        def build(self, shape):
            self.count = self.add_weight(initializer="zeros", trainable=False, name="count")

        def call(self, values):
            self.count.assign_add(1.0)
            return values

    counting = Counting()
    model = keras.Sequential([keras.Input((8, 8, 1)), counting, keras.layers.Flatten()])
    model.add(keras.layers.Dense(3))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    fit(model, data, ExplanationCallback(explainers.Gradient(), images, targets, tmp_path))
    assert "counting/count" in texts(tmp_path)["not shown/Gradient"]
    assert float(counting.count.numpy()) == 2 * 48 / 24


def test_a_file_that_is_still_written_is_read_as_far_as_it_goes(
    known, data, images, targets, tmp_path
):
    callback = ExplanationCallback(explainers.Gradient(), images, targets, tmp_path)
    fit(known, data, callback)
    (path,) = (tmp_path / "explanations").iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    assert sorted(read_maps(tmp_path)["Gradient"]) == [0, 1, 2]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    assert sorted(read_maps(tmp_path)["Gradient"]) == [0]
