"""Other libraries beside ours: the same networks and images, over the same limit.

Every library is called through its own public functions, as its documentation shows; what it keeps
between calls is made beforehand. Each module here has `ways()`: what it offers, by method.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import textwrap
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from benchmarks.networks import NETWORKS, data, evaluated, forward_limit, gradient_limit
from benchmarks.parts import Row
from benchmarks.peers.subject import BATCH, MASKS, SAMPLES, Subject
from benchmarks.timing import Ratio, alternate, ratio, timed
from saliency_bench import randomize

TITLE = "Others"
ABOUT = f"""Over the same limit as above: this package, and the libraries that install today, in an
environment of their own and through their own public functions. All images have one target, because
tf-explain takes one for all. Evaluations are gradients; for occlusion (patches side by side) and
RISE ({MASKS} masks) forward passes. SmoothGrad and integrated gradients have {SAMPLES} samples. The
cascade is one draw of all layers with the gradient, over (stages + 1) gradient batches. GradCAM's
unit is one full input gradient, so its floor is lower. Each cell is CPU / wall time, a `-`
what a library does not offer; what it offers and cannot do stands below, and how it was called."""
PACKAGES = (
    "tensorflow", "keras", "numpy", "xplique", "tf-explain", "saliency", "quantus", "saliency-bench"
)  # fmt: skip

LIBRARIES = {
    "ours": "ours",
    "Xplique": "by_xplique",
    "tf-explain": "by_tf_explain",
    "PAIR saliency": "by_saliency",
    "Quantus": "by_quantus",
}
"""Modules by the name of their library."""

LONG = 60
"""Seconds; what takes longer is run once."""


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        images: that are explained in one call.
        passes: evaluations for one image.
        gradient: whether the limit is a gradient; else a forward pass.
    """

    images: int
    passes: Callable[[Subject], int]
    gradient: bool = True


METHODS = {
    "gradient": Method(BATCH, lambda subject: 1),
    "integrated gradients": Method(16, lambda subject: SAMPLES),
    "SmoothGrad": Method(16, lambda subject: SAMPLES),
    "GradCAM": Method(BATCH, lambda subject: 1),
    "guided backprop": Method(BATCH, lambda subject: 1),
    "occlusion": Method(8, lambda subject: subject.grid**2, gradient=False),
    "RISE": Method(4, lambda subject: MASKS, gradient=False),
    "cascade": Method(16, lambda subject: 1 + len(randomize.blocks(subject.model))),
}


def rows(quick: bool) -> Iterator[Row]:
    """A row per network, method and library: ratios, or why there are none."""
    warnings.simplefilter("ignore")
    tf.get_logger().setLevel("ERROR")
    for network, build in NETWORKS.items():
        built = build()
        # Some libraries ask for `model.output`, which a Sequential does not always have.
        model = keras.Model(built.inputs[0], built.outputs[0])
        for name, method in METHODS.items():
            subject = Subject(model, *_one_class(model, 4 if quick else method.images))
            limit = _Limit(subject, method)
            for library in LIBRARIES:
                found = _measured(library, name, subject, limit, quick)
                yield {"network": network, "method": name, "library": library, **found}


def _one_class(model: Any, count: int) -> tuple[Any, Any]:
    images, targets = data(model, count)
    return images, targets * 0 + 3


class _Limit:
    """Compiled evaluations, as many as a method needs, in whole batches."""

    def __init__(self, subject: Subject, method: Method) -> None:
        images, targets = _one_class(subject.model, BATCH)
        evaluations = len(subject.images) * method.passes(subject)
        batches = -(-evaluations // BATCH)
        of = gradient_limit if method.gradient else forward_limit
        self.work = evaluated(of(subject.model), images, targets, batches * BATCH)
        self.share = batches * BATCH / evaluations


def _measured(library: str, method: str, subject: Subject, limit: _Limit, quick: bool) -> Row:
    """Ratios, or the reason why there are none."""
    try:
        ways = importlib.import_module(f"benchmarks.peers.{LIBRARIES[library]}").ways()
        if method not in ways:
            return {"cpu": None, "wall": None, "note": ""}
        way = ways[method]
        with contextlib.redirect_stdout(io.StringIO()):  # Keras draws bars while it predicts
            found, runs = _ratio(way.prepare(subject), limit, quick)
    except Exception as error:  # a library may raise anything
        return {"cpu": None, "wall": None, "note": _told(error)}
    note = "; ".join(part for part in (way.note, "one run" if runs == 1 else "") if part)
    return {"cpu": found.cpu, "wall": found.wall, "note": note}


def _ratio(work: Callable[[], object], limit: _Limit, quick: bool) -> tuple[Ratio, int]:
    """Over the limit, and of how many runs; trying out (0) is said of the whole page."""
    if quick:
        return alternate(work, limit.work, runs=1).scaled(limit.share), 0
    first = timed(work)
    if first[0] > LONG:
        limit.work()
        return ratio([(first, timed(limit.work))]).scaled(limit.share), 1
    return alternate(work, limit.work, runs=5, seconds=4).scaled(limit.share), 5


def _told(error: Exception) -> str:
    """The line of an error that says what went wrong."""
    lines = [line.strip() for line in f"{type(error).__name__}: {error}".splitlines()]
    return textwrap.shorten(next(line for line in reversed(lines) if "Error" in line), 160)
