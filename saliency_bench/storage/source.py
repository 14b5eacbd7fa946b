"""Which of our own sources decide a number, and a hash of what they do.

Who edits a checkout must not find the scores of the old code beside those of the new. What is
decisive is told by folders and by imports, never by a list of files.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from saliency_bench.storage.fingerprint import DIGEST, OURS, code_content

PACKAGE = Path(__file__).parents[1]

AROUND = frozenset(
    {"inference", "results", "report", "plot", "compare", "callbacks", "explain", "cli"}
)
"""Folders that come before a study or after its scores: nothing there changes a score."""

TRAINING = "models.trainer"
"""The module that trains networks."""

LIBRARIES = ("saliency-bench", "tensorflow", "keras", "numpy", "scipy", "scikit-image")
"""Libraries whose version may change a score."""


def numerics() -> dict[str, Any]:
    """What is part of every cell's key besides the study itself."""
    return {"versions": {name: version(name) for name in LIBRARIES}, "source": of_cells()}


@cache
def of_cells(package: Path = PACKAGE) -> str:
    """Hash of all that may decide a score: the package without the folders `AROUND` it."""
    places = sorted(path.relative_to(package) for path in package.rglob("*.py"))
    return _hash(package, (place for place in places if place.parts[0] not in AROUND))


@cache
def of_training(package: Path = PACKAGE) -> str:
    """Hash of what training a network reaches."""
    return _hash(package, (_place(package, name) for name in sorted(reached([TRAINING], package))))


def reached(modules: Iterable[str], package: Path = PACKAGE) -> frozenset[str]:
    """Modules that these import, directly or not, wherever the import stands; they are among them.

    Args:
        modules: dotted names within the package.
        package: its folder.
    """
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _imported(name, package)
    return frozenset(found)


def _hash(package: Path, places: Iterable[Path]) -> str:
    total = hashlib.blake2b(digest_size=DIGEST)
    for place in places:
        # Compiled: comments are gone, and at this level docstrings are, too.
        code = compile((package / place).read_bytes(), "", "exec", dont_inherit=True, optimize=2)
        total.update(f"{place.as_posix()} {code_content(code)!r}\n".encode())
    return total.hexdigest()


def _place(package: Path, module: str) -> Path:
    """Where a module lies within the package, which must be there."""
    path = Path(*module.split("."))
    inside = path / "__init__.py"
    return inside if (package / inside).exists() else path.with_suffix(".py")


def _imported(module: str, package: Path) -> Iterator[str]:
    """Modules from which a module takes what it names; a package's face only hands names on."""
    place = _place(package, module)
    if place.name == "__init__.py":
        yield from _face(package / place.parent, module).values()
        return
    tree = ast.parse((package / place).read_bytes())
    for node in _executed(tree):
        if isinstance(node, ast.ImportFrom) and _ours(node.module):
            source = ".".join(_parts(node.module))
            for alias in node.names:
                yield from _taken(source, alias, tree, package)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if _ours(alias.name):
                    yield ".".join(_parts(alias.name))


def _taken(source: str, alias: ast.alias, tree: ast.Module, package: Path) -> Iterator[str]:
    """Modules behind one name that is imported from `source`."""
    inner = f"{source}.{alias.name}".lstrip(".")
    if _is_module(inner, package):
        folder = package / Path(*inner.split("."))
        face = _face(folder, inner) if folder.is_dir() else {}
        used = _attributes(tree, alias.asname or alias.name)
        # Of a package, those of its names that are used; of a module, all of it.
        yield from {face.get(n, f"{inner}.{n}") for n in used or face} if face else {inner}
    elif source and (package / Path(*source.split("."))).is_dir():
        yield _face(package / Path(*source.split(".")), source).get(alias.name, source)
    elif source:
        yield source


@cache
def _face(folder: Path, name: str) -> Mapping[str, str]:
    """The names that a package hands on, each with the module that defines it."""
    stub = folder / "__init__.pyi"
    tree = ast.parse((stub if stub.exists() else folder / "__init__.py").read_bytes())
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            inner = f"{name}.{module}" if node.level else ".".join(_parts(module))
            found |= {alias.asname or alias.name: inner.rstrip(".") for alias in node.names}
    return {known: module for known, module in found.items() if module.startswith(f"{name}.")}


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads."""
    for child in ast.iter_child_nodes(tree):
        checked = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not checked:
            yield child
            yield from _executed(child)


def _attributes(tree: ast.Module, name: str) -> set[str]:
    """Attributes that are asked of a name."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == name
    }


def _is_module(name: str, package: Path) -> bool:
    path = package / Path(*name.split("."))
    return (path / "__init__.py").exists() or path.with_suffix(".py").exists()


def _ours(module: str | None) -> bool:
    return (module or "").partition(".")[0] == OURS


def _parts(module: str | None) -> list[str]:
    return (module or "").split(".")[1:]
