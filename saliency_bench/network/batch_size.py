"""How many rows are evaluated at once, unless a user says so."""

from __future__ import annotations

from math import prod
from typing import Any

VALUES = 2**22
"""Most values of the largest tensor of a batch, which then fits into a processor's cache."""

FEWEST, MOST = 8, 128
"""Rows of a batch, from the largest networks to the smallest."""

FILLING = 0.1
"""Largest share of rows that only fill up the last batch."""


def batch_size(row: int, images: int) -> int:
    """The rows evaluated at once: equal batches, as few as the size of the network allows.

    It depends on nothing but its arguments: sums round differently in batches of other sizes, so
    the same study must have the same batches on every machine.

    Args:
        row: values of the largest tensor that the network makes of one image.
        images: number of images.
    """
    limit = min(MOST, max(FEWEST, VALUES // row))
    batches = -(-images // limit)
    while -(-images // batches) * batches > (1 + FILLING) * images:
        batches += 1
    return -(-images // batches)


def largest_row(graph: Any) -> int:
    """Values of the largest tensor of a traced model, for one row of its input."""
    shapes = (tensor.shape for op in graph.get_operations() for tensor in op.outputs)
    rows = (shape.as_list()[1:] for shape in shapes if shape.rank and shape[0] is None)
    return max((prod(row) for row in rows if None not in row), default=1)
