"""Types of TensorFlow operations that linear maps are made of."""

from __future__ import annotations

CORES = {"Conv2D": 0, "DepthwiseConv2dNative": 0, "MatMul": 0, "Conv2DBackpropInput": 2}
"""Operations with a kernel, which is input 1; the value is the index of the data input."""

SHIFTS = frozenset({"AddV2", "Add", "BiasAdd", "Sub", "Mul", "RealDiv", "Neg"})
"""Operations that scale or shift each value by a constant, if only one input is data."""

SUMS = frozenset({"AddV2", "Add", "AddN", "Sub"})
"""Operations that add or subtract tensors, if several inputs are data."""

POOLS = frozenset({"AvgPool", "Mean", "Sum", "ResizeBilinear", "ResizeNearestNeighbor"})
"""Operations that add up values of one tensor with constant weights."""

PADS = frozenset({"Pad", "PadV2", "SpaceToBatchND"})
"""Operations that may pad the data of a kernel with zeros."""

ALONGSIDE = frozenset({"BatchToSpaceND", "Reshape"})
"""Operations between a kernel and its shift, in dilated convolutions and dense layers on maps."""

MOVES = frozenset({
    "BatchToSpaceND", "BroadcastTo", "Cast", "ConcatV2", "DepthToSpace", "ExpandDims", "GatherNd",
    "GatherV2", "Identity", "MaxPool", "MirrorPad", "Pack", "Pad", "PadV2", "Reshape",
    "ReverseV2", "Slice", "SpaceToBatchND", "SpaceToDepth", "Split", "SplitV", "Squeeze",
    "StridedSlice", "Tile", "Transpose", "Unpack",
})  # fmt: skip
"""Operations that only move values, so that the ordinary gradient moves relevance back."""
