"""The command line of a first look."""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from saliency_bench.explain.look import Found, Look, Subject
    from saliency_bench.protocols import Explainer, Preprocessing

FINISHED, REFUSED, INTERRUPTED = 0, 2, 130
"""Exit statuses."""

ARRAYS = ".npz"
"""Ending of a file of raw maps."""

NO_EVIDENCE = (
    "A picture is no evidence, however sensible it looks. Whether these maps depend on what the "
    "network learned says the sanity check: python -m saliency_bench "
    "+experiment=param_randomization model=saved model.path=..."
)


class _Parser(argparse.ArgumentParser):
    """One that refuses in a single line."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (--help shows all options)")


def main(arguments: Sequence[str]) -> int:
    """Explain pictures as a command line says; returns the exit status."""
    try:
        return _carried_out(_parser().parse_args(arguments))
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # whatever is wrong with the request
        from saliency_bench.cli import objects

        print(f"saliency_bench.explain: {objects.one_line(error)}", file=sys.stderr)
        return REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        "python -m saliency_bench.explain",
        description=f"A first look: the maps of a saved Keras model on pictures. {NO_EVIDENCE}",
        epilog="Pictures are brought to the model's input: the short side is resized, the centre "
        "cut out. Exit status: 0 written, 2 the request was wrong or an explainer failed.",
    )
    _add_inputs(parser)
    _add_looks(parser)
    return parser


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    def add(name: str, text: str, metavar: str, **how: Any) -> None:
        parser.add_argument(name, help=text, metavar=metavar, **how)

    add("--model", "saved by Keras 3; read in safe mode", "FILE.keras", required=True)
    add("--image", "JPEG or PNG", "FILE", required=True, nargs="+")
    add("--explainer", "as in explainer=[...]; default: those of a run", "NAME", nargs="+")
    add("--target", "class to explain; default: the predicted one", "CLASS", type=int)
    add("--mean", "of pixels in [0, 1]: one number or one per channel", "M", nargs="+", type=float)
    add("--std", "likewise; what is left is divided by it", "S", nargs="+", type=float)
    add("--preprocessing", "that of a family of keras.applications instead", "FAMILY")
    add(
        "--size", "height and width, for a model that takes any; default: the picture's", "PIXELS",
        nargs="+", type=int,
    )  # fmt: skip
    add(
        "--import", "imported first: registers the classes that the model needs", "MODULE",
        dest="modules", nargs="+", default=[],
    )  # fmt: skip


def _add_looks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="*.png, *.pdf, *.svg; or *.npz: the raw maps"
    )
    parser.add_argument(
        "--percentile", type=float, default=99.0, metavar="P",
        help="of |map|, where the colours end; default: %(default)g",
    )  # fmt: skip
    parser.add_argument("--overlay", action="store_true", help="lay the maps over their image")
    parser.add_argument(
        "--shared", action="store_true", help="one scale per explainer, for all images"
    )


def _carried_out(told: argparse.Namespace) -> int:
    """Look, and write what was seen; refuses whatever it can before TensorFlow starts."""
    out = _place(told.out)
    explainers = _explainers(told.explainer)
    look = _look(told)
    out.parent.mkdir(parents=True, exist_ok=True)
    from saliency_bench.cli import process

    process.start_tensorflow(threads=0, deterministic=False)
    for module in told.modules:
        importlib.import_module(module)
    from saliency_bench.explain.look import explained, seen

    subject = seen(look, tell=_tell)
    found = explained(subject, explainers, tell=_tell)
    if not found.maps:
        reasons = "; ".join(f"{name} {reason}" for name, reason in found.columns.items())
        raise ValueError(f"an explainer must apply to the model; {reasons}")
    _write(out, told, look, subject, found)
    _tell(f"written: {out}")
    _tell(NO_EVIDENCE)
    return REFUSED if found.failed else FINISHED


def _place(out: str) -> Path:
    from saliency_bench import plot

    place = Path(out)
    if place.suffix.lower() not in (*plot.KINDS, ARRAYS) or place.is_dir():
        raise ValueError(f"--out must be a file {', '.join(plot.KINDS)} or {ARRAYS}; got {out}")
    return place


def _explainers(names: Sequence[str] | None) -> dict[str, Explainer]:
    """Those of conf/explainer with the settings that stand there."""
    from saliency_bench.cli import objects
    from saliency_bench.cli.request import compose

    known = sorted(path.stem for path in Path(objects.config_dir(), "explainer").glob("*.yaml"))
    for name in names or ():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=4) or known
            raise ValueError(f"--explainer must be one of {', '.join(near)}; got {name}")
    chosen = () if names is None else (f"explainer=[{','.join(dict.fromkeys(names))}]",)
    return objects.build_group(compose(*chosen), "explainer")


def _look(told: argparse.Namespace) -> Look:
    from saliency_bench.datasets.content import require_file
    from saliency_bench.explain.look import Look
    from saliency_bench.explain.photos import opened
    from saliency_bench.plot.scales import check_percentile

    check_percentile(told.percentile)
    if told.size is not None and (len(told.size) > 2 or min(told.size) < 1):
        raise ValueError(f"--size must be a height and a width of at least 1; got {told.size}")
    photos = [opened(path) for path in told.image]
    return Look(require_file(told.model), photos, _units(told), told.size, told.target)


def _units(told: argparse.Namespace) -> Preprocessing:
    from saliency_bench.datasets.arrays import preprocessing
    from saliency_bench.models.application import FAMILIES

    if told.preprocessing is None:
        return preprocessing(told.mean or 0.0, told.std or 1.0)
    if told.mean or told.std:
        raise ValueError("--preprocessing must stand without --mean and --std; got both")
    if told.preprocessing not in FAMILIES:
        raise ValueError(
            f"--preprocessing must be one of {', '.join(FAMILIES)}; got {told.preprocessing}"
        )
    return FAMILIES[told.preprocessing]


def _write(out: Path, told: argparse.Namespace, look: Look, subject: Subject, found: Found) -> None:
    import numpy as np

    from saliency_bench import plot
    from saliency_bench.storage.store import atomic

    if out.suffix.lower() == ARRAYS:
        arrays: dict[str, Any] = {"pixels": subject.pixels, "targets": subject.targets}
        arrays |= {"logits": subject.logits, **found.maps}
        with atomic(out) as file:
            np.savez(file, **arrays)
        return
    classes = zip(look.photos, subject.targets, strict=True)
    titles = [f"{photo.name}\nclass {target}" for photo, target in classes]
    figure = plot.grid(
        subject.pixels, found.columns, titles=titles,
        percentile=told.percentile, opacity=plot.OPACITY if told.overlay else 0.0,
        shared=told.shared,
    )  # fmt: skip
    plot.save(figure, out)


def _tell(line: str) -> None:
    print(line, flush=True)
