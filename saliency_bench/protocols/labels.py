"""What labels alone tell: the accuracy of guessing, and the names of classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SIGNIFICANCE = 0.05
"""Of the one-sided binomial test that a network beats chance."""


def of_one_class(labels: NDArray[np.int64]) -> bool:
    """Whether all labels are equal; chance is 1 then, and no network can beat it."""
    return bool((labels == labels[0]).all())


def chance(labels: NDArray[np.int64] | None) -> float | None:
    """Accuracy of always predicting the most frequent class; None without at least two classes."""
    if labels is None or of_one_class(labels):
        return None
    return float(np.bincount(labels).max() / len(labels))


def class_name(target: int, classes: Sequence[str]) -> str:
    """A class by its number and, where that says more, its name."""
    name = classes[target] if target < len(classes) else ""
    return f"class {target}" + (f" ({name})" if name not in ("", str(target)) else "")
