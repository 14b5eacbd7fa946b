"""The doors to all commands: the console script `saliency-bench` and `python -m saliency_bench`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import saliency_bench
from saliency_bench import __main__ as door
from saliency_bench.cli import job
from saliency_bench.protocols import command as commands
from saliency_bench.protocols import interrupts
from saliency_bench.results import provenance

ROOT = Path(saliency_bench.__file__).parents[1]
SCRIPT = """#!{python}
import re
import sys
from {module} import {name}
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit({name}())
"""
"""What pip writes for an entry point."""

HELP = {"report": "RUN", "compare": "BASELINE", "explain": "--model", "list": "WHAT"}


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The console script as an installation has it."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    ((name, target),) = table["project"]["scripts"].items()
    module, _, function = target.partition(":")
    path = tmp_path_factory.mktemp("bin") / name
    path.write_text(SCRIPT.format(python=sys.executable, module=module, name=function))
    path.chmod(0o755)
    return path


@pytest.fixture
def run(script, tmp_path):
    """Runs the console script in an empty folder."""

    def run_script(*arguments, **variables):
        return subprocess.run(
            [script, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
            capture_output=True,
            text=True,
        )

    return run_script


@pytest.fixture
def called(monkeypatch, capsys):
    """Runs a command line in this process, as `python -m` or as the script would."""

    def call(*arguments, program=str(Path(door.__file__))):
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        before = {number: signal.getsignal(number) for number in interrupts.NUMBERS}
        try:
            status = door.main()
        except SystemExit as shown:  # after a help
            status = shown.code
        finally:  # the process of the tests goes on
            for number, handler in before.items():
                signal.signal(number, handler)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def test_the_script_is_named_as_the_hints_name_it(script):
    assert script.name == commands.SCRIPT


@pytest.mark.parametrize(
    ("path", "command", "typed"),
    [
        ("/usr/bin/saliency-bench", "", "saliency-bench"),
        ("/usr/bin/saliency-bench", "report", "saliency-bench report"),
        (r"saliency-bench.exe", "list", "saliency-bench list"),
        ("/lib/saliency_bench/__main__.py", "", "python -m saliency_bench"),
        ("/lib/saliency_bench/__main__.py", "report", "python -m saliency_bench report"),
        ("/lib/saliency_bench/report/__main__.py", "report", "python -m saliency_bench.report"),
        ("/lib/saliency_bench/explain/__main__.py", "", "python -m saliency_bench"),
        ("study.py", "", "python -m saliency_bench"),
    ],
)
def test_a_program_is_called_as_its_process_was(monkeypatch, path, command, typed):
    monkeypatch.setattr(sys, "argv", [path, "seed=3"])
    assert commands.program(command) == typed


def test_hints_and_provenance_name_the_script(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/saliency-bench", "seed=3", "model.path=a b.keras"])
    assert job.command_of_this_process() == "saliency-bench seed=3 'model.path=a b.keras'"
    assert provenance.command() == "saliency-bench seed=3 'model.path=a b.keras'"


def test_the_version_is_ours(called):
    status, out, err = called("--version")
    assert (status, err) == (0, "")
    assert out.startswith(f"saliency_bench {version('saliency-bench')} (keras {version('keras')}")
    assert out.count("\n") == 1
    assert called("run", "--version") == (0, out, "")


@pytest.mark.parametrize("name", HELP)
def test_each_command_has_a_help_that_names_it(called, name):
    status, out, err = called(name, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: python -m saliency_bench {name} ")
    assert HELP[name] in out


def test_the_help_of_a_run_names_every_command(called):
    status, out, _ = called("--help")
    assert status == 0
    lines = [line.split() for line in out.partition("Commands\n")[2].splitlines()]
    assert {line[0] for line in lines[:6]} == {door.RUN, *door.COMMANDS}
    assert "  python -m saliency_bench +experiment=param_randomization" in out
    script = called("run", "--help", program="/bin/saliency-bench")[1]
    assert "  saliency-bench +experiment=param_randomization" in script
    assert "python -m" not in script


@pytest.mark.parametrize("own", [(), ("--config-dir", "own")])
def test_the_help_is_what_hydra_would_compose(called, own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("explainer/mine", "fruit/pear", "fruit/apple"):
        path = tmp_path / "own" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# mine\n")
    status, out, err = called(*own, "--help", "seed=3")
    assert (status, err) == (0, "")
    assert ("fruit: apple, pear" in out) == bool(own)
    assert called(*own, "--help", "seed=3", "hydra.verbose=false") == (0, out, "")


def test_the_help_loads_neither_hydra_nor_more():
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "saliency_bench", "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = {line.rpartition("|")[2].strip() for line in shown.stderr.splitlines()}
    assert "omegaconf" in loaded
    assert not loaded & {"hydra", "rich", "pandas", "joblib", "tensorflow"}


@pytest.mark.parametrize("line", ["--config-dir nowhere", "--config-dir", "-x"])
def test_help_with_what_is_wrong_is_refused_in_a_line(called, line):
    status, out, err = called("--help", *line.split())
    assert (status, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("expalin --model x", "expalin is neither a command nor key=value; nearest: explain"),
        ("seed", "there are: run, explain, report, compare, properties, list"),
        ("run sed=3", "nearest: seed"),
        ("sed=3", "nearest: seed"),
        ("list explainer", "nearest: explainers"),
        ("report nowhere", "nowhere must hold a finished run"),
        ("compare nowhere", "required: RUN"),
        ("properties explainer=[nope]", "explainer has no option nope"),
        ("explain --model x.keras --image y.png --out z.txt", "--out must be a file"),
    ],
)
def test_what_is_wrong_is_one_line(called, line, rule):
    status, out, err = called(*line.split())
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("saliency_bench")
    assert rule in err


def test_run_may_be_named(called):
    by_name, without = called("run", "--cfg", "job", "seed=3"), called("--cfg", "job", "seed=3")
    assert by_name == without
    assert without[0] == 0
    assert "seed: 3" in without[1]


MINE = ("+explainer.mine._target_=hydra.utils.get_method", "+explainer.mine.path=mymodule.mine")


def test_the_script_finds_modules_of_the_working_directory(run, tmp_path):
    line = (*MINE, "dataset=npz", "dataset.path=none.npz")
    assert "mymodule" in run(*line).stderr
    (tmp_path / "mymodule.py").write_text("def mine(model, images, targets):\n    return images\n")
    done = run(*line)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such file: none.npz" in done.stderr
    assert "mymodule" in run(*line, PYTHONSAFEPATH="1").stderr


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("", ["run", "list", "explain", "experiment=", "seed="]),
        ("rep", ["report"]),
        ("list ", ["explainers", "experiments"]),
        ("list me", ["metrics"]),
        ("+experiment=param", ["+experiment=param_randomization"]),
        ("run +experiment=param", ["+experiment=param_randomization"]),
        ("run seed=3 explainer=grad_cam_", ["explainer=grad_cam_plus_plus"]),
    ],
)
def test_a_shell_is_told_how_a_line_goes_on(called, monkeypatch, line, some):
    monkeypatch.setenv("COMP_LINE", f"saliency-bench {line}")
    status, out, err = called("--shell-completion", "query=bash", program="/bin/saliency-bench")
    assert (status, err) == (0, "")
    assert set(some) <= set(out.split())
    begun = line.rpartition(" ")[2]
    assert all(word.startswith(begun) for word in out.split())


def test_files_alone_complete_the_other_commands(called, monkeypatch):
    monkeypatch.setenv("COMP_LINE", "saliency-bench report r")
    assert called("-sc", "query=bash", program="/bin/saliency-bench") == (0, "", "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_the_script(script, tmp_path):
    code = (
        'eval "$(saliency-bench --shell-completion install=bash)"; complete -p saliency-bench\n'
        "COMP_LINE='saliency-bench +experiment=param'; COMP_POINT=32; COMP_CWORD=1\n"
        'hydra_bash_completion; echo "${COMPREPLY[@]}"'
    )
    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", code],
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "complete -o default -o nospace -F hydra_bash_completion saliency-bench",
        "+experiment=param_randomization",
    ]


WAITING = """
import os, pathlib, time

