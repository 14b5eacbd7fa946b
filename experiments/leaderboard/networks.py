"""What the leaderboard runs: networks, and on each the runs that it can bear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saliency_bench.study.build import Options
from saliency_bench.study.vocabulary import config_dir, from_name

DATA = "${oc.env:SALIENCY_BENCH_DATA,data}"

UNTRAINED = (
    "param_randomization", "random_logit", "input_invariance", "cosine_convergence",
    "graded_randomization", "efficient_mprt",
)  # fmt: skip
"""Checks of one network as it is."""

TRAINING = (
    "data_randomization", "task_swap", "relative_importance", "spurious_background",
    "mislabelled_training", "out_of_distribution",
)  # fmt: skip
"""Checks that train networks of the same kind."""

MAP = (
    "symmetric_relevance_gain", "road", "deletion", "insertion", "faithfulness_correlation",
    "infidelity", "versus_inverse", "gini", "entropy",
)  # fmt: skip
"""Metrics of a map beside its network."""

TRAINED = (*MAP, "f_fidelity")
"""And the one that trains the network further, on training images."""

STABILITY = ("max_sensitivity", "relative_stability")
"""Metrics that explain each image many times more."""

PLACE = (
    "grid_pointing", "relevance_mass", "relevance_rank", "pointing_game", "localization_auc",
)  # fmt: skip
"""Metrics of mosaics, whose masks are known; `focus` has mosaics of its own."""

CONTROLS = "saliency_bench.explainers.controls"
"""Where explainers are that are not under test."""

CHEAPER = {
    "explainer.rise.samples": 256,
    "explainer.lime.samples": 256,
    "explainer.kernel_shap.samples": 256,
    "explainer.hsic.samples": 256,
    "explainer.sobol.samples": 8,
    "explainer.integrated_gradients.steps": 25,
    "explainer.ig_smoothgrad.samples": 10,
    "explainer.ig_smoothgrad.base.steps": 10,
}
"""Settings of all runs: at their defaults these explainers take most of the time."""


@dataclass(frozen=True)
class Run:
    """One command.

    Attributes:
        checks: what it breaks.
        metrics: what it asks of the maps.
        settings: further overrides.
    """

    checks: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """A network on its images.

    Attributes:
        settings: overrides of all its runs.
        runs: by name.
    """

    settings: Mapping[str, object]
    runs: Mapping[str, Run]


FEWER = {
    **dict.fromkeys(
        (f"explainer.{name}.samples" for name in ("rise", "lime", "kernel_shap", "hsic")), 128
    ),
    "explainer.sobol.samples": 4,
    **dict.fromkeys(
        (
            f"explainer.{name}.samples"
            for name in ("smoothgrad", "vargrad", "square_grad", "expected_gradients")
        ),
        25,
    ),
    "explainer.blur_ig.steps": 25,
    "explainer.guided_ig.steps": 25,
    "+explainer.xrai.base.steps": 25,
    "explainer.ig_smoothgrad.samples": 5,
}
"""What the network of 224x224 pixels can bear of it: half, about."""

_RESNET = {
    "dataset": "npz",
    "dataset.path": f"{DATA}/cifar10_test1000.npz",
    "dataset.mean": "[0.485,0.456,0.406]",
    "dataset.std": "[0.229,0.224,0.225]",
    "model": "saved",
    "model.path": f"{DATA}/resnet20_cifar10.keras",
}
_MOBILENET = {
    "dataset": "image_folder",
    "dataset.path": f"{DATA}/imagenet_samples",
    "dataset.classes": f"{DATA}/imagenet_class_index.json",
    "model": "application",
    "model.name": "MobileNet",
    "model.weights": f"{DATA}/mobilenet_v1_0.75_224.weights.h5",
    "model.input_shape": "[224,224,3]",
    "+model.options.alpha": 0.75,
    **FEWER,
}
_MNIST = {
    "dataset": "npz",
    "dataset.path": f"{DATA}/mnist_t10k.npz",
    "dataset.train_path": f"{DATA}/mnist_train.npz",
    "dataset.train_limit": 5000,
    "model": "cnn",
}

NETWORKS: Mapping[str, Network] = {
    "cnn_digits": Network(
        {"dataset": "digits", "model": "cnn", "n_images": 32},
        {
            "weights": Run(UNTRAINED),
            "labels": Run(TRAINING, settings={"model": "small_cnn", "n_images": 16}),
            "maps": Run(metrics=TRAINED),
            "stability": Run(metrics=STABILITY, settings={"n_images": 8}),
        },
    ),
    "vit_digits": Network(
        {"dataset": "digits", "model": "vit", "n_images": 32},
        {
            "weights": Run(UNTRAINED, settings={"n_images": 16}),
            "maps": Run(metrics=TRAINED),
            "stability": Run(metrics=STABILITY, settings={"n_images": 8}),
        },
    ),
    "pooling_cnn_mosaics": Network(
        {"dataset": "mosaic", "model": "pooling_cnn", "n_images": 32},
        {
            "places": Run(metrics=PLACE),
            "focus": Run(metrics=("focus",), settings={"dataset.focus": "true"}),
        },
    ),
    "cnn_mnist": Network(
        {**_MNIST, "n_images": 32},
        {"weights": Run(UNTRAINED), "maps": Run(metrics=TRAINED)},
    ),
    "resnet20_cifar10": Network(
        {**_RESNET, "n_images": 16},
        {
            "weights": Run(
                UNTRAINED, settings={"check.param_randomization.exclude": "[*_shortcut_pad]"}
            ),
            "maps": Run(metrics=MAP),
        },
    ),
    "mobilenet_imagenet": Network(
        {**_MOBILENET, "n_images": 8, "dataset.limit": 8},
        {
            "weights": Run(
                ("param_randomization", "random_logit", "input_invariance"),
                settings={"check.param_randomization.stages": 4},
            ),
            "maps": Run(metrics=MAP),
        },
    ),
}
"""In the order of the columns."""


def explainers() -> dict[str, Any]:
    """All explainers of conf/ that are under test; the controls of a run come by themselves."""
    names = sorted(path.stem for path in Path(config_dir(), "explainer").glob("*.yaml"))
    every = {name: from_name("explainer", name, Options()) for name in names}
    return {name: own for name, own in every.items() if CONTROLS not in type(own).__module__}
