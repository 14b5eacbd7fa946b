"""The command line that explains pictures."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saliency_bench.protocols import Exit, command, known_names, printable

if TYPE_CHECKING:
    from saliency_bench.explain.look import Explanations, Look, Subject
    from saliency_bench.protocols import Explainer, Preprocessing

ARRAYS = ".npz"
"""Ending of a file of raw maps."""


def main(arguments: Sequence[str]) -> int:
    """Explain pictures as a command line asks; return the exit status."""
    return command.run(
        "saliency_bench.explain", lambda: _parser().parse_args(arguments), _run, _describe
    )


def _no_evidence() -> str:
    return (
        "A picture is no evidence, however sensible it looks. The sanity check tests whether these "
        f"maps depend on what the network learned: {command.program()} "
        "+experiment=param_randomization model=saved model.path=..."
    )


def _describe(error: BaseException) -> str:
    from saliency_bench.cli import objects

    return objects.one_line(error)


def _parser() -> command.Parser:
    parser = command.Parser(
        command.program("explain"),
        description=f"Draw the maps of a saved Keras model on pictures. {_no_evidence()}",
        epilog="Pictures are fitted to the model's input: the short side is resized, the centre is "
        "cropped. Exit status: 0 written, 2 the request is wrong or an explainer failed.",
    )
    _add_inputs(parser)
    _add_outputs(parser)
    return parser


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    def add(name: str, text: str, metavar: str, **how: Any) -> None:
        parser.add_argument(name, help=text, metavar=metavar, **how)

    add("--model", "a model saved by Keras 3; read in safe mode", "FILE.keras", required=True)
    add("--image", "JPEG, PNG or TIFF", "FILE", required=True, nargs="+")
    add("--explainer", "as in explainer=[...]; default: those of a run", "NAME", nargs="+")
    add("--target", "class to explain; default: the predicted one", "CLASS", type=int)
    add("--mean", "of pixels in [0, 1]: one number or one per channel", "M", nargs="+", type=float)
    add("--std", "divides pixels minus mean; as --mean", "S", nargs="+", type=float)
    add("--preprocessing", "of a keras.applications family, without --mean and --std", "FAMILY")
    add(
        "--size", "height and width, if the model does not fix them; default: the picture's",
        "PIXELS", nargs="+", type=int,
    )  # fmt: skip
    add(
        "--import", "is imported first, to register classes that the model needs", "MODULE",
        dest="modules", nargs="+", default=[],
    )  # fmt: skip


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="*.png, *.pdf, *.svg; or *.npz: the raw maps"
    )
    parser.add_argument(
        "--percentile", type=float, default=99.0, metavar="P",
        help="percentile of |map| at which the colours end; default: %(default)g",
    )  # fmt: skip
    parser.add_argument("--overlay", action="store_true", help="lay the maps over their image")
    parser.add_argument(
        "--shared", action="store_true", help="one colour scale per explainer, for all images"
    )


def _run(options: argparse.Namespace) -> int:
    """Explain and write; invalid options raise before TensorFlow starts."""
    out = _output_path(options.out)
    explainers = _explainers(options.explainer)
    look = _look(options)
    out.parent.mkdir(parents=True, exist_ok=True)
    from saliency_bench.cli import process

    process.start_tensorflow(threads=0, deterministic=False)
    for module in options.modules:
        importlib.import_module(module)
    from saliency_bench.explain.look import apply_explainers, prepare

    subject = prepare(look, tell=_tell)
    result = apply_explainers(subject, explainers, tell=_tell)
    if not result.maps:
        reasons = "; ".join(f"{name} {reason}" for name, reason in result.columns.items())
        raise ValueError(f"an explainer must apply to the model; {reasons}")
    _write(out, options, look, subject, result)
    _tell(f"written: {out}")
    _tell(_no_evidence())
    return Exit.REFUSED if result.failed else Exit.FINISHED


def _output_path(out: str) -> Path:
    from saliency_bench import plot

    path = Path(out)
    if path.suffix.lower() not in (*plot.KINDS, ARRAYS) or path.is_dir():
        raise ValueError(f"--out must be a file {', '.join(plot.KINDS)} or {ARRAYS}; got {out}")
    return path


def _explainers(names: Sequence[str] | None) -> dict[str, Explainer]:
    """The named explainers of conf/explainer, with their settings; default: those of a run."""
    from saliency_bench.cli import objects
    from saliency_bench.cli.request import compose

    known = sorted(path.stem for path in Path(objects.config_dir(), "explainer").glob("*.yaml"))
    for name in names or ():
        if name not in known:
            raise ValueError(
                f"--explainer must be in conf/; got {name}; {known_names(name, known)}"
            )
    chosen = () if names is None else (f"explainer=[{','.join(dict.fromkeys(names))}]",)
    return objects.build_group(compose(*chosen), "explainer")


def _look(options: argparse.Namespace) -> Look:
    from saliency_bench.datasets.content import require_file
    from saliency_bench.datasets.pictures import open_picture
    from saliency_bench.explain.look import Look
    from saliency_bench.plot.scales import check_percentile

    check_percentile(options.percentile)
    if options.size is not None and (len(options.size) > 2 or min(options.size) < 1):
        raise ValueError(f"--size must be a height and a width of at least 1; got {options.size}")
    photos = [open_picture(path) for path in options.image]
    return Look(require_file(options.model), photos, _units(options), options.size, options.target)


def _units(options: argparse.Namespace) -> Preprocessing | None:
    from saliency_bench.datasets.arrays import preprocessing
    from saliency_bench.models.application import FAMILIES

    if options.preprocessing is options.mean is options.std is None:
        return None
    if options.preprocessing is None:
        return preprocessing(options.mean or 0.0, options.std or 1.0)
    if options.mean or options.std:
        raise ValueError("--preprocessing must be used without --mean and --std; got both")
    if options.preprocessing not in FAMILIES:
        raise ValueError(
            f"--preprocessing must be one of {', '.join(FAMILIES)}; got {options.preprocessing}"
        )
    return FAMILIES[options.preprocessing]


def _write(
    out: Path,
    options: argparse.Namespace,
    look: Look,
    subject: Subject,
    result: Explanations,
) -> None:
    import numpy as np

    from saliency_bench import plot
    from saliency_bench.storage.store import atomic

    if out.suffix.lower() == ARRAYS:
        arrays: dict[str, Any] = {"pixels": subject.pixels, "targets": subject.targets}
        arrays |= {"logits": subject.logits, **result.maps}
        with atomic(out) as file:
            np.savez(file, **arrays)
        return
    classes = zip(look.photos, subject.targets, strict=True)
    titles = [f"{printable(photo.name)}\nclass {target}" for photo, target in classes]
    figure = plot.grid(
        subject.pixels, result.columns, titles=titles,
        percentile=options.percentile, opacity=plot.OPACITY if options.overlay else 0.0,
        shared=options.shared,
    )  # fmt: skip
    plot.save(figure, out)


def _tell(line: str) -> None:
    print(printable(line), flush=True)
