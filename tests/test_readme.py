"""What the README shows works as it stands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra.utils import instantiate

from saliency_bench.properties import command as properties

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_python_example(tmp_path, monkeypatch, without_figures):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "readme"}
    exec(compile(fenced("python")[0], "README.md", "exec"), names)
    results = names["results"]
    verdicts = results.verdicts.set_index("explainer")["verdict"]
    assert results.valid
    assert verdicts["gradient"] == "pass"
    assert verdicts["mine"] == "fail"
    assert Path("results/mine/report.md").exists()
    exec(compile(fenced("python")[1], "README.md", "exec"), names)
    assert names["results"].scores.equals(results.scores)


@pytest.fixture
def own_explainer(tmp_path, monkeypatch):
    """A working directory with the explainer that the README adds."""
    (tmp_path / "my_maps.py").write_text(fenced("python")[2])
    path = tmp_path / "my_conf" / "explainer" / "brightness.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(fenced("yaml")[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return path


def test_own_explainer_is_the_function(own_explainer):
    (node,) = yaml.safe_load(own_explainer.read_text()).values()
    images = -np.ones((2, 3, 3, 1))
    assert np.array_equal(instantiate(node)(None, images, [0, 1]), abs(images))


def test_own_explainer_is_found_by_the_command(own_explainer):
    python, *arguments = shlex.split(fenced("sh")[0])
    done = subprocess.run(
        [sys.executable, *arguments, "--cfg", "job"], capture_output=True, text=True, check=True
    )
    assert python == "python"
    assert set(yaml.safe_load(done.stdout)["explainer"]) >= {"gradient", "brightness"}


def test_own_explainer_is_found_by_the_property_tests(own_explainer, in_this_process, capsys):
    python, *arguments = shlex.split(fenced("sh")[1])
    assert [python, *arguments[:2]] == ["python", "-m", "saliency_bench.properties"]
    assert properties.main(arguments[2:]) == 1
    shown = capsys.readouterr().out
    broken = [line.split()[0] for line in shown.splitlines() if " broken " in line]
    assert broken == ["class_specific", "weights"]


@pytest.mark.parametrize("group", ["explainer", "similarity", "dataset", "model"])
def test_tables_name_what_there_is(group):
    heads = {"explainer": ("explainer", "control")}.get(group, (group,))
    rows = [row for head in heads for row in table(head)]
    options = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])} == options


def table(head: str) -> list[str]:
    """The rows of the table whose first column is `head`."""
    found = re.search(rf"^\| {head} \|.*\n\|[- |]+\n((?:\|.*\n)+)", README, re.MULTILINE)
    return found[1].splitlines()
