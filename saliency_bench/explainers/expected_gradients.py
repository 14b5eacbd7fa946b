"""Integrated gradients averaged over random baselines."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saliency_bench import network
from saliency_bench.explainers.base import USUAL, Compiled
from saliency_bench.protocols import Bound, Floats, Ints, Output
from saliency_bench.randomize import image_keys, stream


@dataclass(frozen=True)
class ExpectedGradients(Compiled):
    """Mean of gradient times difference, at random points between references and the image.

    (Erion et al., 2021; GradientSHAP in Lundberg & Lee, 2017.) For each sample a reference r and a
    position a in [0, 1) are drawn, and the gradient is taken at `r + a (x - r)`. In expectation the
    map sums to the output at the image minus the mean output at the references. The draws depend
    on `seed` and the image's key only.

    Attributes:
        samples: gradients per image.
        references: images `[R, H, W, C]`, model units, in the paper from the training data; or the
            path of an .npz file with these as `x`. None: references are noise, every value
            uniform between the smallest and the largest of the image's own channel.
        seed: of the draws.
        output: what is explained.
        digest: hash of the references, part of the key of stored results.
    """

    papers: ClassVar[tuple[str, ...]] = ("erion2021", "lundberg2017")
    stochastic: ClassVar[bool] = True
    multiplies_input: ClassVar[bool] = True
    axioms: ClassVar[frozenset[str]] = USUAL | {"linearity"}

    samples: int = 50
    references: ArrayLike | str | None = field(default=None, repr=False, compare=False)
    seed: int = 0
    output: Output = "logit"
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1; got {self.samples}")
        if self.references is None:
            object.__setattr__(self, "digest", "")
            return
        source = _read(self.references) if isinstance(self.references, str) else self.references
        images = np.ascontiguousarray(source, np.float32)
        if images.ndim != 4 or not len(images) or not np.isfinite(images).all():
            raise ValueError(
                f"references must be finite images [R, H, W, C]; got shape {images.shape}"
            )
        object.__setattr__(self, "references", images)
        content = repr(images.shape).encode() + images.tobytes()
        object.__setattr__(self, "digest", hashlib.blake2b(content, digest_size=8).hexdigest())

    def compile(self, model: Any) -> Bound:
        """Compile for `model`.

        Raises:
            ValueError: if the references do not have the shape of its images.
        """
        lines = _Lines(self.references)

        gradients = network.Samples(
            network.input_gradient(model, self.output), lines.place, ranks=(lines.rank, 0)
        )

        def explain(
            images: Floats, targets: Ints, *, keys: Ints | None = None
        ) -> NDArray[np.float32]:
            seeds = image_keys(images) if keys is None else keys
            randoms = [stream("expected_gradients", self.seed, int(key)) for key in seeds]
            maps = np.zeros(images.shape)
            for batch in network.pairs(len(images), self.samples, gradients.batch):
                draws = self._draw([randoms[image] for image in batch.image], images.shape[1:])
                maps[batch.images] += gradients.sums(images, targets, batch, *draws)
            return np.asarray(maps / self.samples, np.float32)

        return explain

    def _draw(
        self, randoms: list[np.random.Generator], shape: tuple[int, ...]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Draw references, as noise `[P, H, W, C]` or indices `[P]`, and positions `[P]`."""
        count = None if self.references is None else len(np.asarray(self.references))
        which = np.empty((len(randoms), *(shape if count is None else ())), np.float32)
        places = np.empty(len(randoms), np.float32)
        for row, random in enumerate(randoms):
            places[row] = random.random(dtype=np.float32)
            if count is None:
                random.random(dtype=np.float32, out=which[row])
            else:
                which[row] = random.integers(count)
        return which, places


class _Lines:
    """Straight lines from references to images, inside a graph being traced.

    Args:
        references: `[R, H, W, C]`; None: noise within the range of each channel of the image.
    """

    def __init__(self, references: Any) -> None:
        self._references = references

    @property
    def rank(self) -> int:
        """Rank of a setting that selects one reference: noise `[H, W, C]` or an index."""
        return 3 if self._references is None else 0

    def place(self, images: Any, which: Any, places: Any) -> tuple[Any, Any]:
        """The point of each variant on its line, and its image minus its reference.

        Args:
            images: `[P, H, W, C]`.
            which: noise `[P, H, W, C]` or indices `[P]`: each variant's reference.
            places: `[P]` in [0, 1): 0 the reference, 1 the image.
        """
        difference = images - self._choose(images, which)
        return images - (1 - places)[:, None, None, None] * difference, difference

    def _choose(self, images: Any, which: Any) -> Any:
        import tensorflow as tf

        if self._references is None:
            low = tf.reduce_min(images, axis=[1, 2], keepdims=True)
            return low + which * (tf.reduce_max(images, axis=[1, 2], keepdims=True) - low)
        if self._references.shape[1:] != tuple(images.shape[1:]):
            raise ValueError(
                f"references must be images {tuple(images.shape[1:])}; "
                f"got shape {self._references.shape}"
            )
        return tf.gather(tf.constant(self._references), tf.cast(which, tf.int32))


def _read(path: str) -> NDArray[Any]:
    """The array `x` of an .npz file."""
    if not Path(path).is_file():
        raise ValueError(f"references must be an .npz file that exists; got {path}")
    with np.load(path, allow_pickle=False) as arrays:
        if "x" not in arrays:
            raise ValueError(f"references must be an .npz file with an array x; got {path}")
        return np.asarray(arrays["x"])
