"""Imputers: what stands in the place of pixels that are hidden."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.metrics.interpolation import interpolate
from saliency_bench.protocols import Floats, Rows
from saliency_bench.storage.fingerprint import digest_of_array

T = TypeVar("T")

Image = NDArray[np.float32]
"""`[H, W, C]`, model units."""

Hide = Callable[[NDArray[np.bool_]], NDArray[np.float32]]
"""From hidden pixels `[M, H, W]` to copies of one image `[M, H, W, C]` without them."""


class Imputer(ABC):
    """What stands in the place of hidden pixels.

    All that is random is drawn once for an image: copies of it that hide the same pixel agree
    there, so that two of them differ by what is hidden alone.

    Attributes:
        random: whether the result depends on the draw.
    """

    random: ClassVar[bool] = False

    @abstractmethod
    def of(self, image: Image, draw: np.random.Generator) -> Hide:
        """Prepare for one image `[H, W, C]`."""


def require_imputer(imputer: object) -> None:
    """Raise `ValueError` in one line unless this is an imputer."""
    if not isinstance(imputer, Imputer):
        raise ValueError(f"imputer must be one, such as Fill(0.0) or Mean(); got {imputer!r}")


class Canvas(Imputer):
    """An imputer by another picture of the same size, which is seen through the hidden pixels."""

    @abstractmethod
    def canvas(self, image: Image, draw: np.random.Generator) -> Image:
        """That picture, `[H, W, C]` or what broadcasts to it."""

    def of(self, image: Image, draw: np.random.Generator) -> Hide:
        """Prepare for one image `[H, W, C]`."""
        canvas = np.asarray(self.canvas(image, draw), np.float32)

        def hide(hidden: NDArray[np.bool_]) -> NDArray[np.float32]:
            return np.where(hidden[..., None], canvas, image)

        return hide


@dataclass(frozen=True)
class Fill(Canvas):
    """One value.

    Attributes:
        value: model units.
    """

    value: float = 0.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.value):
            raise ValueError(f"value must be finite; got {self.value}")

    def canvas(self, image: Image, draw: np.random.Generator) -> Image:
        """The value alone."""
        return np.full(1, self.value, np.float32)


@dataclass(frozen=True)
class Mean(Canvas):
    """The mean of the image, channel by channel."""

    def canvas(self, image: Image, draw: np.random.Generator) -> Image:
        """One value per channel."""
        return np.asarray(image.mean(axis=(0, 1), dtype=np.float64), np.float32)


@dataclass(frozen=True)
class Blur(Canvas):
    """The image behind a Gaussian filter, as the canvas of RISE (Petsiuk et al., 2018).

    The image is mirrored at its border; the authors' code pads it with zeros.

    Attributes:
        sigma: standard deviation, pixels.
        radius: half the width of the kernel, pixels; the authors' kernel has 11.
    """

    sigma: float = 5.0
    radius: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.sigma < np.inf:
            raise ValueError(f"sigma must be above 0 and finite; got {self.sigma}")
        if self.radius < 1:
            raise ValueError(f"radius must be at least 1; got {self.radius}")

    def canvas(self, image: Image, draw: np.random.Generator) -> Image:
        """The blurred image."""
        from scipy.ndimage import gaussian_filter

        blurred: Image = gaussian_filter(image, self.sigma, radius=self.radius, axes=(0, 1))
        return blurred


@dataclass(frozen=True)
class Histogram(Canvas):
    """For each pixel another one of the same image, drawn at random with all its channels."""

    random: ClassVar[bool] = True

    def canvas(self, image: Image, draw: np.random.Generator) -> Image:
        """A picture of pixels drawn with replacement."""
        pixels = image.reshape(-1, image.shape[-1])
        return pixels[draw.integers(len(pixels), size=len(pixels))].reshape(image.shape)


@dataclass(frozen=True)
class Neighbours(Imputer):
    """Weighted means of the neighbours and a little noise, as in ROAD (Rong et al., 2022).

    Hidden neighbours count with their own imputed values: a linear system, the same for all
    channels. An image that is hidden as a whole becomes its mean.

    Attributes:
        noise: standard deviation of what is added to each hidden value, model units.
    """

    papers: ClassVar[tuple[str, ...]] = ("rong2022",)
    random: ClassVar[bool] = True

    noise: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.noise < np.inf:
            raise ValueError(f"noise must be at least 0 and finite; got {self.noise}")

    def of(self, image: Image, draw: np.random.Generator) -> Hide:
        """Prepare for one image `[H, W, C]`."""
        noise = np.float32(self.noise) * draw.standard_normal(image.shape, np.float32)

        def hide(hidden: NDArray[np.bool_]) -> NDArray[np.float32]:
            copies = interpolate(image, hidden)
            copies += np.where(hidden[..., None], noise, np.float32(0))
            return copies

        return hide


@dataclass(frozen=True)
class OtherImages(Canvas):
    """The pixels of another image at the same place, drawn at random for each draw of an image.

    (The train-set sample of Blücher et al., 2024.) A run gives the images: those to train on, or
    all that are explained if there are none; so that an image's number depends on the whole data
    set, and not on its batch.

    Attributes:
        source: what the images are, for the settings of a metric; follows from `of_images`.
        images: `[M, H, W, C]` to draw from, model units; None until a run gives them.
    """

    random: ClassVar[bool] = True

    source: str = ""
    images: Floats | Rows | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of_images(cls, images: Floats | Rows, name: str = "images") -> Self:
        """An imputer that draws from these images.

        Args:
            images: `[M, H, W, C]`, model units.
            name: what they are, in the plural.

        Raises:
            ValueError: if there are fewer than two.
        """
        if len(images) < 2:
            raise ValueError(f"images to draw from must be at least 2; got {len(images)}")
        return cls(f"{len(images)} {name}, {digest_of_array(images)}", images)

    def canvas(self, image: Image, draw: np.random.Generator) -> Image:
        """Another image than this one.

        Raises:
            ValueError: if there are no images, they have another shape, or all are this one.
        """
        if self.images is None:
            raise ValueError("OtherImages needs images to draw from: OtherImages.of_images(images)")
        if self.images.shape[1:] != image.shape:
            raise ValueError(
                f"images to draw from must be {image.shape}; got shape {self.images.shape}"
            )
        for number in draw.permutation(len(self.images)):
            other = self.images[int(number)]
            if not np.array_equal(other, image):
                return np.asarray(other, np.float32)
        raise ValueError("images to draw from must not all be the image itself")


def lacking(settings: object) -> bool:
    """Whether an imputer within settings, at any depth, has no images to draw from yet."""
    if isinstance(settings, OtherImages):
        return not settings.source
    if not is_dataclass(settings):
        return False
    return any(lacking(getattr(settings, own.name)) for own in fields(settings))


def with_images(settings: T, images: Floats | Rows, name: str) -> T:
    """Settings whose imputers without images to draw from, at any depth, draw from these.

    Args:
        settings: a dataclass, such as a metric; anything else comes back as it is.
        images: `[M, H, W, C]`, model units.
        name: what they are, in the plural.
    """
    if isinstance(settings, OtherImages):
        # What has images keeps them.
        return settings if settings.source else type(settings).of_images(images, name)
    if not is_dataclass(settings) or isinstance(settings, type):
        return settings
    old: dict[str, Any] = {f.name: getattr(settings, f.name) for f in fields(settings) if f.init}
    new = {key: with_images(value, images, name) for key, value in old.items()}
    changed = {key: value for key, value in new.items() if value is not old[key]}
    return replace(settings, **changed) if changed else settings
