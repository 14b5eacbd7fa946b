"""The report as one HTML file that needs neither the internet nor another file."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

import jinja2
from markupsafe import Markup, escape

from saliency_bench.protocols import printable
from saliency_bench.report.page.content import Content
from saliency_bench.results import Results


def html(results: Results) -> str:
    """The page. Names from users are escaped, and only the page's own script may run."""
    script, look = (_part(name) for name in ("script.js", "style.css"))
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(look)}'; "
    return template("page.html.jinja").render(
        content=Content(results),
        policy=f"{policy}script-src '{_hash(script)}'",
        script=script,
        look=look,
    )


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
