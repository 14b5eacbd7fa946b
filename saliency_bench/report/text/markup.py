"""What Markdown is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def escape(text: str) -> str:
    """`text` on one line, every character Markdown or HTML would act on made harmless."""
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*|\[#~$])", r"\\\1", line)
    # An underscore inside a word means nothing; escaped there it would only spoil the source.
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of escaped cells; empty without rows."""
    lines = [" | ".join(map(escape, row)) for row in rows]
    if not lines:
        return ""
    head = [" | ".join(map(escape, headers)), " | ".join("---" for _ in headers)]
    return "\n".join(f"| {line} |" for line in head + lines)
