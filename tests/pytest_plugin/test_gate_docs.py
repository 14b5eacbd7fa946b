"""What docs/gate.md shows works as it stands."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from saliency_bench.cli.request import compose
from saliency_bench.compare.command import _parser

PAGE = (Path(__file__).parents[2] / "docs" / "gate.md").read_text(encoding="utf-8")


def fenced(language: str) -> str:
    (block,) = re.findall(rf"^```{language}[^\n]*\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return block


def commands() -> list[list[str]]:
    indented = [
        line.partition("  #")[0] for line in PAGE.splitlines() if line.startswith("    python")
    ]
    steps = yaml.safe_load(fenced("yaml"))["jobs"]["gate"]["steps"]
    told = [*indented, *(step["run"] for step in steps if "run" in step)]
    return [shlex.split(line) for line in told if line.strip().startswith("python -m")]


def test_the_tests(pytester):
    pytester.makepyfile(test_mine=fenced("python"))
    update = pytester.runpytest_inprocess("--saliency-update", "-p", "no:cacheprovider")
    update.assert_outcomes(passed=2)
    again = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    again.assert_outcomes(passed=2)
    names = {path.name for path in (pytester.path / "saliency_baselines" / "test_mine").iterdir()}
    assert names == {
        "test_it_depends_on_what_the_model_learned",
        "test_it_depends_as_much_as_it_used_to",
    }


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_a_command_is_understood(command):
    assert command[:2] == ["python", "-m"]
    if command[2] == "saliency_bench.compare":
        _parser().parse_args(command[3:])
    else:
        assert command[2] == "saliency_bench"
        compose(*command[3:])


def test_all_commands_were_found():
    assert len(commands()) == 5
