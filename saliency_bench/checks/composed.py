"""Images composed of others: two side by side, or one on top of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from saliency_bench import randomize
from saliency_bench.datasets import Source
from saliency_bench.protocols import (
    BLOCK,
    Dataset,
    Floats,
    Ints,
    Made,
    NotApplicable,
    Preprocessing,
    Rows,
    Scene,
    SettingError,
)
from saliency_bench.storage.fingerprint import digest

Images = NDArray[np.float32]
Labels = NDArray[np.int64]


def made(count: int, shape: tuple[int, ...], make: Callable[[Ints], Images]) -> Rows:
    """Images `[count, *shape]` that are made when they are indexed."""
    return Rows(Made((count, *shape), make), as_float32)


def as_float32(images: Floats) -> Images:
    """The images, as float32."""
    return np.asarray(images, np.float32)


def resized(images: NDArray[Any], size: tuple[int, ...]) -> Images:
    """Images `[N, H, W, C]` at another size: each new pixel is the mean over its area."""
    rows, columns = (_areas(*sides) for sides in zip(images.shape[1:3], size, strict=True))
    tall = np.einsum("ah,nhwc->nawc", rows, images, optimize=True)
    return np.asarray(np.einsum("bw,nawc->nabc", columns, tall, optimize=True), np.float32)


def _areas(old: int, new: int) -> NDArray[np.float32]:
    """`[new, old]` share of each old pixel in each new one."""
    if old == new:
        return np.eye(new, dtype=np.float32)
    edges, pixels = np.linspace(0, old, new + 1), np.arange(old)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares = np.maximum(overlap, 0)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)


def side_by_side(left: Images, right: Images, background: Floats) -> Images:
    """Two images side by side at half their height, on one canvas of their size.

    Args:
        left: `[N, H, W, C]`.
        right: of the same shape.
        background: `[C]`, the colour above and below them.
    """
    height, width = left.shape[1:3]
    tall, half = height // 2, width // 2
    canvas: Images = np.empty(left.shape, np.float32)
    canvas[:] = background
    rows = slice((height - tall) // 2, (height - tall) // 2 + tall)
    canvas[:, rows, :half] = resized(left, (tall, half))
    canvas[:, rows, half:] = resized(right, (tall, width - half))
    return canvas


def left_half(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """`[N, H, W]`: where `side_by_side` puts the left one of images of this shape."""
    mask = np.zeros(shape[:3], np.bool_)
    mask[:, :, : shape[2] // 2] = True
    return mask


def partners(count: int) -> NDArray[np.int64]:
    """The number of the next image within each image's block: `[count]`, cyclic."""
    rows = np.arange(count)
    start = rows // BLOCK * BLOCK
    size = np.minimum(start + BLOCK, count) - start
    return np.asarray(start + (rows - start + 1) % size)


def on_scenes(
    scenes: Images, objects: Images, places: NDArray[np.float64], size: float
) -> tuple[Images, NDArray[np.bool_]]:
    """Objects, made smaller, on scenes; and where they lie.

    Args:
        scenes: `[N, H, W, C]`.
        objects: of the same shape.
        places: `[N, 2]` in [0, 1): how far down and to the right each lies, as a share of the way.
        size: side of an object, as a share of the image's.

    Returns:
        Images `[N, H, W, C]` and masks `[N, H, W]`.
    """
    high, wide = (max(1, round(size * side)) for side in scenes.shape[1:3])
    images, masks = scenes.copy(), np.zeros(scenes.shape[:3], np.bool_)
    room = np.array(scenes.shape[1:3]) - (high, wide) + 1
    small = resized(objects, (high, wide))
    for number, (top, left) in enumerate((places * room).astype(int)):
        spot = number, slice(top, top + high), slice(left, left + wide)
        images[spot], masks[spot] = small[number], True
    return images, masks


