"""Hashes of this package's own sources that decide numbers.

After an edit of the code, scores of the old code must not mix with scores of the new code.
Folders and imports determine which sources count; there is no list of files to maintain.
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
    {"inference", "results", "report", "plot", "compare", "callbacks", "explain", "cli", "tracking"}
)
"""Folders that work before a study or after its scores, so cannot change a score."""

TRAINING = "models.trainer"
"""The module that trains networks."""

LIBRARIES = ("saliency-bench", "tensorflow", "keras", "numpy", "scipy", "scikit-image")
"""Libraries whose version may change a score."""


def numerics() -> dict[str, Any]:
    """The part of every cell's key besides the study: versions, and a hash of the sources."""
    return {"versions": {name: version(name) for name in LIBRARIES}, "source": of_cells()}


@cache
def of_cells(package: Path = PACKAGE) -> str:
    """Hash of all sources that may decide a score: the package without the folders `AROUND`."""
    places = sorted(path.relative_to(package) for path in package.rglob("*.py"))
    return _hash(package, (place for place in places if place.parts[0] not in AROUND))


@cache
def of_training(package: Path = PACKAGE) -> str:
    """Hash of the sources that decide a training: the trainer and the modules it imports."""
    return _hash(
        package, (_place(package, name) for name in sorted(reachable([TRAINING], package)))
    )


def reachable(modules: Iterable[str], package: Path = PACKAGE) -> frozenset[str]:
    """The given modules and all that they import, directly or not, at any place of the code.

    Args:
        modules: dotted names within the package.
        package: its folder.
    """
    known: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in known:
            known.add(name)
            waiting += _imports(name, package)
    return frozenset(known)


def _hash(package: Path, places: Iterable[Path]) -> str:
    total = hashlib.blake2b(digest_size=DIGEST)
    for place in places:
        # Compiled at this level, code has neither comments nor docstrings.
        code = compile((package / place).read_bytes(), "", "exec", dont_inherit=True, optimize=2)
        total.update(f"{place.as_posix()} {code_content(code)!r}\n".encode())
    return total.hexdigest()


def _place(package: Path, module: str) -> Path:
    """Path of an existing module within the package."""
    path = Path(*module.split("."))
    inside = path / "__init__.py"
    return inside if (package / inside).exists() else path.with_suffix(".py")


def _imports(module: str, package: Path) -> Iterator[str]:
    """Modules that a module imports; for a package, the modules that define its names."""
    place = _place(package, module)
    if place.name == "__init__.py":
        yield from _exports(package / place.parent, module).values()
        return
    tree = ast.parse((package / place).read_bytes())
    for node in _runtime_nodes(tree):
        if isinstance(node, ast.ImportFrom) and _ours(node.module):
            source = ".".join(_parts(node.module))
            for alias in node.names:
                yield from _defining_modules(source, alias, tree, package)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if _ours(alias.name):
                    yield ".".join(_parts(alias.name))


def _defining_modules(
    source: str, alias: ast.alias, tree: ast.Module, package: Path
) -> Iterator[str]:
    """Modules that define one name imported from `source`.

    Args:
        source: dotted name of a module of the package; empty: the package.
        alias: the imported name.
        tree: the importing module.
        package: the package's folder.
    """
    inner = f"{source}.{alias.name}".lstrip(".")
    if _is_module(inner, package):
        folder = package / Path(*inner.split("."))
        exports = _exports(folder, inner) if folder.is_dir() else {}
        used = _attributes(tree, alias.asname or alias.name)
        # Of a package only the used names count; a module counts as a whole.
        names = used or exports
        yield from {exports.get(n, f"{inner}.{n}") for n in names} if exports else {inner}
    elif source and (package / Path(*source.split("."))).is_dir():
        yield _exports(package / Path(*source.split(".")), source).get(alias.name, source)
    elif source:
        yield source


@cache
def _exports(folder: Path, name: str) -> Mapping[str, str]:
    """The names that a package exports, each with the module that defines it."""
    stub = folder / "__init__.pyi"
    tree = ast.parse((stub if stub.exists() else folder / "__init__.py").read_bytes())
    exports: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            inner = f"{name}.{module}" if node.level else ".".join(_parts(module))
            exports |= {alias.asname or alias.name: inner.rstrip(".") for alias in node.names}
    return {known: module for known, module in exports.items() if module.startswith(f"{name}.")}


def _runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes except those under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(tree):
        types_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not types_only:
            yield child
            yield from _runtime_nodes(child)


def _attributes(tree: ast.Module, name: str) -> set[str]:
    """Attributes of a name that the code uses."""
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
