"""Who may import whom, read from the sources; and that TensorFlow starts for the network only."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import saliency_bench

PACKAGE = Path(saliency_bench.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"tensorflow", "keras"}

SHARED = {
    "explainers": {"base", "masking"},
    "similarities": {"prepared", "reduce", "correlation"},
    "faithfulness": {"base"},
    "checks": {"base"},
}
"""What each group's members share; they must not know one another."""

ENGINE = [
    "behind", "claims", "engine", "identity", "longtable", "outcome", "scoring", "shelf", "steps",
    "store", "tables", "window",
]  # fmt: skip
ENGINE_KNOWS = {*ENGINE, "code", "protocols", "results"}


def imports(path: Path, *, anywhere: bool = True) -> Iterator[str]:
    """Dotted names of the modules that a source file imports, and of what it takes from them."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if anywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(path: Path) -> set[str]:
    """Dotted names within the package of what a source file imports of ours."""
    names = (name for name in imports(path) if name.startswith("saliency_bench."))
    return {name.removeprefix("saliency_bench.") for name in names}


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_protocols_import_nothing_of_ours():
    for path in (PACKAGE / "protocols").glob("*.py"):
        assert {name.split(".")[0] for name in ours(path)} <= {"protocols"}


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.parent.name in SHARED and p.stem != "__init__"], ids=name_of
)
def test_members_of_a_group_do_not_know_one_another(path):
    group = path.parent.name
    imported = {name.split(".")[1] for name in ours(path) if name.split(".")[0] == group}
    assert imported <= SHARED[group] | {path.stem}


@pytest.mark.parametrize("name", ENGINE)
def test_the_engine_knows_neither_checks_nor_models_nor_conclusions(name):
    assert {other.split(".")[0] for other in ours(PACKAGE / f"{name}.py")} <= ENGINE_KNOWS


@pytest.mark.parametrize("group", ["explainers", "similarities", "checks", "network", "inference"])
def test_nothing_below_calls_back_up(group):
    above = {"app", "study", "engine", "tables", "report", "request", "settings"}
    for path in (PACKAGE / group).rglob("*.py"):
        assert not {name.split(".")[0] for name in ours(path)} & above, path


@pytest.mark.parametrize(
    "path",
    [p for p in MODULES if not {"network", "callbacks"} & set(p.relative_to(PACKAGE).parts)],
    ids=name_of,
)
def test_tensorflow_is_named_on_top_in_the_network_and_the_callbacks_only(path):
    on_top = {name.split(".")[0] for name in imports(path, anywhere=False)}
    assert not on_top & HEAVY


def test_hydra_is_known_to_the_command_line_only():
    known = {path.stem for path in MODULES if {"hydra", "omegaconf"} & top_names(path)}
    assert known <= {"main", "load", "request", "objects", "multirun"}


def top_names(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def test_no_module_but_the_network_starts_tensorflow():
    """Not indirectly either; `tests/engine` says the same of a whole run."""
    parts = [p.relative_to(PACKAGE).with_suffix("").parts for p in MODULES]
    names = [
        ".".join(p) for p in parts if p[0] not in ("network", "callbacks") and p[-1] != "__main__"
    ]
    names = [name.removesuffix(".__init__") for name in names if name != "__init__"]
    program = f"""
import importlib, sys
for name in {names!r}:
    importlib.import_module("saliency_bench." + name)
print(sorted({HEAVY!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
