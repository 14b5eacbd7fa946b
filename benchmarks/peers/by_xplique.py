"""Xplique: explainers made for a model, called with one-hot targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from xplique import attributions
from xplique.metrics.randomization import ModelRandomizationMetric, ProgressiveLayerRandomization

from benchmarks.peers.subject import BATCH, MASKS, SAMPLES, Subject, Way
from saliency_bench import randomize


def ways() -> Mapping[str, Way]:
    """All methods."""
    return {
        "gradient": _explainer(attributions.Saliency),
        "integrated gradients": _explainer(attributions.IntegratedGradients, steps=SAMPLES),
        "SmoothGrad": _explainer(attributions.SmoothGrad, nb_samples=SAMPLES),
        "GradCAM": Way(lambda s: _call(attributions.GradCAM, s, conv_layer=s.layer)),
        "guided backprop": _explainer(attributions.GuidedBackprop),
        "occlusion": Way(_occlusion),
        "RISE": _explainer(attributions.Rise, nb_samples=MASKS),
        "cascade": Way(_cascade, "ModelRandomizationMetric, one call per stage"),
    }


def _explainer(made: Any, **settings: Any) -> Way:
    return Way(lambda subject: _call(made, subject, **settings))


def _call(made: Any, subject: Subject, **settings: Any) -> Callable[[], object]:
    explainer = made(subject.model, batch_size=BATCH, **settings)
    return partial(explainer.explain, subject.images, subject.one_hot)


def _occlusion(subject: Subject) -> Callable[[], object]:
    patch = subject.patch
    return _call(attributions.Occlusion, subject, patch_size=patch, patch_stride=patch)


def _cascade(subject: Subject) -> Callable[[], object]:
    """It redraws down to one layer a call."""
    given = subject.model, subject.images, subject.one_hot
    explainer = attributions.Saliency(subject.model, batch_size=BATCH)
    metrics = [
        ModelRandomizationMetric(*given, ProgressiveLayerRandomization(stop_layer=stop))
        for stop in range(1, 1 + len(randomize.blocks(subject.model)))
    ]
    return lambda: [metric.evaluate(explainer) for metric in metrics]
