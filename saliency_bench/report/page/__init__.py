"""The report as one HTML file that needs neither the internet nor another file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files

import jinja2
from markupsafe import Markup, escape

from saliency_bench.protocols import SCHEMA_VERSION, printable
from saliency_bench.report.board import Part
from saliency_bench.report.page.content import Content
from saliency_bench.results import Results

LOOK = "style.css"


def html(results: Results) -> str:
    """The page. Names from users are escaped, and only the page's own script may run."""
    script = _part("script.js")
    policy = f"{_policy()}; script-src '{_hash(script)}'"
    return template("page.html.jinja").render(
        content=Content(results), policy=policy, script=script, look=_part(LOOK)
    )


def board(parts: Sequence[Part], reports: Mapping[str, str]) -> str:
    """The page of several networks, without a script.

    Args:
        parts: of the board; the title of the first one is that of the page.
        reports: the address of each study's own report, by its name.
    """
    return template("board.html.jinja").render(
        title=parts[0].title,
        parts=parts,
        reports=list(reports.items()),
        policy=_policy(),
        look=_part(LOOK),
        schema=SCHEMA_VERSION,
    )


def _policy() -> str:
    return f"default-src 'none'; img-src data:; style-src '{_hash(_part(LOOK))}'"


def template(name: str) -> jinja2.Template:
    """A template of this folder; it escapes what it shows."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("saliency_bench.report", "page"),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment.get_template(name)


def _shown(value: object) -> object:
    """A value as the page shows it; only text that is markup already holds line breaks."""
    return printable(value) if type(value) is str else value


def _breakable(name: str) -> Markup:
    """A name that may go on in another line after an underscore."""
    return escape(printable(name)).replace("_", Markup("_<wbr>"))


def _part(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
