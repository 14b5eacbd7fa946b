"""The curves are those of maps that are computed here once more, with arithmetic by hand."""

import numpy as np
import pytest
from helpers.lazily import Sanity, SanityCallback, keras, read

from saliency_bench import explainers, randomize
from saliency_bench import network as networks
from saliency_bench.similarities import SSIM, Spearman

SIGNED = Spearman(absolute=False)


def watched(model, data, callback, epochs=2):
    model.fit(*data, epochs=epochs, batch_size=24, verbose=0, callbacks=[callback])
    return model


def curves(folder, run):
    """Value by step, by tag."""
    found = {}
    for tag, step, kind, value in read(folder / "sanity" / run):
        if kind == "scalars":
            found.setdefault(tag, {})[step] = float(value)
    return found


def texts(folder):
    return {
        tag: str(value.item(), "utf-8") for tag, _, kind, value in read(folder) if kind == "text"
    }


def null(maps, others):
    """`[N]` mean similarity of each map with the next four others; N = 6."""
    shifted = [np.roll(others, -shift, axis=0) for shift in (1, 2, 3, 4)]
    return np.mean([SIGNED(maps, other) for other in shifted], axis=0)


def redrawn_maps(model, explainer, images, targets, draw, seed=0):
    variables = [v for block in randomize.blocks(model) for v in block.variables]
    values = randomize.redraw(model, variables, seed=seed, draw=draw)
    with networks.swapped(model, variables, values):
        return explainer(model, images, targets)


@pytest.mark.parametrize("kind", ["sequential", "nested", "subclassed", "mixed"])
def test_against_the_redrawn_network(kind, network, data, images, targets, tmp_path):
    gradient = explainers.Gradient()
    sanity = Sanity(draws=2, seed=7)
    callback = SanityCallback({"g": gradient}, images, targets, tmp_path, sanity=sanity)
    model = watched(network(kind, "sgd"), data, callback)
    maps = gradient(model, images, targets)
    redrawn = [redrawn_maps(model, gradient, images, targets, draw, 7) for draw in (0, 1)]
    score = np.array([SIGNED(maps, other) for other in redrawn])
    nulls = np.array([null(maps, other) for other in redrawn])
    found = {tag: curve[2] for tag, curve in curves(tmp_path, "redrawn").items()}
    assert found["similarity/g/spearman_signed"] == pytest.approx(score.mean(), abs=1e-6)
    assert found["similarity_null/g/spearman_signed"] == pytest.approx(nulls.mean(), abs=1e-6)
    retained = (score - nulls).mean() / (1 - nulls).mean()
    assert found["retained/g/spearman_signed"] == pytest.approx(retained, abs=1e-6)
    floor = SIGNED(*redrawn).mean()
    assert found["similarity_floor/g/spearman_signed"] == pytest.approx(floor, abs=1e-6)
    assert found["retained_low/g/spearman_signed"] < retained
    assert found["retained_high/g/spearman_signed"] > retained
    assert found["undefined/g/spearman_signed"] == 0


