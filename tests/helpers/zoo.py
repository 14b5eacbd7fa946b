"""Small members of the architecture families of keras.applications, and what explainers get.

Every family has all its kinds of blocks, the deep ones one or two of each kind: an explainer meets
the same operations as in the published networks, in less time.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
from keras.src.applications import (
    convnext,
    densenet,
    efficientnet,
    efficientnet_v2,
    inception_resnet_v2,
    nasnet,
    resnet,
)

from helpers.configured import configured, cut
from saliency_bench.models.saved import read

CLASSES = 4
BYTES = 255.0


@dataclass(frozen=True)
class Family:
    """A family of architectures.

    Attributes:
        make: builds a member, as the functions of keras.applications do.
        size: rows and columns of the images, the fewest that it takes.
        options: further arguments of `make`.
        scale: the largest value of a pixel: 255 if the network rescales its images itself.
    """

    make: Callable[..., Any]
    size: int = 32
    options: dict[str, Any] = field(default_factory=dict)
    scale: float = 1.0

    def __call__(self, **options: Any) -> Any:
        """A member with random first weights."""
        shape = (self.size, self.size, 3)
        return self.make(weights=None, input_shape=shape, **self.options, **options)


def _residual(stack: Callable[..., Any]) -> Callable[[Any], Any]:
    def stacks(features: Any) -> Any:
        for place, filters in enumerate((16, 32)):
            features = stack(features, filters, 2, name=f"conv{place + 2}")
        return features

    return stacks


def _inception_resnet(**options: Any) -> Any:
    """Keras fixes the number of blocks in its code; of every kind the first and the last stay."""
    block = inception_resnet_v2.inception_resnet_block

    def few(features: Any, scale: float, block_type: str, block_idx: int, **more: Any) -> Any:
        if block_idx > 1 and not (block_type == "block8" and block_idx == 10):
            return features
        return block(features, scale, block_type, block_idx, **more)

    with mock.patch.object(inception_resnet_v2, "inception_resnet_block", few):
        return keras.applications.InceptionResNetV2(**options)


FAMILIES = {
    "EfficientNet": Family(
        efficientnet.EfficientNet,
        options={"width_coefficient": 0.25, "depth_coefficient": 0.3, "default_size": 32},
        scale=BYTES,
    ),
    "EfficientNetV2": Family(
        efficientnet_v2.EfficientNetV2,
        options={
            "width_coefficient": 0.25, "depth_coefficient": 0.3, "default_size": 32,
            "name": "efficientnetv2-b0",
        },
        scale=BYTES,
    ),
    "ConvNeXt": Family(
        convnext.ConvNeXt,
        size=64,  # smaller ones end in 1x1, and the last feature map is not a sum outside of layers
        options={"depths": (1, 1, 2, 1), "projection_dims": (16, 32, 48, 64)},
        scale=BYTES,
    ),
    "DenseNet": Family(densenet.DenseNet, options={"blocks": (2, 2, 2, 2)}),
    "ResNet": Family(
        resnet.ResNet,
        options={
            "stack_fn": _residual(resnet.stack_residual_blocks_v1), "preact": False,
            "use_bias": True,
        },
    ),
    "ResNetV2": Family(
        resnet.ResNet,
        options={
            "stack_fn": _residual(resnet.stack_residual_blocks_v2), "preact": True,
            "use_bias": True,
        },
    ),
    "Xception": Family(keras.applications.Xception, size=71),
    "InceptionV3": Family(keras.applications.InceptionV3, size=75),
    "InceptionResNetV2": Family(_inception_resnet, size=75),
    "NASNet": Family(
        nasnet.NASNet,
        options={
            "penultimate_filters": 96, "num_blocks": 1, "stem_block_filters": 8,
            "skip_reduction": False, "filter_multiplier": 2,
        },
    ),
    "MobileNet": Family(keras.applications.MobileNet, options={"alpha": 0.25}),
    "MobileNetV2": Family(keras.applications.MobileNetV2, options={"alpha": 0.35}),
    "MobileNetV3": Family(keras.applications.MobileNetV3Small, scale=BYTES),
    "VGG": Family(keras.applications.VGG16),
}  # fmt: skip


def plain(family: str) -> Any:
    """A member with its own head."""
    return FAMILIES[family](classes=CLASSES)


def nested(family: str) -> Any:
    """A transfer model: the member without its head is one of its layers."""
    backbone = FAMILIES[family](include_top=False)
    images = keras.Input(backbone.input_shape[1:])
    pooled = keras.layers.GlobalAveragePooling2D()(backbone(images, training=False))
    scores = keras.layers.Dense(CLASSES, activation="softmax", name="head")(pooled)
    return keras.Model(images, scores, name=f"transfer_{backbone.name}")


@contextlib.contextmanager
def policy(name: str) -> Iterator[None]:
    """A block in which layers are made with a dtype policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def images_of(family: str, count: int = 2) -> np.ndarray:
    """Smooth random pictures `[N, H, W, 3]` in the units that the network takes."""
    size = FAMILIES[family].size
    coarse = np.random.default_rng(1).random((count, 8, 8, 3))
    pixels = keras.ops.image.resize(coarse, (size, size), interpolation="bicubic")
    return np.clip(pixels, 0, 1).astype(np.float32) * np.float32(FAMILIES[family].scale)


def season(model: Any, images: np.ndarray) -> Any:
    """The model with weights as training leaves them, in which no part is a constant or idle.

    Gains, shifts and statistics begin as ones and zeros, and ConvNeXt's gains at 1e-6. They are
    drawn, and a BatchNorm takes the statistics of `images`, so that signals neither fade nor grow;
    in a network without norms kernels are large enough for that.
    """
    rng = np.random.default_rng(0)
    normed = any(variable.path.endswith("/gamma") for variable in model.variables)
    for variable in model.variables:
        kind = variable.path.rpartition("/")[2]
        if kind in {"gamma", "variable"}:  # a LayerScale's gain has no name
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif kind in {"beta", "bias"}:
            variable.assign(rng.normal(0, 0.05, variable.shape))
        elif kind == "kernel" and not normed:
            variable.assign(variable * 1.5)
    norms = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    _train(model)(images, training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    return model


def _train(model: Any) -> Any:
    """What runs all layers as in training: a backbone called with `training=False` would not."""
    inner = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    return inner[0] if inner else model


VARIANTS = {
    "plain": (plain, "float32"),
    "nested": (nested, "float32"),
    "saved": (plain, "float32"),
    "mixed_float16": (plain, "mixed_float16"),
    "float64": (plain, "float64"),
}
"""The ways in which a network comes, with the dtype policy under which its layers are made."""


def make(variant: str, family: str) -> Any:
    """A network with weights as after training; `saved`: read back from a .keras file."""
    keras.utils.set_random_seed(0)
    build, dtype = VARIANTS[variant]
    with policy(dtype):
        model = season(build(family), images_of(family, 16))
    if variant != "saved":
        return model
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "network.keras")
        model.save(file)
        return read(file)


OWN = {
    "occlusion": {"patch": 16, "stride": 16},
    "kernel_shap": {"samples": 64},
    "sobol": {"samples": 4, "cells": 3},
}
"""What some explainers need besides few samples."""


def explainer(name: str) -> Any:
    """An explainer of conf/ with few samples."""
    return cut(configured()[name], OWN.get(name, {}))
