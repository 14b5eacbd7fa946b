"""The linear maps of a traced graph; a convolution with its bias and BatchNorm is one of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from saliency_bench.network.linear import Blend, Chain, Linear
from saliency_bench.network.operations import (
    ALONGSIDE,
    CORES,
    MATRICES,
    PADS,
    POOLS,
    PRODUCTS,
    SHIFTS,
    SUMS,
)
from saliency_bench.network.overrides import no_rule
from saliency_bench.network.path import Path


def linear_maps(
    path: Path, *, products: bool = False, besides: Collection[str] = ()
) -> Iterator[Linear]:
    """Find the linear maps of a graph; together they hold all its `CORES`, `SHIFTS` and `POOLS`.

    Args:
        path: the path from images to scores.
        products: whether products of two tensors of data count; they are linear in each.
        besides: names of operations that do not belong to a linear map.

    Raises:
        NotApplicable: if an operation of `CORES` or `SHIFTS` is not one of data and a constant.
    """
    chains: dict[str, list[Any]] = {}
    """By the name of the last operation so far."""
    for op in path.operations:
        data = path.data(op)
        if op.name in besides:
            continue
        if products and op.type in PRODUCTS and len(data) > 1:
            yield Blend(path, op, "product")
        elif op.type in POOLS or (op.type in SUMS and len(data) > 1):
            yield Blend(path, op)
        elif op.type in CORES or op.type in SHIFTS:
            _require_constant(path, op, data)
            chains[op.name] = [*_join(path, op, chains), op]
    for operations in chains.values():
        yield Chain(path, tuple(operations))


def _require_constant(path: Path, op: Any, data: Sequence[int]) -> None:
    expected = [CORES[op.type]] if op.type in CORES else [0] if op.type == "RealDiv" else data[:1]
    if op.type in MATRICES - {"MatMul"}:  # the kernel may come first
        expected = data[:1]
    if list(data) != expected:
        raise no_rule(path, op, f"{op.type} of two tensors that depend on the image")
    if "data_format" in op.node_def.attr and op.get_attr("data_format") == b"NCHW":
        raise no_rule(path, op, "channels first")


def _join(path: Path, op: Any, chains: dict[str, list[Any]]) -> list[Any]:
    """The operations before `op` that it extends; `chains` loses the chain that they formed."""
    tensor = op.inputs[path.data(op)[0]]
    through = PADS if op.type in CORES else ALONGSIDE
    moves: list[Any] = []
    while tensor.op.type in through and len(path.consumers(tensor)) == 1:
        moves = [tensor.op, *moves]
        tensor = tensor.op.inputs[0]
    before = chains.get(tensor.op.name)
    alone = moves if op.type in CORES else []
    if before is None or len(path.consumers(tensor)) > 1 or not _continues(path, op, before):
        return alone
    if tensor.shape[-1] != op.inputs[path.data(op)[0]].shape[-1]:
        return alone
    del chains[tensor.op.name]
    return [*before, *moves]


def _continues(path: Path, op: Any, before: Sequence[Any]) -> bool:
    if op.type not in CORES:
        return _is_per_channel(path, op) and not any(_has_many_kernels(path, o) for o in before)
    scaled = all(other.type in SHIFTS and _is_per_channel(path, other) for other in before)
    return scaled and _has_full_kernel(op)


def _is_per_channel(path: Path, op: Any) -> bool:
    """Whether a scale or shift is the same at every position, and keeps the number of axes."""
    (index,) = path.data(op)
    others = [tensor.shape for i, tensor in enumerate(op.inputs) if i != index]
    return op.outputs[0].shape.rank == op.inputs[index].shape.rank and all(
        shape.rank is not None and all(size == 1 for size in shape[:-1]) for shape in others
    )


def _has_many_kernels(path: Path, op: Any) -> bool:
    """Whether an operation has no kernel `[in, out]` or `[out, in]` behind its data."""
    if op.type not in MATRICES - {"MatMul"}:
        return False
    return bool(op.type != "BatchMatMulV2" or path.data(op) != [0] or op.inputs[1].shape.rank != 2)


def _has_full_kernel(op: Any) -> bool:
    """Whether a kernel has all channels of the data as inputs: a grouped convolution has not."""
    channels = op.inputs[CORES[op.type]].shape[-1]
    rows = {"Conv2D": 2, "DepthwiseConv2dNative": 2, "MatMul": 0}.get(op.type)
    return rows is not None and op.inputs[1].shape[rows] == channels
