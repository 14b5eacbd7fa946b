"""The papers behind explainers, similarities, metrics and checks.

`papers.bib` beside this file holds them, an entry a paper and a field a line. A class names its own
by their keys in the attribute `papers`; it is empty for what is ours or in any textbook.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

_ENTRY = re.compile(r"^@\w+\{(\w+),\n(.*?)^\}", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"^  (\w+) = \{(.*)\},$", re.MULTILINE)
_ACCENT = re.compile(r"\{\\([\"'`])(\w)\}")
_MARKS = {'"': "\u0308", "'": "\u0301", "`": "\u0300"}


@dataclass(frozen=True)
class Paper:
    """A publication.

    Attributes:
        key: first author and year.
        fields: of BibTeX, as they stand.
        bibtex: the whole entry.
    """

    key: str
    fields: Mapping[str, str]
    bibtex: str

    @property
    def short(self) -> str:
        """As a text cites it: "Selvaraju et al., 2017"."""
        first, *others = (name.partition(",")[0] for name in self._names())
        more = {0: "", 1: f" and {' '.join(others)}"}.get(len(others), " et al.")
        return f"{first}{more}, {self.fields['year']}"

    @property
    def title(self) -> str:
        """The title in plain letters."""
        return _plain(self.fields["title"])

    def _names(self) -> list[str]:
        return _plain(self.fields["author"]).split(" and ")


@cache
def papers() -> Mapping[str, Paper]:
    """All papers, by key."""
    text = Path(__file__).with_suffix(".bib").read_text(encoding="utf-8")
    return {
        entry[1]: Paper(entry[1], dict(_FIELD.findall(entry[2])), entry[0])
        for entry in _ENTRY.finditer(text)
    }


def keys_of(thing: Any) -> tuple[str, ...]:
    """Keys of the papers behind a thing: its own, then those of what it is set up with.

    So a wrapper has its base's too. Empty for code that names none.
    """
    settings = fields(thing) if is_dataclass(thing) else ()
    parts = (keys_of(getattr(thing, f.name)) for f in settings)
    return tuple(dict.fromkeys([*own_keys(thing), *(key for part in parts for key in part)]))


def own_keys(thing: Any) -> tuple[str, ...]:
    """Keys of the papers of a thing itself; empty for code that names none."""
    own = getattr(thing, "papers", ())
    return own if isinstance(own, tuple) else ()  # code that is not ours may mean something else


def bibliography(users: Mapping[str, Iterable[str]]) -> str:
    """BibTeX of papers, each below a line that says who used it.

    Args:
        users: keys of papers by name of what used them; keys that nobody knows are left out.
    """
    known = papers()
    used = sorted({key for keys in users.values() for key in keys} & known.keys())
    entries = []
    for key in used:
        names = ", ".join(name for name, keys in users.items() if key in keys)
        entries.append(f"% {names}\n{known[key].bibtex}\n")
    return "\n".join(entries)


def _plain(text: str) -> str:
    """A value without the braces and accents of LaTeX."""
    letters = _ACCENT.sub(lambda found: found[2] + _MARKS[found[1]], text)
    return unicodedata.normalize("NFC", re.sub(r"[{}]", "", letters))
