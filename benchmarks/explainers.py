"""Explainers against the limit: evaluations times one compiled gradient (or forward pass)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.networks import data, evaluated, forward_limit, gradient_limit, m1, m2
from benchmarks.timing import alternate
from saliency_bench import explainers as ex
from saliency_bench import network

Pair = tuple[Callable[[], object], Callable[[], object]]

BATCH = 32
SAMPLES = 50

METHODS: tuple[tuple[str, Any, int, float], ...] = (
    ("gradient", ex.Gradient(), 1, 1.1),
    ("integrated gradients, 50 steps", ex.IntegratedGradients(steps=SAMPLES), SAMPLES, 1.0),
    ("SmoothGrad, 50 samples", ex.SmoothGrad(ex.Gradient(), samples=SAMPLES), SAMPLES, 1.0),
    ("GradCAM", ex.GradCAM(), 1, 0.9),
    ("guided backprop", ex.GuidedBackprop(), 1, 1.1),
)
"""Name, method, gradients per image, and the ratio that is wanted."""


def rows() -> list[dict[str, Any]]:
    """A row per network and method: CPU and wall ratio to the limit, and the target."""
    return [row for name, build in (("M1", m1), ("M2", m2)) for row in _of(name, build())]


def _of(name: str, model: Any) -> list[dict[str, Any]]:
    images, targets = data(model, BATCH)
    gradient = gradient_limit(model)
    found = []
    for method, explainer, evaluations, wanted in METHODS:
        with network.evaluating(BATCH):
            work = partial(explainer.bind(model), images, targets)
        limit = evaluated(gradient, images, targets, BATCH * evaluations)
        found.append(_row(name, method, (work, limit), wanted, 15 if evaluations == 1 else 5))
    return [*found, _occlusion(name, model)]


def _occlusion(name: str, model: Any) -> dict[str, Any]:
    images, targets = data(model, BATCH)
    occlusion = ex.Occlusion()
    with network.evaluating(BATCH):
        bound = occlusion.bind(model)
    evaluations = BATCH * (len(occlusion.patches(*images.shape[1:3])) + 1)
    limit = evaluated(forward_limit(model), images, targets, evaluations)
    return _row(name, "occlusion", (partial(bound, images, targets), limit), 1.0, 5)


def _row(name: str, method: str, pair: Pair, wanted: float, runs: int) -> dict[str, Any]:
    ratio = alternate(*pair, runs=runs)
    return {
        "network": name,
        "method": method,
        "cpu": ratio.cpu,
        "wall": ratio.wall,
        "wanted": wanted,
    }
