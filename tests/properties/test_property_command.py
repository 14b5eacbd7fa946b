"""`python -m saliency_bench.properties`: what it prints and its exit status."""

import subprocess
import sys

import numpy as np
import pytest

from saliency_bench.cli import process
from saliency_bench.properties import command
from saliency_bench.properties.command import main


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
    assert lines[-1] == "same: broken: class_specific, weights"
    assert main(["--config-dir", str(tmp_path / "conf"), "explainer=[same,gradient]"]) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "gradient: all hold",
        "same: broken: class_specific, weights",
    ]


def test_an_explainer_that_does_not_apply_is_told_and_the_others_are_tested(
    started, monkeypatch, capsys
):
    import keras

    model = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )

    def dense(count):
        return model, np.ones((count, 6, 6, 1), np.float32), np.arange(count) % 3

    monkeypatch.setattr(command, "_example", dense)
    assert main(["explainer=[grad_cam,gradient]", "n_images=2"]) == 0
    shown = capsys.readouterr().out
    first, last = shown.splitlines()[-2:]
    assert first.startswith("grad_cam: not_applicable: no layer")
    assert last == "gradient: all hold"
    assert shown.count("fresh_weights") == 1
    assert main(["explainer=[grad_cam,gradient]", "explainer.grad_cam.layer=x", "n_images=2"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("grad_cam: error: layer must be")
    assert main(["explainer=[grad_cam]", "n_images=2"]) == 2
    assert "an explainer must apply to the model; grad_cam: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explainer=[gradiet]"], "explainer has no option gradiet; nearest: gradient"),
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
    assert "python -m saliency_bench properties explainer=" in done.stdout
