"""Pages of the documentation: their blocks of code, and the commands that they tell.

A fenced block with a `title` is the content of that file. Other Python is run as it stands, in the
order of the page. Indented lines are commands, Python, or what a program prints.
"""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
PROGRAMS = ("python", "saliency-bench", "make", "pip", "pytest", "export", "eval", ".ci/run")
"""First words of the commands that pages tell."""

_FENCE = re.compile(r"^```(\w+)?(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^|\n\n)((?:    .*\n|\n(?=    ))+)")
_OVERRIDE = re.compile(r"[+\w./@]+=\S")
_COMMENT = re.compile(r"\s{2,}# .*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of a page.

    Attributes:
        kind: `python`, `yaml`, `sh`, ...; of indented lines `command`, `override` (of a run),
            `code` or `output`.
        title: path of the file whose content it is; empty if none.
        text: its lines, without indentation.
        line: of the page, from 1.
    """

    kind: str
    title: str
    text: str
    line: int


def named(path: Path) -> str:
    """A page's path from the root of the repository."""
    return path.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in its order."""
    text = page.read_text(encoding="utf-8")
    fenced = [
        Block(found[1] or "", found[2] or "", found[3], _line(text, found.start()))
        for found in _FENCE.finditer(text)
    ]
    rest = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    indented = [
        Block(_kind(lines), "", lines, _line(rest, found.start(1)))
        for found in _INDENTED.finditer(rest)
        if (lines := textwrap.dedent(found[1]).strip("\n") + "\n").strip()
    ]
    return sorted([*fenced, *indented], key=lambda block: block.line)


def commands(page: Path) -> list[list[str]]:
    """The words of every command of a page, those of workflows included."""
    found = []
    for block in blocks(page):
        if block.kind in ("command", "sh", "bash"):
            found += words(block.text)
        elif block.kind == "override":
            found += [["python", "-m", "saliency_bench", *line] for line in words(block.text)]
        elif block.kind == "yaml":
            found += [line for step in _steps(block.text) for line in words(step)]
    return found


def words(text: str) -> list[list[str]]:
    """Each command of a script as its words; a backslash continues a line, `  # ` comments."""
    lines = _COMMENT.sub("", text).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def arguments(command: list[str]) -> tuple[str, list[str]] | None:
    """Which of our programs a command starts (`run` by default), and its arguments."""
    if command[:2] == ["python", "-m"] and command[2].partition(".")[0] == "saliency_bench":
        name, rest = command[2].partition(".")[2], command[3:]
    elif command[0] == "saliency-bench":
        name, rest = "", command[1:]
    else:
        return None
    if not name and rest and rest[0].isidentifier():
        return rest[0], rest[1:]
    return name or "run", rest


def write_files(page: Path, folder: Path) -> list[Path]:
    """Write the files that a page shows into a folder."""
    paths = []
    for block in blocks(page):
        if block.title:
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            paths.append(path)
    return paths


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _kind(text: str) -> str:
    first = text.split(maxsplit=1)[0]
    if first in PROGRAMS:
        return "command"
    if _OVERRIDE.match(text):
        return "override"
    try:
        ast.parse(text)
    except SyntaxError:
        return "output"
    return "code"


def _steps(text: str) -> list[str]:
    content = yaml.safe_load(text)
    jobs = content.get("jobs", {}) if isinstance(content, dict) else {}
    return [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
