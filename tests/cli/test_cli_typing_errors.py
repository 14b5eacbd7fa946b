"""Command lines that are wrong in themselves: refused before TensorFlow starts."""

import pytest

from saliency_bench.cli import objects

WRONG = [
    ("sed=3", "sed is no setting", "nearest: seed"),
    ("+sed=3", "sed is no setting", "nearest: seed"),
    ("seed=abc", "'abc'", "seed must be an integer"),
    (f"n_images={'x' * 999}", "'xxx", "n_images must be an integer"),
    (f"{'x' * 999}=1", "xxx", " ..."),
    ("n_images=abc", "'abc'", "n_images must be an integer"),
    ("seed=", "''", "seed must be an integer"),
    ("seed=-1", "-1", "at least 0"),
    ("seed=1.5", "1.5", "seed must be an integer"),
    ("threads=many", "'many'", "threads must be an integer or null"),
    ("report=5", "report=5", "Report"),
    ("n_images=0", "got 0", "n_images must be at least 1"),
    ("draws=0", "got 0", "draws must be at least 1"),
    ("batch_size=-1", "got -1", "batch_size must be at least 1"),
    ("threads=0", "got 0", "threads must be at least 1"),
    ("workers=0", "got 0", "workers must be at least 1"),
    ("cores=0", "got 0", "cores must be at least 1"),
    ("cores=9999", "got 9999", "cores must be at most 1024"),
    ("target=labels", "'labels'", "label, predicted, repredict"),
    ("deterministic=perhaps", "perhaps", "true or false"),
    ("seed=${nope}", "nope", "not found"),
    ("+experiment=nope", "experiment has no option nope", "cosine_convergence"),
    ("explainer=[gradientt]", "gradientt", "nearest: gradient, gradient_input"),
    ("explainer=gradientt", "gradientt", "nearest: gradient"),
    ("explainer=[nothing_like_it]", "nothing_like_it", "there are 49, such as activations"),
    ("explainer=5", "got 5", "explainer must be a name or a list of names"),
    ("explainer=[gradient,5]", "got [gradient,5]", "explainer must be a name or a list of names"),
    ("-m explainer=gradientt,gradient", "gradientt", "nearest: gradient"),
    ("check=[param_randomisation]", "param_randomisation", "nearest: param_randomization"),
    ("similarity=[ssimm]", "ssimm", "nearest: ssim"),
    ("dataset=cifar", "cifar", "npz"),
    ("model=resnet", "resnet", "application"),
    ("model=null", "null", "model must be a name; got null; there are: application"),
    ("hydra/launcher=two_process", "two_process", "nearest: two_processes"),
    ("~explainer", "'explainer'", "Could not delete"),
    ("~model", "model", "_target_"),
    ("explainer=[]", "explainer", "at least one"),
    ("explainer=[gradient", "[gradient", "override"),
    ("explainer.smoothgrad.samples=0", "got 0", "samples must be at least 1"),
    ("explainer.smoothgrad.samples=abc", "'abc'", "must be an integer"),
    ("explainer.smoothgrad.noise=nan", "nan", "a finite number"),
    ("explainer.smoothgrad.sampels=9", "smoothgrad.sampels", "nearest: samples"),
    ("+explainer.smoothgrad.sampels=9", "smoothgrad.sampels", "nearest: samples"),
    ("explainer.gradient.output=[1]", "got [1]", "logit or probability"),
    ("model.training.epoch=3", "model.training.epoch", "nearest: epochs"),
    ("explainer.smoothgrad.base=gradient", "'gradient'", "_target_"),
    ("explainer.gradient.output=probabilities", "'probabilities'", "logit or probability"),
    ("explainer=[gradient] explainer.smoothgrad.samples=9", "explainer.smoothgrad", "gradient"),
    (
        "+experiment=param_randomization explainer=[gradient] explainer.smoothgrad.samples=9",
        "explainer.smoothgrad",
        "chosen are: gradient",
    ),
    ("+explainer.mine._target_=nope.Mine", "nope.Mine", "installed"),
    ("+explainer.mine._target_=math.nope", "math.nope", "nope"),
    ("+explainer.mine._target_=saliency_bench.explainers.Gradien", "Gradien", "nearest: Gradient"),
    ("+explainer.mine._target_=math.pi", "3.14", "callable"),
    ("+explainer.mine._target_=sys.exit", "explainer.mine", "ended the process by sys.exit"),
    ("dataset._target_=sys.exit", "dataset", "ended the process by sys.exit"),
    ("-m seed=range(0)", "seed=range(0)", "at least one job"),
    ("-m seed=range(a)", "seed=range(a)", "cannot be read"),
    ("+explainer.mine.samples=3", "explainer.mine", "chosen are"),
    ("explainer=[occlusion] explainer.occlusion.patch=0", "got 0", "patch must be at least 1"),
    ("similarity.ssim.window=4", "got 4", "odd"),
    ("check.param_randomization.order=sideways", "'sideways'", "top_down"),
    ("check.param_randomization.policy=ones", "'ones'", "permute"),
    ("check.param_randomization.exclude=logits", "'logits'", "a list"),
    ("model.filters=[2,x]", "'x'", "an integer each"),
    ("model.units=0", "0", "at least 1"),
    ("model.training=5", "got 5", "Training"),
    ("model.training.epochs=0", "got 0", "epochs"),
    ("model=function", "???", "_target_"),
    ("model=saved", "model.path", "must be given"),
    ("model=saved model.path=none.keras", "none.keras", "no such file"),
    ("model=application model.weights=none.h5", "none.h5", "no such file"),
    ("dataset=npz", "dataset.path", "must be given"),
    ("dataset=npz dataset.path=none.npz", "none.npz", "no such file"),
    ("dataset=npz dataset.path=.", "the folder .", "must be a file"),
    ("dataset=image_folder dataset.path=none", "none", "no such folder"),
    ("dataset=keras dataset.name=imagenet", "imagenet", "mnist"),
    ("dataset._target_=collections.OrderedDict", "OrderedDict", "(images, labels)"),
    ("run_dir=/dev/null", "/dev/null", "a folder that can be written"),
    ("run_dir=/dev/null/run", "/dev/null/run", "a folder that can be written"),
    ("+expected.gradient=passed", "'passed'", "not_applicable"),
    ("+expected.gradient.ssim=passed", "'passed'", "pass, fail"),
    ("--config-dir none", "none", "not found"),
    ("--run --multirun", "--multirun", "Only one"),
    ("--nope", "--nope", "--hydra-help"),
    ("--nope=3 seed=1", "--nope=3", "--hydra-help"),
    ("-m seed=0,1 --cfg nope", "'nope'", "'job'"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "value", "right"), WRONG, ids=[line for line, _, _ in WRONG])
