"""What `make test` leaves to `make test-thorough` exists, and is chosen by what it takes."""

import ast
from pathlib import Path

from helpers.thorough import THOROUGH, dearest, function_of

ROOT = Path(__file__).parents[1]


def test_every_name_is_that_of_a_test_and_stands_there_once():
    names = THOROUGH.read_text().split()
    assert names == sorted(set(names))
    for file in {name.partition("::")[0] for name in names}:
        tree = ast.parse((ROOT / file).read_text())
        tests = {f"{file}::{node.name}" for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert {name for name in names if name.startswith(f"{file}::")} <= tests


def test_the_fewest_functions_are_left_out_that_leave_the_rest_its_time():
    took = {"a": 1.0, "b": 8.0, "c": 3.0, "d": 4.0}
    assert dearest(took, 16) == []
    assert dearest(took, 15) == ["b"]
    assert dearest(took, 4) == ["b", "d"]
    assert dearest(took, 0) == ["a", "b", "c", "d"]


def test_all_cases_of_a_function_go_together():
    assert function_of("tests/a.py::test_b[c::d[0]]") == "tests/a.py::test_b"
