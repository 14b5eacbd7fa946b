"""The table of docs/networks.md: what runs on which family of networks."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"
RUNS = "yes"


def rendered(reasons: Mapping[str, Mapping[str, str]]) -> str:
    """The table and the reasons below it.

    Args:
        reasons: by explainer and family, why it does not run; empty if it does.
    """
    every = [reason for row in reasons.values() for reason in row.values() if reason]
    letters = dict(zip(dict.fromkeys(every), string.ascii_lowercase, strict=False))
    heads = ["explainer", *next(iter(reasons.values()))]
    lines = [heads, ["---"] * len(heads)]
    for name, row in reasons.items():
        lines.append([f"`{name}`", *(letters.get(reason, RUNS) for reason in row.values())])
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    notes = "\n".join(f"* **{letter}**: {reason}." for reason, letter in letters.items())
    return f"{table}\n\n{notes}"


def without_layer(reason: str) -> str:
    """A refusal without the name of the layer, which differs between networks."""
    return re.sub(r" \(layer '[^']*'\)$", "", reason)


def documented() -> dict[str, dict[str, str]]:
    """What the page says, by explainer and family: nothing if it runs, else the reason."""
    _, behind = PAGE.read_text(encoding="utf-8").split("<!-- zoo -->")
    page, _ = behind.split("<!-- end of zoo -->")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| ")
    ]
    notes = {RUNS: "", **dict(re.findall(r"^\* \*\*(\w)\*\*: (.*)\.$", page, re.MULTILINE))}
    if not rows:
        return {}
    heads, _, *body = rows
    return {
        row[0].strip("`"): dict(zip(heads[1:], (notes[mark] for mark in row[1:]), strict=True))
        for row in body
    }
