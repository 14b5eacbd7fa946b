"""Markdown tables and escaped text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from saliency_bench.protocols import printable


def escape(text: str) -> str:
    """`text` on one line, with the special characters of Markdown and HTML escaped."""
    line = printable(" ".join(text.split()))
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*|\[#~$])", r"\\\1", line)
    # An underscore inside a word has no effect, so the source stays readable without an escape.
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table with escaped cells; empty without rows."""
    lines = [" | ".join(map(escape, row)) for row in rows]
    if not lines:
        return ""
    head = [" | ".join(map(escape, headers)), " | ".join("---" for _ in headers)]
    return "\n".join(f"| {line} |" for line in head + lines)
