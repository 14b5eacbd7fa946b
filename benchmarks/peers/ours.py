"""This package, as `evaluate` calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks import cascade
from benchmarks.peers.subject import BATCH, MASKS, SAMPLES, Subject, Way
from saliency_bench import explainers as ex
from saliency_bench import network


def ways() -> Mapping[str, Way]:
    """All methods."""
    return {
        "gradient": _explainer(lambda subject: ex.Gradient()),
        "integrated gradients": _explainer(lambda subject: ex.IntegratedGradients(steps=SAMPLES)),
        "SmoothGrad": _explainer(lambda subject: ex.SmoothGrad(ex.Gradient(), samples=SAMPLES)),
        "GradCAM": _explainer(lambda subject: ex.GradCAM(layer=subject.layer)),
        "guided backprop": _explainer(lambda subject: ex.GuidedBackprop()),
        "occlusion": _explainer(
            lambda subject: ex.Occlusion(patch=subject.patch, stride=subject.patch)
        ),
        "RISE": _explainer(lambda subject: ex.RISE(samples=MASKS)),
        "cascade": Way(lambda s: cascade.loop(s.model, s.images, s.targets), "scored and saved"),
    }


def _explainer(of: Callable[[Subject], Any]) -> Way:
    def prepare(subject: Subject) -> Callable[[], object]:
        with network.evaluating(BATCH):
            bound = of(subject).bind(subject.model)
        return partial(bound, subject.images, subject.targets)

    return Way(prepare)
