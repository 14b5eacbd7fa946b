"""Types of TensorFlow operations that linear maps are made of."""

from __future__ import annotations

MATRICES = frozenset({"BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum", "MatMul"})
"""Products of matrices: of data and a kernel, or of two tensors, as in attention."""

CORES = {
    "Conv2D": 0, "DepthwiseConv2dNative": 0, "Conv2DBackpropInput": 2, **dict.fromkeys(MATRICES, 0),
}  # fmt: skip
"""Operations with a kernel, which is input 1; the value is the index of the data input."""

SHIFTS = frozenset({"AddV2", "Add", "BiasAdd", "Sub", "Mul", "RealDiv", "Neg"})
"""Operations that scale or shift each value by a constant, if only one input is data."""

SUMS = frozenset({"AddV2", "Add", "AddN", "Sub"})
"""Operations that add or subtract tensors, if several inputs are data."""

PRODUCTS = MATRICES | {"Mul"}
"""Operations that multiply two tensors, if both are data."""

UNARY = frozenset({
    "Abs", "Elu", "Erf", "Erfc", "Exp", "LeakyRelu", "Log", "Maximum", "Minimum", "Pow",
    "Reciprocal", "Relu", "Relu6", "Rsqrt", "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt",
    "Square", "Tanh",
})  # fmt: skip
"""Nonlinear operations that act on each value alone, if one input is data."""

POOLS = frozenset({"AvgPool", "Mean", "Sum", "ResizeBilinear", "ResizeNearestNeighbor"})
"""Operations that add up values of one tensor with constant weights."""

PADS = frozenset({"Pad", "PadV2", "SpaceToBatchND"})
"""Operations that may pad the data of a kernel with zeros."""

ALONGSIDE = frozenset({"BatchToSpaceND", "Reshape"})
"""Operations between a kernel and its shift, in dilated convolutions and dense layers on maps."""

MOVES = frozenset({
    "BatchToSpaceND", "BroadcastTo", "Cast", "ConcatV2", "DepthToSpace", "ExpandDims",
    "ExtractImagePatches", "GatherNd", "GatherV2", "Identity", "MaxPool", "MirrorPad", "Pack",
    "Pad", "PadV2", "Reshape", "ReverseV2", "Roll", "Select", "SelectV2", "Slice",
    "SpaceToBatchND", "SpaceToDepth", "Split", "SplitV", "Squeeze", "StridedSlice", "Tile",
    "Transpose", "Unpack",
})  # fmt: skip
"""Operations that only move values, so that the ordinary gradient moves relevance back."""
