"""Who may import whom, by folder and read from the sources; and where TensorFlow starts."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import saliency_bench

PACKAGE = Path(saliency_bench.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"tensorflow", "keras"}

METHODS = {"network", "protocols", "randomize", "storage"}
"""What a method that looks at a model may know."""

KNOWS = {
    "protocols": set(),
    "storage": {"protocols"},
    "similarities": {"protocols"},
    "network": {"protocols", "storage"},
    "randomize": {"network", "protocols"},
    "outputs": {"network", "protocols", "randomize"},
    "explainers": METHODS,
    "metrics": METHODS,
    "adapters": METHODS | {"explainers"},
    "checks": METHODS | {"datasets"},
    "datasets": {"protocols", "storage"},
    "models": METHODS | {"datasets"},
    "engine": {"protocols", "storage"},
    "inference": {"protocols", "storage"},
    "results": {"engine", "explainers", "inference", "protocols", "report", "storage"},
    "report": {"inference", "protocols", "results", "storage"},
    "study": METHODS
    | {"checks", "datasets", "engine", "explainers", "inference", "models", "results"}
    | {"similarities"},
    "compare": {"checks", "inference", "protocols", "report", "results", "storage", "study"},
    "plot": {"protocols", "report", "storage"},
    "callbacks": METHODS
    | {"engine", "explainers", "inference", "plot", "similarities", "study"},
    "tracking": {"protocols", "results"},
    "pytest_plugin": {"compare"},
    "cli": {
        "datasets", "engine", "inference", "models", "protocols", "report", "results", "storage",
        "study", "tracking",
    },
    "explain": METHODS | {"cli", "datasets", "models", "plot"},
    "properties": METHODS | {"cli", "explainers"},
    "__main__": {"cli", "protocols"},
}  # fmt: skip
"""What each folder, or module at the root, may import of ours besides itself."""

GROUPS = {
    "explainers": {"base", "masking", "handing_back"},
    "similarities": {"directions", "prepared", "reduce", "correlation"},
    "metrics": {
        "base",
        "imputers",
        "interpolation",
        "multigrid",
        "perturbed",
        "planes",
        "regions",
    },
    "checks": {"base", "bugs", "composed", "objects_on_scenes", "regions"},
}
"""What each group's members share; they must not know one another."""


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)):
            yield child
            yield from executed(child)


def imports(path: Path, *, anywhere: bool = True) -> Iterator[str]:
    """Dotted names of the modules that a source file imports, and of what it takes from them."""
    tree = ast.parse(path.read_text())
    for node in executed(tree) if anywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(path: Path, *, anywhere: bool = True) -> set[str]:
    """Dotted names within the package of what a source file imports of ours."""
    names = imports(path, anywhere=anywhere)
    return {n.removeprefix("saliency_bench.") for n in names if n.startswith("saliency_bench.")}


def home(path: Path) -> str:
    """The folder, or the module at the root, that a source file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_the_root_holds_six_modules_at_most():
    assert len(list(PACKAGE.glob("*.py"))) <= 6


def test_every_folder_says_what_it_knows():
    assert {home(path) for path in MODULES} - {"__init__"} == KNOWS.keys()


@pytest.mark.parametrize("folder", KNOWS)
def test_a_folder_imports_what_it_may_know_and_no_more(folder):
    for path in (p for p in MODULES if home(p) == folder):
        known = {name.split(".")[0] for name in ours(path)} - {folder}
        assert known <= KNOWS[folder], path


def test_nothing_below_calls_back_up():
    """What is imported when a module loads makes no circle of folders."""
    graph = {folder: set() for folder in KNOWS}
    for path in MODULES:
        if home(path) != "__init__":
            graph[home(path)] |= {n.split(".")[0] for n in ours(path, anywhere=False)}
    for folder in graph:
        graph[folder] -= {folder}
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.parent.name in GROUPS and p.stem != "__init__"], ids=name_of
)
def test_members_of_a_group_do_not_know_one_another(path):
    group = path.parent.name
    imported = {name.split(".")[1] for name in ours(path) if name.split(".")[0] == group}
    assert imported <= GROUPS[group] | {path.stem}


@pytest.mark.parametrize(
    "path",
    [p for p in MODULES if home(p) not in ("network", "callbacks")],
    ids=name_of,
)
def test_tensorflow_is_named_on_top_in_the_network_and_the_callbacks_only(path):
    on_top = {name.split(".")[0] for name in imports(path, anywhere=False)}
    assert not on_top & HEAVY


def test_hydra_is_known_to_the_command_line_only():
    """A study may read conf/, but does not compose: that takes seconds to start."""
    assert {home(path) for path in MODULES if "hydra" in top_names(path)} == {"cli"}
    assert {home(path) for path in MODULES if "omegaconf" in top_names(path)} == {"cli", "study"}


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
