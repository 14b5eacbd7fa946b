"""Quantus: tf-explain image by image, and its randomization test.

`quantus.explain` needs PyTorch even for a Keras model ("name 'torch' is not defined"), so the
function that it calls for these is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import quantus
from quantus.functions.explanation_func import generate_tf_explanation

from benchmarks.peers.subject import SAMPLES, Subject, Way

_NOTE = "generate_tf_explanation, because quantus.explain itself needs PyTorch"


def ways() -> Mapping[str, Way]:
    """What it offers."""
    return {
        "gradient": Way(partial(_call, "VanillaGradients"), _NOTE),
        "integrated gradients": Way(partial(_call, "IntegratedGradients", n_steps=SAMPLES), _NOTE),
        "SmoothGrad": Way(partial(_call, "SmoothGrad", num_samples=SAMPLES), _NOTE),
        "GradCAM": Way(lambda s: _call("GradCAM", s, gc_layer=s.layer), _NOTE),
        "occlusion": Way(
            lambda s: _call("OcclusionSensitivity", s, window=(1, s.patch, s.patch)), _NOTE
        ),
        "cascade": Way(_cascade, "MPRT with this function, Spearman only"),
    }


def _call(method: str, subject: Subject, **settings: Any) -> Callable[[], object]:
    given = subject.model, subject.images, subject.targets
    return partial(generate_tf_explanation, *given, method=method, **settings)


def _cascade(subject: Subject) -> Callable[[], object]:
    test = quantus.MPRT(
        similarity_func=quantus.similarity_func.correlation_spearman,
        layer_order="top_down",
        normalise=False,
        abs=False,
        disable_warnings=True,
        display_progressbar=False,
    )

    def explain(model: Any, inputs: Any, targets: Any, **_: Any) -> Any:
        return generate_tf_explanation(model, inputs, targets, method="VanillaGradients")

    return lambda: test(
        model=subject.model,
        x_batch=subject.images,
        y_batch=subject.targets,
        a_batch=None,
        explain_func=explain,
        channel_first=False,
        softmax=False,
    )
