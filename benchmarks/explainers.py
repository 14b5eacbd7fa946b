"""Explainers against the limit: evaluations times one compiled gradient (or forward pass)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from benchmarks.networks import NETWORKS, data, evaluated, forward_limit, gradient_limit
from benchmarks.parts import Row
from benchmarks.timing import alternate
from saliency_bench import explainers as ex
from saliency_bench import network

Pair = tuple[Callable[[], object], Callable[[], object]]

BATCH = 32
SAMPLES = 50

TITLE = "Explainers"
ABOUT = f"""Over the limit: (evaluations) x (one hand-written compiled gradient, for masking methods
one forward pass) in batches of {BATCH}. M1: 28x28x1 CNN, 3.3 M weights. M2: MobileNet, alpha 0.5,
128x128x3."""
PACKAGES = ("tensorflow", "keras", "numpy")

GRADIENTS: tuple[tuple[str, Any, int, float], ...] = (
    ("gradient", ex.Gradient(), 1, 1.1),
    ("integrated gradients, 50 steps", ex.IntegratedGradients(steps=SAMPLES), SAMPLES, 1.0),
    ("expected gradients, 50 samples", ex.ExpectedGradients(samples=SAMPLES), SAMPLES, 1.0),
    ("BlurIG, 50 steps", ex.BlurIG(steps=SAMPLES), SAMPLES, 1.0),
    ("SmoothGrad, 50 samples", ex.SmoothGrad(ex.Gradient(), samples=SAMPLES), SAMPLES, 1.0),
    ("VarGrad, 50 samples", ex.VarGrad(ex.Gradient(), samples=SAMPLES), SAMPLES, 1.0),
    ("guided backprop", ex.GuidedBackprop(), 1, 1.1),
    ("Deconvnet", ex.Deconvnet(), 1, 1.1),
    ("DeepLIFT", ex.DeepLIFT(), 1, 2.0),
    ("LRP epsilon", ex.LRP("epsilon"), 1, 2.0),
    ("LRP z_plus", ex.LRP("z_plus"), 1, 2.0),
    ("LRP epsilon_plus_flat", ex.LRP("epsilon_plus_flat"), 1, 2.0),
    ("LRP gamma", ex.LRP("gamma"), 1, 2.0),
    ("LRP alpha_beta", ex.LRP("alpha_beta"), 1, 2.0),
    ("GradCAM", ex.GradCAM(), 1, 0.9),
    ("GradCAM++", ex.GradCAMPlusPlus(), 1, 0.9),
    ("LayerCAM", ex.LayerCAM(), 1, 0.9),
    ("HiResCAM", ex.HiResCAM(), 1, 0.9),
    ("ForGrad", ex.ForGrad(ex.Gradient()), 1, 1.1),
)
"""Name, method, gradients per image, and the ratio that is wanted."""

MASKS: tuple[tuple[str, Any, float], ...] = (
    ("occlusion", ex.Occlusion(), 1.0),
    ("RISE, 512 masks", ex.RISE(samples=512), 1.0),
    ("LIME, 512 masks", ex.LIME(samples=512), 1.1),
    ("KernelSHAP, 510 masks", ex.KernelSHAP(samples=510), 1.1),
    ("Sobol, 8 x 66 masks", ex.Sobol(samples=8), 1.1),
    ("HSIC, 512 masks", ex.HSIC(samples=512), 1.1),
)
"""Name, method, and the ratio that is wanted; the limit is that of their forward passes."""

MASKED = 4
"""Images that are seen through masks."""


QUICK = ("gradient", "integrated gradients, 50 steps", "occlusion")
"""Methods to try out."""


def rows(quick: bool, methods: Sequence[str] = ()) -> Iterator[Row]:
    """A row per network and method: CPU and wall ratio to the limit, and the target.

    Args:
        quick: whether this is to try out.
        methods: names of methods; default: all, or a few to try out.
    """
    for name, build in NETWORKS.items():
        yield from _of(name, build(), methods or (QUICK if quick else ()))


def _of(name: str, model: Any, methods: Sequence[str]) -> Iterator[Row]:
    images, targets = data(model, BATCH)
    gradient = gradient_limit(model)
    for method, explainer, evaluations, wanted in GRADIENTS:
        if methods and method not in methods:
            continue
        with network.evaluating(BATCH):
            work = partial(explainer.bind(model), images, targets)
        limit = evaluated(gradient, images, targets, BATCH * evaluations)
        yield _row(name, method, (work, limit), wanted, 15 if evaluations == 1 else 5)
    for of in MASKS:
        if not methods or of[0] in methods:
            yield _masking(name, model, *of)


def _masking(name: str, model: Any, method: str, explainer: Any, wanted: float) -> Row:
    images, targets = data(model, BATCH)
    with network.evaluating(BATCH):
        bound = explainer.bind(model)
    # A whole number of batches, as is evaluated.
    masks = MASKED * explainer.probe(images[0], 0).count
    limit = evaluated(forward_limit(model), images, targets, -(-masks // BATCH) * BATCH)
    return _row(name, method, (partial(bound, images[:MASKED], targets[:MASKED]), limit), wanted, 5)


def _row(name: str, method: str, pair: Pair, wanted: float, runs: int) -> Row:
    ratio = alternate(*pair, runs=runs)
    return {
        "network": name,
        "method": method,
        "cpu": ratio.cpu,
        "wall": ratio.wall,
        "wanted": wanted,
    }
