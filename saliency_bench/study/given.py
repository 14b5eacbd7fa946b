"""What `evaluate` is given to explain: arrays, or batches of images and labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from saliency_bench.datasets import batches
from saliency_bench.protocols import first_rows
from saliency_bench.protocols.inputs import as_images, as_masks, as_targets

if TYPE_CHECKING:
    from saliency_bench.study.build import Options

MOST = 64
"""Images that are explained of batches if no number is given, as on the command line."""


@dataclass(frozen=True)
class Given:
    """What is explained.

    Attributes:
        images: `[N, H, W, C]`, model units.
        targets: `[N]` true classes, or None.
        options: of the study; their regions are those of these images.
        remarks: what a user should know of the choice, a line each.
    """

    images: Any
    targets: Any
    options: Options
    remarks: tuple[str, ...] = ()


def given(images: Any, targets: Any, options: Options) -> Given:
    """The images and targets to explain: at most `n_images` of them.

    Args:
        images: an array `[N, H, W, C]`, or what hands out batches: see `batches.gather`.
        targets: `[N]`, or None; None beside batches.
        options: of the study.

    Raises:
        ValueError: in one line, if batches hold something else, or have targets beside them.
    """
    if batches.are_batches(images):
        return _of_batches(images, targets, options)
    if options.n_images is None:
        return Given(images, targets, options)
    return _first(as_images(images), targets, options, options.n_images)


def _of_batches(data: Any, targets: Any, options: Options) -> Given:
    if targets is not None:
        raise ValueError(
            "targets must be None beside batches, which hold their labels as (images, labels); "
            f"got a {type(targets).__name__}"
        )
    gathered = batches.gather(data, options.n_images or MOST)
    count = len(gathered.images)
    remarks = tuple(_too_few(count, options.n_images))
    if options.n_images is None and not gathered.whole:
        line = f"the first {count} images of the batches are explained"
        remarks = (f"{line}; Options(n_images=...) takes another number",)
    return Given(gathered.images, gathered.labels, options, remarks)


def _first(images: Any, targets: Any, options: Options, most: int) -> Given:
    """The images of an array that the command line would take."""
    total = len(images)
    labels = None if targets is None else as_targets(targets, total)
    if total <= most:
        return Given(images, labels, options, tuple(_too_few(total, most)))
    rows = first_rows(total, most, labels)
    if options.regions is not None:
        masks = as_masks(options.regions, images.shape[:3], "regions")
        options = replace(options, regions=masks[rows])
    return Given(images[rows], None if labels is None else labels[rows], options)


def _too_few(count: int, wanted: int | None) -> Iterator[str]:
    if wanted is not None and count < wanted:
        yield f"n_images={wanted}, but there are {count} images"