def test_it_is_refused_in_one_line_with_the_value_and_what_would_be_right(
    refused, line, value, right
):
    told = refused(*line.split())
    assert value in told
    assert right in told
    assert len(told) <= 300
    assert told[:-1].isprintable()


def test_a_presets_setting_of_what_does_not_exist_is_refused(refused, tmp_path):
    preset = tmp_path / "own" / "experiment" / "mine.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text("# @package _global_\nexplainer:\n  smothgrad:\n    samples: 9\n")
    told = refused("--config-dir", "own", "+experiment=mine")
    assert "explainer.smothgrad" in told
    assert "smoothgrad" in told


@pytest.mark.parametrize(
    ("module", "why"),
    [("raise RuntimeError('no licence')", "no licence"), ("def (", "SyntaxError")],
)
def test_a_module_that_cannot_be_imported(refused, tmp_path, module, why):
    name = f"module_{len(module)}"
    (tmp_path / f"{name}.py").write_text(module)
    assert why in refused(f"+explainer.mine._target_={name}.Mine")


def test_a_jobs_file_that_is_damaged(refused, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{")
    assert "run.json must hold JSON" in refused("run_dir=run")


def test_a_sweep_tells_every_job_and_takes_the_worst_status(command):
    done = command("-m", "seed=0,1", "n_images=0")
    assert done.status == 2
    assert done.err.count("saliency_bench: n_images must be at least 1; got 0\n") == 2
    assert "Traceback" not in done.err


def test_a_sweep_whose_folder_cannot_be_written(refused):
    assert "/dev/null" in refused("-m", "hydra.sweep.dir=/dev/null/x", "seed=0,1")


def test_verbose_shows_where_an_error_comes_from(command):
    done = command("hydra.verbose=true", "n_images=0")
    assert done.status == 2
    assert "Traceback" in done.err


def test_config_and_help_are_shown(command):
    done = command("--cfg", "job", "seed=3")
    assert (done.status, done.err) == (0, "")
    assert "seed: 3" in done.out
    assert "guided_backprop" in command("--help").out


@pytest.mark.parametrize("flags", [["--config-dir", "own"], ["hydra.searchpath=[file://own]"]])
def test_options_of_ones_own(command, tmp_path, flags):
    option = tmp_path / "own" / "explainer" / "mine.yaml"
    option.parent.mkdir(parents=True)
    option.write_text("mine:\n  _target_: saliency_bench.explainers.Gradient\n")
    flags = [flag.replace("file://own", f"file://{tmp_path}/own") for flag in flags]
    done = command(*flags, "explainer=[mine,gradient]", "--cfg", "job")
    assert (done.status, done.err) == (0, "")
    assert "mine:" in done.out


def test_an_unexpected_error_keeps_its_name(monkeypatch, refused):
    def broken(*_):
        raise KeyError("inner")

    monkeypatch.setattr(objects, "build_group", broken)
    assert "KeyError: 'inner' (hydra.verbose=true shows where)" in refused()
