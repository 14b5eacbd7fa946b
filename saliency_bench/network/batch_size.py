"""How many rows are evaluated at once, unless a user says so."""

from __future__ import annotations

from math import prod
from typing import Any

VALUES = 2**22
"""Most values of the largest tensor of a batch, which then fits into a processor's cache."""

FEWEST, MOST = 8, 128
"""Rows of a batch, from the largest networks to the smallest."""


def suitable_rows(graph: Any) -> int:
    """The rows that suit a network: many of a small one, few of a large one; a power of two.

    So a block of images is whole batches. The number depends on the traced model and the size of
    its images alone: sums round differently in batches of other sizes, so the same study must have
    the same batches on every machine.
    """
    rows = VALUES // largest_row(graph)
    return min(MOST, max(FEWEST, 1 << max(0, rows.bit_length() - 1)))


def largest_row(graph: Any) -> int:
    """Values of the largest tensor of a traced model, for one row of its input."""
    shapes = (tensor.shape for op in graph.get_operations() for tensor in op.outputs)
    rows = (shape.as_list()[1:] for shape in shapes if shape.rank and shape[0] is None)
    return max((prod(row) for row in rows if None not in row), default=1)
