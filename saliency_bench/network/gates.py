"""ReLUs that gate: the clip of a hard sigmoid is no activation of features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from saliency_bench.network.operations import MOVES, SHIFTS
from saliency_bench.network.path import Path

_SQUASHED = frozenset({"Sigmoid", "Softmax", "Tanh"})


def is_gate(path: Path, relu: Any) -> bool:
    """Whether a ReLU is the clip of a gate.

    A gate is bounded, as ReLU6 is. It clips a value to which a constant was added, as a hard
    sigmoid does, or it multiplies another value that depends on the images. A factor that is
    computed from the ReLU itself, or that is squashed, is the gate of the ReLU instead.

    Args:
        path: the path from images to scores.
        relu: an operation `Relu` or `Relu6`.
    """
    if not _is_bounded(path, relu):
        return False
    return _is_shifted(path, relu) or any(
        _gates(path, relu, factor) for factor in _factors(path, relu.outputs[0])
    )


def _is_bounded(path: Path, relu: Any) -> bool:
    around = [relu.inputs[0].op, *path.consumers(relu.outputs[0])]
    clips = [op for op in around if op.type == "Minimum" and len(path.data(op)) == 1]
    return relu.type == "Relu6" or bool(clips)


def _is_shifted(path: Path, relu: Any) -> bool:
    """Whether the number that a hard sigmoid adds was added: a constant, not a weight."""
    op = relu.inputs[0].op
    while op.type in {"Identity", "Cast", "Minimum"} and len(path.data(op)) == 1:
        op = op.inputs[path.data(op)[0]].op
    if op.type not in {"Add", "AddV2", "Sub"}:
        return False
    others = [tensor for i, tensor in enumerate(op.inputs) if i not in path.data(op)]
    return any(_is_number(tensor) for tensor in others)


def _is_number(tensor: Any) -> bool:
    op = tensor.op
    while op.type in {"Identity", "Cast"}:
        op = op.inputs[0].op
    return bool(op.type == "Const" and op.outputs[0].shape.num_elements() == 1)


def _factors(path: Path, tensor: Any) -> Iterator[Any]:
    """The values that are multiplied with a tensor, or with a scaled copy of it."""
    for op in path.consumers(tensor):
        data = path.data(op)
        if op.type == "Mul" and len(data) == 2:
            yield next(op.inputs[i] for i in data if op.inputs[i] is not tensor)
        elif len(data) == 1 and op.type in SHIFTS | MOVES | {"Minimum"}:
            yield from _factors(path, op.outputs[0])


def _gates(path: Path, relu: Any, factor: Any) -> bool:
    op = factor.op
    while op.type in MOVES | SHIFTS and len(path.data(op)) == 1:
        op = op.inputs[path.data(op)[0]].op
    return op.type not in _SQUASHED and not _follows(path, op, relu)


def _follows(path: Path, op: Any, first: Any) -> bool:
    """Whether an operation depends on another one."""
    waiting, seen = [op], set()
    while waiting:
        own = waiting.pop()
        if own.name == first.name:
            return True
        if own.name not in seen:
            seen.add(own.name)
            waiting += [own.inputs[index].op for index in path.data(own)]
    return False
