"""The maps and predictions of a saved model on pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.cli import objects
from saliency_bench.datasets.arrays import check_channels
from saliency_bench.datasets.pictures import Picture
from saliency_bench.explain.photos import input_shape
from saliency_bench.models.application import BYTES
from saliency_bench.models.base import outputs_of
from saliency_bench.models.saved import read
from saliency_bench.protocols import Explainer, NotApplicable, Preprocessing, interrupts
from saliency_bench.randomize import image_keys

Tell = Callable[[str], None]
"""Prints a line for the user."""


@dataclass(frozen=True)
class Look:
    """A request to explain pictures.

    Attributes:
        model: path of the model's file.
        photos: the pictures.
        units: from pixels in [0, 1] to model units; None: [0, 255] for a model that itself rescales
            from there, else [0, 1].
        size: height and width of the input, or one number for both; None: those of the model.
        target: class to explain; None: the predicted class of each picture.
    """

    model: Path
    photos: Sequence[Picture]
    units: Preprocessing | None
    size: Sequence[int] | None = None
    target: int | None = None


@dataclass(frozen=True)
class Subject:
    """A model and its input.

    Attributes:
        model: the Keras model.
        pixels: `[N, H, W, C]` in [0, 1].
        images: the same in model units.
        targets: `[N]` the classes to explain.
        logits: `[N, K]`.
    """

    model: Any
    pixels: NDArray[np.float32]
    images: NDArray[np.float32]
    targets: NDArray[np.int64]
    logits: NDArray[np.float32]

    @property
    def target_logits(self) -> NDArray[np.float32]:
        """`[N]` the logits of the targets."""
        return self.logits[np.arange(len(self.targets)), self.targets]


@dataclass(frozen=True)
class Explanations:
    """The results of explainers for a subject.

    Attributes:
        columns: by explainer, raw maps `[N, H, W, C']`, or the reason why there are none.
        failed: whether one of these reasons is an error.
    """

    columns: Mapping[str, NDArray[np.float32] | str]
    failed: bool

    @property
    def maps(self) -> dict[str, NDArray[np.float32]]:
        """The raw maps by explainer, without explainers that have none."""
        return {n: maps for n, maps in self.columns.items() if not isinstance(maps, str)}


def prepare(look: Look, *, tell: Tell) -> Subject:
    """Read the model, fit the pictures to its input, and predict their classes.

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: if the model cannot be read or explained, or the pictures do not fit.
    """
    model = read(look.model)
    own_shape = network.input_shape(model)
    height, width, channels = shape = input_shape(look.photos, own_shape, look.size)
    pixels = np.stack([photo.pixels(shape) for photo in look.photos])
    if look.units is not None:
        check_channels(look.units, channels)
    if own_shape is None or None in own_shape:
        outputs_of(model, pixels[:1], name=look.model.name)
    units = look.units or (BYTES if network.rescales_bytes(model) else Preprocessing())
    images = units(pixels)
    tell(f"{look.model.name}: input {height}x{width}x{channels}; {_describe_units(units)}")
    logits = network.KerasNetwork(model).outputs(images)
    subject = Subject(model, pixels, images, _targets(look, logits), logits)
    _tell_classes(look, subject, tell)
    return subject


def apply_explainers(
    subject: Subject, explainers: Mapping[str, Explainer], *, tell: Tell
) -> Explanations:
    """Apply explainers to a subject; an error of one does not stop the others.

    Args:
        subject: the model and its input.
        explainers: by name.
        tell: prints the time or the error of each explainer.
    """
    columns: dict[str, NDArray[np.float32] | str] = {}
    failed = False
    keys = image_keys(subject.images)
    state = network.ModelState(subject.model)
    for name, explainer in explainers.items():
        start = time.perf_counter()
        try:
            with state.guarded(), network.taking() as taken:
                bound = explainer.bind(subject.model)
                maps = bound(subject.images, subject.targets, keys=keys)
            columns[name] = maps
            of = f", from {', '.join(taken)}" if taken else ""
            tell(f"{name}: {time.perf_counter() - start:.1f} s{of}")
        except NotApplicable as refusal:
            columns[name] = f"not applicable: {refusal.reason}"
            tell(f"{name}: {columns[name]}")
        except Exception as error:  # with a user's model anything may fail
            interrupts.ask()
            failed = True
            columns[name] = f"failed: {objects.one_line(error)}"
            tell(f"{name}: {columns[name]}")
    return Explanations(columns, failed)


def _targets(look: Look, logits: NDArray[np.float32]) -> NDArray[np.int64]:
    for photo, row in zip(look.photos, logits, strict=True):
        if not np.isfinite(row).all():
            raise ValueError(f"the model must give finite scores; those of {photo.name} are not")
    predicted: NDArray[np.int64] = logits.argmax(axis=1)
    if look.target is None:
        return predicted
    if not 0 <= look.target < logits.shape[1]:
        raise ValueError(f"--target must lie in 0..{logits.shape[1] - 1}; got {look.target}")
    return np.full_like(predicted, look.target)


def _describe_units(units: Preprocessing) -> str:
    if units == BYTES:
        return "pixels enter in [0, 255] (--preprocessing, --mean and --std change that)"
    if units == Preprocessing():
        return "pixels enter in [0, 1] (--preprocessing, --mean and --std change that)"
    order = ", channels reversed" if units.reverse_channels else ""
    mean, std = (", ".join(f"{v:.4g}" for v in values) for values in (units.mean, units.std))
    return f"pixels in [0, 1] enter less {mean}, divided by {std}{order}"


def _tell_classes(look: Look, subject: Subject, tell: Tell) -> None:
    """Print a line per picture: its size, its class and its scores."""
    outputs = network.target_score(subject.model, "probability")(subject.images, subject.targets)
    height, width = subject.pixels.shape[1:3]
    for index, photo in enumerate(look.photos):
        target, predicted = subject.targets[index], subject.logits[index].argmax()
        logit, output = subject.target_logits[index], outputs[index]
        how = "predicted" if target == predicted else f"requested; predicted is {predicted}"
        line = f"{photo.name}: {photo.describe(height, width)}; class {target} ({how})"
        line += f", logit {logit:.4g}"
        # A model that ends in logits has no other output.
        tell(line if np.isclose(output, logit) else f"{line}, output {output:.4g}")