@dataclass(frozen=True)
class Scenes:
    """Scenes by class, in the shape of the images that lie on them.

    Attributes:
        digest: of the scenes, which identifies them.
        pixels: `[M, H, W, C]` in [0, 1].
        labels: `[M]`.
        classes: their number.
    """

    digest: str
    pixels: Images = field(repr=False, compare=False)
    labels: Ints = field(repr=False, compare=False)
    classes: int = 1

    @classmethod
    def of(
        cls,
        pixels: Any,
        labels: Ints,
        shape: tuple[int, ...],
        classes: int,
        setting: str = "scenes",
    ) -> Self:
        """Scenes of the first classes, at the size of images `(H, W, C)` and in their colours.

        Raises:
            SettingError: if a class has no scene.
        """
        if missing := set(range(classes)) - set(labels.tolist()):
            raise SettingError(f"{setting} must hold some of each class; none is of {min(missing)}")
        chosen = np.flatnonzero(labels < classes)
        coloured = resized(as_float32(pixels[chosen]), shape[:2])
        if coloured.shape[-1] != shape[-1]:
            coloured = np.repeat(coloured.mean(axis=-1, keepdims=True), shape[-1], axis=-1)
        found = labels[chosen]
        key = digest(repr(coloured.shape).encode(), coloured.tobytes(), found.tobytes()).hex()
        return cls(key, coloured, found, classes)

    def pick(self, kinds: Ints, random: Sequence[np.random.Generator]) -> Images:
        """A scene of each class in `kinds` `[N]`, drawn by a stream of its own."""
        places = [np.flatnonzero(self.labels == kind) for kind in range(self.classes)]
        rows = [
            places[kind][own.integers(len(places[kind]))]
            for kind, own in zip(kinds, random, strict=True)
        ]
        return self.pixels[rows]

    def behind(self, scene: Scene, size: float, units: Preprocessing) -> Laid:
        """The images of a scene as objects, each on a scene of its class, all in model units.

        Class and place are the image's own, whatever is shown beside it. Classes beyond the number
        of scenes begin again with the first.

        Args:
            scene: images with labels.
            size: side of an object, as a share of the image's.
            units: model units of the images.
        """
        kinds = np.asarray(scene.labels) % self.classes
        drawn = [randomize.stream("scene", int(key)) for key in scene.keys]
        crops = self.pick(kinds, drawn)
        places = np.stack([random.random(2) for random in drawn])
        images, region = on_scenes(crops, units.inverse(as_float32(scene.images)), places, size)
        return Laid(units(images), units(crops), region, kinds)

    def under(
        self,
        objects: NDArray[np.float32] | Rows,
        labels: Labels,
        count: int,
        share: float,
        size: float,
    ) -> Composed:
        """Objects on scenes; every object is there before one is for the second time.

        An object of class o lies on a scene of the classes from o on, counted in a circle, as many
        as the share says.

        Args:
            objects: `[n, H, W, C]` in [0, 1].
            labels: `[n]`.
            count: number of images.
            share: of the scenes, for an object.
            size: side of an object, as a share of the image's.
        """
        total = len(objects)
        random = randomize.stream("on scenes", total, count, str(share))
        rounds = [random.permutation(total) for _ in range(-(-count // total))]
        rows = np.concatenate(rounds)[:count]
        several = max(1, round(share * self.classes))
        kinds = (labels[rows] + random.integers(several, size=count)) % self.classes
        places = random.random((count, 2))

        def make(numbers: Ints) -> Images:
            streams = [randomize.stream("scene of", count, int(number)) for number in numbers]
            own = as_float32(objects[rows[numbers]])
            return on_scenes(self.pick(kinds[numbers], streams), own, places[numbers], size)[0]

        return Composed(made(count, self.pixels.shape[1:], make), labels[rows], kinds)


class Composed(NamedTuple):
    """Objects on scenes, with the classes of both."""

    images: Rows
    objects: Labels
    scenes: Labels


class Laid(NamedTuple):
    """Objects on scenes, the scenes alone, where the objects lie, and the classes of the scenes."""

    images: Images
    scenes: Images
    region: NDArray[np.bool_]
    kinds: Labels


def scenes_for(source: Source, dataset: Dataset, setting: str = "scenes") -> tuple[Scenes, Scenes]:
    """Scenes to train on and to show, in the shape of a data set's images.

    There are as many classes of them as of objects, or fewer if the source has fewer.

    Args:
        source: a data set of scenes.
        dataset: the objects, with labels.
        setting: the name under which the source was chosen.

    Raises:
        NotApplicable: if there are fewer than two classes.
        SettingError: if the source has no labels, or nothing to train on.
    """
    found, shape = source.load(), dataset.pixels.shape[1:]
    if found.labels is None or found.train_labels is None or found.train_pixels is None:
        raise SettingError(
            f"{setting} must have labels and images to train on; {found.name} lacks them"
        )
    objects = max(len(dataset.classes), int(np.asarray(dataset.labels).max()) + 1)
    classes = min(objects, int(found.train_labels.max()) + 1)
    if classes < 2:
        raise NotApplicable(f"it needs at least two classes of objects and of {setting}")
    return (
        Scenes.of(found.train_pixels, found.train_labels, shape, classes, setting),
        Scenes.of(found.pixels, found.labels, shape, classes, setting),
    )
