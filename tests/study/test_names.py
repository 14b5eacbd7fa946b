"""What `evaluate` takes: names of conf/, objects, both; and its refusals, each one line."""

from pathlib import Path

import numpy as np
import pytest

import saliency_bench as sb
from saliency_bench import checks, outputs
from saliency_bench import explainers as ex
from saliency_bench import similarities as sim
from saliency_bench.cli import objects
from saliency_bench.cli.request import compose
from saliency_bench.study.defaults import default_similarities, named
from saliency_bench.study.evaluate import EXPLAINERS
from saliency_bench.study.names import by_name
from saliency_bench.study.vocabulary import config_dir, from_name

OPTIONS = sb.Options(draws=2)


@pytest.mark.parametrize("group", objects.PICK_MANY)
def test_a_name_is_what_the_command_line_makes_of_it(group):
    names = sorted(path.stem for path in Path(config_dir(), group).glob("*.yaml"))
    config = compose(f"{group}=[{','.join(names)}]", "draws=2")
    assert {n: from_name(group, n, OPTIONS) for n in names} == objects.build_group(config, group)


def test_the_defaults_are_those_of_the_command_line():
    assert tuple(compose().explainer) == EXPLAINERS
    assert by_name(list(default_similarities()), "similarity", OPTIONS) == default_similarities()


def test_an_output_of_the_options_is_that_of_named_explainers():
    own = outputs.Logits()
    options = sb.Options(output=own)
    assert from_name("explainer", "gradient", options) == ex.Gradient(output=own)
    assert from_name("explainer", "grad_cam", sb.Options(output="probability")).output == (
        "probability"
    )


def mine(model, images, targets):
    return images


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("gradient", {"gradient": ex.Gradient()}),
        (ex.GradCAM(), {"grad_cam": ex.GradCAM()}),
        (mine, {"mine": mine}),
        (["gradient", mine], {"gradient": ex.Gradient(), "mine": mine}),
        (["gradient", "gradient"], {"gradient": ex.Gradient()}),
        (
            [ex.Gradient(output="probability"), "gradient"],
            {"gradient": ex.Gradient(output="probability"), "gradient_2": ex.Gradient()},
        ),
        ({"a": "gradient", "b": mine}, {"a": ex.Gradient(), "b": mine}),
        ({"gradient": 0}.keys(), {"gradient": ex.Gradient()}),
    ],
)
def test_names_and_objects_and_both(given, expected):
    assert by_name(given, "explainer", OPTIONS) == expected


def test_classes_give_the_names_of_conf():
    parts = [ex.GradCAMPlusPlus(), ex.HSIC(), ex.KernelSHAP(), ex.BlurIG(), ex.DeepLIFT()]
    assert list(named(parts)) == [
        "grad_cam_plus_plus", "hsic", "kernel_shap", "blur_ig", "deep_lift",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def network():
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(3)]
    return keras.Sequential([keras.Input((8, 8, 1)), *layers])


IMAGES = np.random.default_rng(0).standard_normal((5, 8, 8, 1)).astype(np.float32)


def test_a_run_of_names(network):
    found = sb.evaluate(
        network,
        IMAGES,
        explainers=["gradient", mine],
        checks="param_randomization",
        similarities=["spearman_abs", sim.SSIM()],
        options=OPTIONS,
    )
    assert list(found.verdicts["explainer"][:2]) == ["gradient", "mine"]
    assert set(found.summary["similarity"]) == {"spearman_abs", "ssim"}
    assert set(found.summary["check"]) == {"param_randomization"}


class Many:
    """An object whose text is long."""

    def __repr__(self):
        return "many\n" * 1000


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"explainers": "gradeint"}, r"conf/explainer \(gradient, .*\); got 'gradeint'"),
        ({"explainers": ["GradCAM"]}, r"conf/explainer \(grad_cam, .*\); got 'GradCAM'"),
        ({"explainers": {"a": "x" * 999}}, "explainer must be a name of conf/explainer"),
        ({"explainers": None}, "explainers must be names of conf/explainer, objects, or both"),
        ({"explainers": {3: mine}}, "explainers must have texts as names; got 3"),
        ({"explainers": [ex.Gradient]}, r"got the class Gradient: use Gradient\(\)"),
        ({"explainers": {"m": Many()}}, "m must be an explainer or a function; got many many"),
        ({"checks": "param"}, r"conf/check \(param_randomization, "),
        ({"checks": None}, "checks must be names of conf/check, objects, or both; got None"),
        ({"checks": [3]}, "checks must hold checks or names of conf/; got 3"),
        ({"checks": Many()}, r"checks must hold checks .*many m \.\.\.$"),
        ({"checks": [ex.Gradient()]}, "checks must hold checks"),
        ({"checks": checks.DataRandomization}, r"use DataRandomization\(\)"),
        ({"similarities": []}, "similarities must name at least one; got none"),
        ({"similarities": {"s": sim.SSIM}}, r"s must be an object; got the class SSIM"),
        ({"similarities": ["spearman"]}, r"conf/similarity \(spearman_.*got 'spearman'"),
        ({"similarities": ex.Gradient()}, "similarities must hold similarities"),
        ({"options": {"draws": 3}}, r"options must be Options\(\.\.\.\); got {'draws': 3}"),
        ({"model": "net.keras"}, "must be a built Keras model; got 'net.keras': keras.saving"),
        ({"model": None}, "model must be a built Keras model; got None"),
        ({"model": mine}, "model must be a built Keras model; got <function"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_line(network, changes, rule):
    request = {"model": network, "images": IMAGES, "explainers": "gradient"} | changes
    with pytest.raises(ValueError, match=rule) as told:
        sb.evaluate(request.pop("model"), request.pop("images"), **request)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 300


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"draw": 3}, "Options has no 'draw'; the nearest are: draws,"),
        ({"draws": -1}, "draws must be at least 1; got -1"),
        ({"draws": "3"}, "draws must be an integer; got '3'"),
        ({"draws": 2.0}, "draws must be an integer; got 2.0"),
        ({"draws": True}, "draws must be an integer; got True"),
        ({"seed": -1}, "seed must be at least 0; got -1"),
        ({"seed": None}, "seed must be an integer; got None"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"save_maps": "no"}, "save_maps must be true or false; got 'no'"),
        ({"run_dir": 3}, "run_dir must be a folder or None; got 3"),
        ({"output": "logits"}, "output must be logit, probability or a function"),
        ({"output": outputs.Logits}, "output must be logit, probability or a function"),
        ({"weights": 3}, "weights must be what trains networks, e.g. a models.Trainer; got 3"),
        ({"preprocessing": "mobilenet"}, "preprocessing must be a Preprocessing"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(settings, rule):
    with pytest.raises((ValueError, TypeError), match=rule) as told:
        sb.Options(**settings)
    assert "\n" not in str(told.value)


def test_options_take_the_numbers_of_numpy():
    assert sb.Options(draws=np.int64(3), seed=np.uint8(1)).draws == 3