def build():
    import keras
    pathlib.Path(f"built-{os.getpid()}").touch()
    layers = keras.layers
    flat = [keras.Input((28, 28, 1)), layers.Flatten()]
    return keras.Sequential([*flat, layers.Dense(8, "relu"), layers.Dense(10)])

def mine(model, images, targets):
    end = time.monotonic() + 90
    while len(list(pathlib.Path().glob("built-*"))) < int(os.environ["PROCESSES"]):
        assert time.monotonic() < end
        time.sleep(0.1)
    return images
"""
"""A network, and an explainer that waits until so many processes have built it."""


@pytest.mark.slow
@pytest.mark.parametrize(("more", "processes"), [(["workers=2"], 2), (["-m", "seed=0,1"], 1)])
def test_further_processes_of_the_script_find_the_same_modules(run, tmp_path, more, processes):
    (tmp_path / "mymodule.py").write_text(WAITING)
    flags = [word for word in more if word.startswith("-")]
    line = (
        "model=function model._target_=mymodule.build target=predicted n_images=8 draws=3 "
        "explainer=[gradient] similarity=[spearman_signed,spearman_abs] run_dir=run"
    )
    words = [*flags, *line.split(), *MINE, *(word for word in more if word not in flags)]
    done = run(*words, PROCESSES=str(processes))
    assert "Traceback" not in done.stderr
    assert "report: " in done.stdout
    assert done.returncode in (0, 1), done.stderr  # a network that is not trained fails a guard
    assert len(list(tmp_path.glob("built-*"))) == processes
    for path in tmp_path.glob("run/**/provenance.json"):
        assert json.loads(path.read_text())["failed"] == {}
