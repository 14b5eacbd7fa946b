"""What every library gets: a network, images, one target for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH = 32
"""Images, or image-sample pairs, evaluated at once, where a library lets one choose."""

SAMPLES = 50
MASKS = 1000


@dataclass(frozen=True)
class Subject:
    """A network and what it is asked.

    Attributes:
        model: Functional, ends in logits.
        images: `[N, H, W, C]` in [0, 1].
        targets: `[N]`, all the same.
    """

    model: Any
    images: NDArray[np.float32]
    targets: NDArray[np.int64]

    @property
    def target(self) -> int:
        """The one target."""
        return int(self.targets[0])

    @property
    def grid(self) -> int:
        """How many patches of occlusion lie along a side."""
        return int(self.images.shape[1]) // self.patch

    @property
    def patch(self) -> int:
        """Side of a patch of occlusion in pixels."""
        return {28: 4, 128: 16}[self.images.shape[1]]

    @cached_property
    def layer(self) -> str:
        """Name of the layer that GradCAM looks at, the last one with a feature map."""
        names = (
            layer.name
            for layer in reversed(self.model.layers)
            if len(layer.output.shape) == 4 and layer.output.shape[1] > 1
        )
        return str(next(names))

    @property
    def one_hot(self) -> NDArray[np.float32]:
        """`[N, K]` targets."""
        return np.eye(self.model.output_shape[-1], dtype=np.float32)[self.targets]


@dataclass(frozen=True)
class Way:
    """How a library does a method.

    Attributes:
        prepare: makes what the library keeps between calls; returns the call.
        note: what is to be known of it.
    """

    prepare: Callable[[Subject], Callable[[], object]]
    note: str = ""
