"""The input shape that a model and the pictures give together."""

from __future__ import annotations

from collections.abc import Sequence

from saliency_bench.datasets.pictures import COLOUR, GREY, Picture

Shape = tuple[int | None, ...]


def input_shape(
    photos: Sequence[Picture], model: Shape | None, size: Sequence[int] | None
) -> tuple[int, int, int]:
    """Height, width and channels of the input for all photos.

    Args:
        photos: one or more.
        model: the model's input shape, with None for a size that is not fixed; None if unknown.
        size: the requested height and width, or one number for both; None: the model's.

    Raises:
        ValueError: if the model takes another size or number of channels, or if the size is not
            determined.
    """
    height, width, channels = model or (None, None, None)
    requested = None if size is None else (size[0], size[-1])
    fixed = [own for own in (height, width) if own is not None]
    if requested is not None and any(
        own not in (None, other) for own, other in zip((height, width), requested, strict=True)
    ):
        raise ValueError(
            f"--size must be the model's own, {height} {width}; got {requested[0]} {requested[1]}"
        )
    sizes = {photo.size for photo in photos}
    if requested is None and len(fixed) < 2 and len(sizes) > 1:
        raise ValueError(
            "--size must be given: the model takes any size, and the images have several"
        )
    default = requested or photos[0].size
    most = max(photo.channels for photo in photos)
    if channels not in (None, GREY, COLOUR):
        raise ValueError(f"the model must take 1 or 3 channels, as pictures have; got {channels}")
    return height or default[0], width or default[1], channels or most
