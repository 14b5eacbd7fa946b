"""Property tests as a product: planted faults are caught by name, and the command tells them."""

import subprocess
import sys

import numpy as np
import pytest

from saliency_bench import explainers as ex
from saliency_bench import process
from saliency_bench.network import evaluating
from saliency_bench.properties import BrokenProperty, check_explainer, require
from saliency_bench.properties.command import main
from saliency_bench.protocols import NotApplicable


def gradient_of(model, images, targets, *, logits=True):
    import tensorflow as tf

    end = model if not logits else _before_softmax(model)
    values = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(values)
        scores = tf.gather(end(values, training=False), targets, batch_dims=1)
    return tape.gradient(scores, values).numpy()


def _before_softmax(model):
    import keras

    return keras.Model(model.input, model.get_layer("head").output)


def broken(explainer, model, images, targets):
    table = check_explainer(explainer, model, images, targets)
    return set(table.loc[table["status"] == "broken", "property"])


def test_a_right_function_has_every_property(functional, images, targets):
    assert broken(gradient_of, functional, images, targets) == set()


def softmaxed(model, images, targets):
    return gradient_of(model, images, targets, logits=False)


def normalized_by_the_batch(model, images, targets):
    maps = gradient_of(model, images, targets)
    return maps / np.abs(maps).max()


def not_finite(model, images, targets):
    return np.full(images.shape, np.nan, np.float32)


def of_the_image(model, images, targets):
    return images


def unasked_noise(model, images, targets):
    return gradient_of(model, images, targets) + np.random.normal()  # noqa: NPY002


def moved_weights(model, images, targets):
    maps = gradient_of(model, images, targets)
    model.variables[0].assign_add(np.full(model.variables[0].shape, 1e-3, np.float32))
    return maps


def crashes_alone(model, images, targets):
    return gradient_of(model, images, targets) / (len(images) - 1 or int("one"))


class Stale(ex.Method):
    """The weights at the time it was bound."""

    def bind(self, model):
        import keras

        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        return lambda images, targets, *, keys=None: gradient_of(copy, images, targets)


class Unsigned(ex.Gradient):
    signed = False


class AnyClass(ex.Gradient):
    class_specific = False


class NoisySaid(ex.Gradient):
    stochastic = True


class Flat(ex.Gradient):
    def bind(self, model):
        bound = super().bind(model)
        return lambda images, targets, *, keys=None: bound(images, targets).sum(axis=-1)


class Incomplete(ex.DeepLIFT):
    """Without the baseline's part."""

    def reference(self, images):
        return np.full_like(images, 0.7)


class Absolute(ex.Gradient):
    """Said to be linear, and is not."""

    def bind(self, model):
        bound = super().bind(model)
        return lambda images, targets, *, keys=None: np.abs(bound(images, targets))


class Leaky(ex.LRP):
    """Hands back half."""

    def bind(self, model):
        bound = super().bind(model)
        return lambda images, targets, *, keys=None: bound(images, targets) / 2


