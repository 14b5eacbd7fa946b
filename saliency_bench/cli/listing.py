"""`python -m saliency_bench list`: what conf/ names, a line each, without starting TensorFlow."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from saliency_bench.protocols import Exit, Output, command, known_names, printable
from saliency_bench.protocols.papers import own_keys, papers
from saliency_bench.study.vocabulary import config_dir, from_file

GROUPS = {
    "explainers": "explainer",
    "checks": "check",
    "metrics": "metric",
    "similarities": "similarity",
    "datasets": "dataset",
    "models": "model",
    "experiments": "experiment",
}
"""What can be listed, and the folder of conf/ that holds it."""

CITING = ("explainer", "check", "metric", "similarity")
"""Folders of things whose classes name their papers."""

_CITATION = re.compile(r" \([^()]*\b\d{4}\b[^()]*\)")
_END = re.compile(r"(?<!et al)[.;](?= (?!Needs)|$)")


@dataclass(frozen=True)
class _Defaults:
    """What files of conf/ may refer to."""

    draws: int = 5
    output: Output = "logit"


def main(arguments: Sequence[str]) -> int:
    """List what a command line asks for; return the exit status."""
    return command.run("saliency_bench.list", lambda: _parse(arguments), _list)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = command.Parser(
        command.program("list"),
        description="What there is, a line each: its name, what it is, its paper. A name is used "
        "as in explainer=[name,...], dataset=name or +experiment=name.",
        epilog="Exit status: 0 listed, 2 the request is wrong.",
    )
    parser.add_argument("what", nargs="?", metavar="WHAT", help=f"{', '.join(GROUPS)}")
    parser.add_argument(
        "--config-dir", metavar="FOLDER", help="list what this folder of your own adds, too"
    )
    options = parser.parse_args(arguments)
    if options.what is None:
        parser.error(f"WHAT must be one of {', '.join(GROUPS)}")
    if options.what not in GROUPS:
        raise ValueError(f"there is no list of {options.what}; {known_names(options.what, GROUPS)}")
    if options.config_dir is not None and not Path(options.config_dir).is_dir():
        raise ValueError(f"--config-dir must name a folder; got {options.config_dir!r}")
    return options


def _list(options: argparse.Namespace) -> int:
    folders = [Path(config_dir()), *map(Path, filter(None, [options.config_dir]))]
    group = GROUPS[options.what]
    paths = [path for folder in folders for path in sorted((folder / group).glob("*.yaml"))]
    command.print_any_letter()
    width = max(len(path.stem) for path in paths)
    for path in paths:
        print(printable(f"{path.stem:<{width}}  {_what(path)}".rstrip()))
    return Exit.FINISHED


def _what(path: Path) -> str:
    """What an option is, and its papers."""
    comment = " ".join(_opening(path.read_text(encoding="utf-8")))
    if path.parent.name == "experiment":
        claim, _, source = comment.removeprefix("Claim: ").partition(" Source: ")
        return _with_papers(_first_sentence(claim), _named_in(source.partition(" Expected: ")[0]))
    own = own_keys(from_file(path, _Defaults())) if path.parent.name in CITING else ()
    return _with_papers(_first_sentence(_CITATION.sub("", comment) if own else comment), own)


def _opening(text: str) -> Iterator[str]:
    """The comment that a file opens with, without Hydra's own."""
    for line in takewhile(lambda line: line.startswith("#"), text.splitlines()):
        if "@package" not in line:
            yield line.lstrip("# ")


def _first_sentence(comment: str) -> str:
    text = re.sub(r"^Control\. ", "Control: ", comment)
    return _END.split(text[:1].upper() + text[1:], maxsplit=1)[0]


def _named_in(source: str) -> list[str]:
    """Keys of the papers whose title stands in a text, not only within another one's."""
    titles = {key: paper.title.lower() for key, paper in papers().items()}
    named = {key: title for key, title in titles.items() if title in source.lower()}
    return [k for k, own in named.items() if not any(own in t != own for t in named.values())]


def _with_papers(what: str, keys: Iterable[str]) -> str:
    cited = "; ".join(papers()[key].short for key in keys if key in papers())
    return f"{what} ({cited})" if cited else what
