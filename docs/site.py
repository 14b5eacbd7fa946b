"""Write the site of all pages, with search and the reference of public names, to site/.

MkDocs reads one folder, and pages link to each other over several: `docs/`, `experiments/` and
`results/reference/` keep their places in `build/site`, so every link works there as it does here.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "build" / "site"
CONFIG = ROOT / "docs" / "mkdocs.yml"
FOLDERS = ("docs", "experiments", "results/reference")
SHOWN = {".md", ".png", ".svg", ".yaml", ".csv"}
"""Endings of what pages show or link to."""

PACKAGE = "saliency_bench"
NOTEBOOK = "docs/from-model-to-gate"
LONGEST = 40
"""Most lines of what a cell of the notebook printed."""


def main() -> int:
    """Gather the pages and build the site; the exit status is that of MkDocs."""
    gather()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", str(CONFIG)]
    advertising = {"NO_MKDOCS_2_WARNING": "1"}
    status = subprocess.run(command, cwd=ROOT, env=os.environ | advertising).returncode
    if status == 0:
        print("the site is in site/; with search: python -m http.server -d site 8000")
    return status


def gather() -> None:
    """Copy all pages, and write those of the notebook and of the public names."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    for path in [*ROOT.glob("*.md"), ROOT / "LICENSE", ROOT / "CITATION.cff", *_below()]:
        copy = SOURCE / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    notebook = json.loads((ROOT / f"{NOTEBOOK}.ipynb").read_text(encoding="utf-8"))
    (SOURCE / f"{NOTEBOOK}.md").write_text(as_page(notebook), encoding="utf-8")
    for name in public_modules():
        page = SOURCE / "reference" / f"{name}.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text(reference(name), encoding="utf-8")


def public_modules() -> list[str]:
    """The package, and the modules that it offers, `saliency_bench.explainers` and so on."""
    names = sorted(name for name, module in _offered(PACKAGE) if not module)
    return [PACKAGE, *(f"{PACKAGE}.{name}" for name in names)]


def reference(module: str) -> str:
    """The page of a module; where names resolve on first use, its stub says where they are."""
    if not _stub(module).exists():
        return f"# {module}\n\n::: {module}\n"
    short = "    options: {members: []}"
    places = [f"::: {module}.{place}.{name}" for name, place in _offered(module) if place]
    return "\n\n".join([f"# {module}", f"::: {module}\n{short}", *places]) + "\n"


def _offered(module: str) -> list[tuple[str, str]]:
    """Each name of a module's stub, and the module inside it that holds it."""
    tree = ast.parse(_stub(module).read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return [(alias.name, node.module or "") for node in imports for alias in node.names]


def _stub(module: str) -> Path:
    return ROOT / module.replace(".", "/") / "__init__.pyi"


def as_page(notebook: dict[str, Any]) -> str:
    """A notebook as Markdown: its texts, its code, and what the code printed."""
    parts = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(text)
            continue
        parts.append(f"```python\n{text}\n```")
        printed = "".join(map(_text, cell["outputs"])).rstrip().splitlines()
        if printed:
            parts.append("\n".join(["```text", *printed[:LONGEST], "```"]))
    return "\n\n".join(parts) + "\n"


def _text(output: dict[str, Any]) -> str:
    plain = output.get("text") or output.get("data", {}).get("text/plain", "")
    return "".join(plain) + "\n"


def _below() -> list[Path]:
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    return [path for path in found if path.suffix in SHOWN and path.name != CONFIG.name]


if __name__ == "__main__":
    sys.exit(main())
