"""Activations that are written as a product: GELU, SiLU, hard swish, Mish and the like."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from saliency_bench.network.operations import SHIFTS, SUMS, UNARY
from saliency_bench.network.path import Path

_ELEMENTWISE = UNARY | SHIFTS | SUMS | {"Cast", "Identity"}


def activations(path: Path) -> frozenset[str]:
    """Names of the operations that form functions of each value alone, of one tensor.

    Such a function ends in a product or quotient of two tensors, as `x sigmoid(x)`. All operations
    from the tensor `x` to the product belong to it.

    Args:
        path: the path from images to scores.
    """
    places = {op.name: place for place, op in enumerate(path.operations)}
    found: set[str] = set()
    for op in reversed(path.operations):
        if op.type in {"Mul", "RealDiv"} and op.name not in found and len(path.data(op)) > 1:
            found |= _between(path, op, places)
    return frozenset(found)


def _between(path: Path, product: Any, places: dict[str, int]) -> set[str]:
    """Names of the operations from the nearest tensor that makes up a product, to the product.

    There are none if another operation than an elementwise one lies between.
    """
    between: set[str] = set()
    waiting = {product.outputs[0].ref()}
    while len(waiting) > 1 or not between:
        latest = max(waiting, key=lambda ref: places.get(ref.deref().op.name, -1))
        op = latest.deref().op
        if not _is_elementwise(path, op):
            return set()
        between.add(op.name)
        waiting = (waiting - {latest}) | {op.inputs[index].ref() for index in path.data(op)}
    return between


def _is_elementwise(path: Path, op: Any) -> bool:
    shapes = [op.inputs[index].shape for index in path.data(op)]
    same = all(shape.as_list() == op.outputs[0].shape.as_list() for shape in shapes)
    return bool(shapes) and op.type in _ELEMENTWISE and same


@contextmanager
def silu_as_product() -> Iterator[None]:
    """A block in which TensorFlow's SiLU is the product that it is, without its own gradient."""
    before = tf.nn.silu, tf.nn.swish
    tf.nn.silu = tf.nn.swish = _silu
    try:
        yield
    finally:
        tf.nn.silu, tf.nn.swish = before


def _silu(features: Any, beta: float = 1.0) -> Any:
    features = tf.convert_to_tensor(features)
    return features * tf.sigmoid(tf.cast(beta, features.dtype) * features)