@pytest.mark.parametrize(("every", "steps"), [(1, [1, 2, 3, 4]), (2, [2, 4]), (3, [3])])
def test_against_the_epoch_before(every, steps, known, data, images, targets, tmp_path):
    gradient = explainers.Gradient()
    maps = []

    class Watched(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            maps.append(gradient(self.model, images, targets))

    model = known
    maps.append(gradient(model, images, targets))
    callback = SanityCallback(
        {"g": gradient}, images, targets, tmp_path, every, sanity=Sanity(draws=1)
    )
    model.fit(*data, epochs=4, verbose=0, callbacks=[Watched(), callback])
    found = curves(tmp_path, "previous")["similarity/g/spearman_signed"]
    by_hand = {step: SIGNED(maps[step - 1], maps[step]).mean() for step in steps}
    assert found == pytest.approx(by_hand, abs=1e-6)
    assert sorted(curves(tmp_path, "redrawn")["similarity/g/spearman_signed"]) == [
        step for step in range(5) if step % every == 0
    ]


def test_maps_that_know_nothing_of_the_model_are_all_retained(
    known, data, images, targets, tmp_path
):
    def brightness(model, images, targets):
        return images

    watched(known, data, SanityCallback(brightness, images, targets, tmp_path))
    for run in ("redrawn", "previous"):
        found = curves(tmp_path, run)
        for quantity in ("retained", "similarity"):
            assert set(found[f"{quantity}/brightness/spearman_signed"].values()) == {1.0}
    assert set(
        curves(tmp_path, "redrawn")["similarity_floor/brightness/spearman_abs"].values()
    ) == {1.0}


def test_a_network_that_does_not_learn_keeps_its_maps(network, data, images, targets, tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(3))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    labels = keras.utils.to_categorical(data[1])
    callback = SanityCallback({"g": explainers.Gradient()}, images, targets, tmp_path)
    watched(model, (data[0], labels), callback)
    previous = curves(tmp_path, "previous")["retained/g/spearman_signed"]
    assert previous == {1: 1.0, 2: 1.0}
    redrawn = curves(tmp_path, "redrawn")["similarity/g/spearman_signed"]
    # The same redrawn networks in every record: nothing but training moves the curve.
    assert len(set(redrawn.values())) == 1
    assert abs(redrawn[0]) < 0.5


def test_constant_maps_are_undefined_not_zero(known, data, images, targets, tmp_path):
    def constant(model, images, targets):
        return np.ones_like(images)

    watched(known, data, SanityCallback(constant, images, targets, tmp_path))
    for run in ("redrawn", "previous"):
        found = curves(tmp_path, run)
        assert set(found["undefined/constant/spearman_signed"].values()) == {1.0}
        assert np.isnan(list(found["retained/constant/spearman_signed"].values())).all()
    assert not texts(tmp_path)


def test_a_vanished_map_has_changed(known, data, images, targets, tmp_path):
    """It counts as its null: here that of the other images, whose maps stay as they are."""

    def vanishing(model, images, targets, calls=[]):  # noqa: B006
        calls.append(1)
        kept = np.ones(len(images)) if len(calls) == 1 else np.arange(len(images)) > 0
        return images * kept[:, None, None, None]

    sanity = Sanity(draws=1)
    callback = SanityCallback(vanishing, images, targets, tmp_path, sanity=sanity)
    watched(known, data, callback, epochs=1)
    found = curves(tmp_path, "redrawn")
    assert found["undefined/vanishing/spearman_signed"][0] == pytest.approx(1 / 6)
    rows = [SIGNED(images, np.roll(images, -shift, axis=0)) for shift in (1, 2, 3, 4)]
    # An image's partners are the next four, without image 0, whose map is gone.
    gone = [(np.arange(6) + shift) % 6 == 0 for shift in (1, 2, 3, 4)]
    nulls = np.nanmean(np.where(gone, np.nan, rows), axis=0)
    score = np.where(np.arange(6) > 0, 1.0, nulls)
    retained = (score - nulls).mean() / (1 - nulls).mean()
    assert found["retained/vanishing/spearman_signed"][0] == pytest.approx(retained, abs=1e-6)


def test_a_similarity_that_cannot_serve_small_maps_is_left_out(
    known, data, images, targets, tmp_path
):
    def small(model, images, targets):
        return images[:, ::2, ::2]

    sanity = Sanity({"spearman": SIGNED, "ssim": SSIM()})
    callback = SanityCallback(small, images, targets, tmp_path, sanity=sanity)
    watched(known, data, callback)
    assert {tag.rsplit("/", 1)[1] for tag in curves(tmp_path, "redrawn")} == {"spearman"}


def test_one_draw_has_neither_an_interval_nor_a_floor(known, data, images, targets, tmp_path):
    sanity = Sanity(draws=1)
    callback = SanityCallback(explainers.Gradient(), images, targets, tmp_path, sanity=sanity)
    watched(known, data, callback)
    quantities = {tag.split("/")[0] for tag in curves(tmp_path, "redrawn")}
    assert quantities == {"retained", "similarity", "similarity_null", "undefined"}


def test_who_fails_on_the_redrawn_network_is_dropped_and_the_rest_goes_on(
    known, data, images, targets, tmp_path
):
    calls = []

    def fragile(model, images, targets):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("not this network")
        return images

    given = {"fragile": fragile, "gradient": explainers.Gradient()}
    watched(known, data, SanityCallback(given, images, targets, tmp_path))
    assert len(calls) == 2
    assert texts(tmp_path) == {
        "not shown/fragile": "`fragile` failed: RuntimeError: not this network"
    }
    shown = {tag.split("/")[1] for tag in curves(tmp_path, "redrawn")}
    assert shown == {"gradient"}


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_a_model_without_weights_is_compared_with_itself_only(data, images, targets, tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    model.compile(loss="mse")

    def brightness(model, images, targets):
        return images

    callback = SanityCallback(brightness, images, targets, tmp_path)
    watched(model, (data[0], data[0].reshape(48, 64)), callback)
    assert list(texts(tmp_path)) == ["not shown/the redrawn network"]
    assert curves(tmp_path, "previous")["retained/brightness/spearman_abs"] == {1: 1.0, 2: 1.0}