FAULTS = {
    "shift_invariance": softmaxed,
    "batch_independent": normalized_by_the_batch,
    "finite": not_finite,
    "weights": of_the_image,
    "seeded": unasked_noise,
    "leaves_model_alone": unasked_noise,
    "fresh_weights": Stale(),
    "sign": Unsigned(),
    "class_specific": AnyClass(),
    "noise": NoisySaid(),
    "shape_and_type": Flat(),
    "completeness": Incomplete(),
    "linearity": Absolute(),
    "conservation": Leaky(),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_caught_by_name(name, functional, images, targets):
    found = broken(FAULTS[name], functional, images, targets)
    assert name in found


@pytest.mark.parametrize("fault", [Unsigned(), AnyClass(), NoisySaid(), Incomplete(), softmaxed])
def test_one_fault_breaks_one_property(fault, functional, images, targets):
    assert len(broken(fault, functional, images, targets)) == 1


def test_weights_that_were_moved_are_caught(fresh_model_of, images, targets):
    model = fresh_model_of("functional")
    assert "leaves_model_alone" in broken(moved_weights, model, images, targets)


def test_what_an_explainer_raises_is_told(functional, images, targets):
    table = check_explainer(crashes_alone, functional, images, targets).set_index("property")
    assert table.loc["batch_independent", "status"] == "broken"
    assert "raised ValueError: invalid literal" in table.loc["batch_independent", "reason"]
    assert table.loc["finite", "status"] == "holds"


def test_a_broken_property_is_raised_when_asked(functional, images, targets):
    with pytest.raises(BrokenProperty, match=r"^sign: signed is False, the smallest value -"):
        check_explainer(Unsigned(), functional, images, targets, raises=True)
    table = check_explainer(ex.Gradient(), functional, images, targets, raises=True)
    require(table)
    assert list(table.columns) == ["property", "status", "deviation", "tolerance", "reason"]
    assert set(table["status"]) == {"holds", "not_promised"}


def test_the_model_comes_back_as_it_was(fresh_model_of, images, targets):
    model = fresh_model_of("subclassed")
    before = [variable.numpy().copy() for variable in model.variables]
    check_explainer(ex.DeepLIFT(), model, images, targets)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_models_whose_scores_are_made_otherwise_cannot_show_some(images, targets):
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((12, 12, 2)), layers.Flatten(), layers.Dense(3, use_bias=False)]
    )
    with evaluating(8):
        table = check_explainer(ex.Gradient(), model, images, targets).set_index("property")
    assert table.loc["shift_invariance", "status"] == "not_testable"


def test_wrong_requests_are_refused(functional, images, targets):
    with pytest.raises(ValueError, match="images must be at least 2; got 1"):
        check_explainer(ex.Gradient(), functional, images[:1], targets[:1])
    with pytest.raises(ValueError, match="targets must be 5 integers"):
        check_explainer(ex.Gradient(), functional, images, targets[:2])
    with pytest.raises(NotApplicable, match="no layer"):
        check_explainer(ex.GradCAM(), _dense(), images, targets)


def _dense():
    import keras

    return keras.Sequential(
        [keras.Input((12, 12, 2)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )


# ---------------------------------------------------------------- the command


@pytest.fixture
def started(monkeypatch):
    """In this process TensorFlow has computed, so that its threads cannot be set any more."""
    monkeypatch.setattr(process, "start_tensorflow", lambda **_: None)


def test_the_command_tests_what_it_is_given(started, capsys):
    assert main(["explainer=[gradient,random_fresh]", "n_images=3"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("fresh_weights") == 2
    assert "maps of images (3, 16, 16, 3) are float32 (3, 16, 16, 3)" in shown


def test_a_broken_explainer_of_the_users_is_exit_status_1(started, tmp_path, monkeypatch, capsys):
    (tmp_path / "my_wrong_maps.py").write_text(
        "def same(model, images, targets):\n    return images\n"
    )
    option = tmp_path / "conf" / "explainer" / "same.yaml"
    option.parent.mkdir(parents=True)
    option.write_text("same:\n  _target_: hydra.utils.get_method\n  path: my_wrong_maps.same\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["--config-dir", str(tmp_path / "conf"), "explainer=[same]"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if " broken " in line] == [
        "class_specific",
        "weights",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explainer=[gradiet]"], "Could not load 'explainer/gradiet'; there are: activations,"),
        (["explainer=[gradient]", "--config-dir", "none"], "--config-dir must name a folder"),
        (["--explainer", "gradient"], "options are --config-dir and --help; got '--explainer'"),
        (["explainer=[gradient]", "n_images=1"], "images must be at least 2; got 1"),
        (["explainer=[gradient]", "model=saved", "model.path=no.keras"], "no such file"),
        (["explainer=[lrp_epsilon]", "explainer.lrp_epsilon.rule=x"], "rule must be one of"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_status_2(started, arguments, message, capsys):
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_help_is_quick_and_says_how():
    program = (
        "import sys; from saliency_bench.properties.command import main; main(['--help']); "
        "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0
    assert "python -m saliency_bench.properties" in done.stdout
