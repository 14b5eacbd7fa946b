"""tf-explain: classes whose `explain` draws one picture of all images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tf_explain.core import grad_cam, occlusion_sensitivity, smoothgrad
from tf_explain.core import integrated_gradients as integrated
from tf_explain.core import vanilla_gradients as vanilla

from benchmarks.peers.subject import BATCH, SAMPLES, Subject, Way


def ways() -> Mapping[str, Way]:
    """What it offers."""
    occlusion = partial(occlusion_sensitivity.OcclusionSensitivity, batch_size=BATCH)
    return {
        "gradient": Way(partial(_call, vanilla.VanillaGradients)),
        "integrated gradients": Way(
            partial(_call, integrated.IntegratedGradients, n_steps=SAMPLES)
        ),
        "SmoothGrad": Way(partial(_call, smoothgrad.SmoothGrad, num_samples=SAMPLES)),
        "GradCAM": Way(lambda s: _call(grad_cam.GradCAM, s, layer_name=s.layer)),
        "occlusion": Way(lambda s: _call(occlusion, s, patch_size=s.patch)),
    }


def _call(made: Any, subject: Subject, **settings: Any) -> Callable[[], object]:
    given = (subject.images, None), subject.model, subject.target
    return partial(made().explain, *given, **settings)
