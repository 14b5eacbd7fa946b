"""PAIR saliency: methods that ask for what they need of a few images at a time.

The function that answers is the one of its notebook for TensorFlow 2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from saliency import core
from saliency import tf1 as graphs

from benchmarks.peers.subject import BATCH, SAMPLES, Subject, Way

_ONE_BY_ONE = "an image at a time"


def ways() -> Mapping[str, Way]:
    """What it offers."""
    smooth: dict[str, Any] = {"nsamples": SAMPLES, "magnitude": False}
    return {
        "gradient": Way(partial(_masks, core.GradientSaliency()), _ONE_BY_ONE),
        "integrated gradients": Way(
            partial(_masks, core.IntegratedGradients(), x_steps=SAMPLES, batch_size=BATCH),
            _ONE_BY_ONE,
        ),
        "SmoothGrad": Way(
            partial(_masks, core.GradientSaliency(), call="GetSmoothedMask", **smooth), _ONE_BY_ONE
        ),
        "GradCAM": Way(partial(_masks, core.GradCam(), three_dims=False), _ONE_BY_ONE),
        "guided backprop": Way(_guided, "a session of TensorFlow 1, an image at a time"),
        "occlusion": Way(_occlusion, "a patch at a time, as many places, one pixel apart"),
    }


def _masks(
    method: Any, subject: Subject, *, call: str = "GetMask", **settings: Any
) -> Callable[[], object]:
    answers = _answers(subject)
    explain = {"GetMask": method.GetMask, "GetSmoothedMask": method.GetSmoothedMask}[call]
    return lambda: [explain(i, answers, subject.target, **settings) for i in subject.images]


def _answers(subject: Subject) -> Callable[..., dict[str, Any]]:
    layer = subject.model.get_layer(subject.layer).output
    both = keras.Model(subject.model.inputs[0], [layer, subject.model.outputs[0]])

    def answer(
        images: Any, call_model_args: Any = None, expected_keys: Any = None
    ) -> dict[str, Any]:
        images = tf.convert_to_tensor(images, tf.float32)
        if expected_keys == [core.OUTPUT_LAYER_VALUES]:
            return {expected_keys[0]: subject.model(images)[:, call_model_args].numpy()}
        with tf.GradientTape() as tape:
            if expected_keys == [core.INPUT_OUTPUT_GRADIENTS]:
                tape.watch(images)
                output = subject.model(images)[:, call_model_args]
                return {expected_keys[0]: np.array(tape.gradient(output, images))}
            maps, output = both(images)
            gradients = np.array(tape.gradient(output[:, call_model_args], maps))
        return {
            core.CONVOLUTION_LAYER_VALUES: np.array(maps),
            core.CONVOLUTION_OUTPUT_GRADIENTS: gradients,
        }

    return answer


def _occlusion(subject: Subject) -> Callable[[], object]:
    """Its patch moves by one pixel: as large as to have as many places as the others' patches."""
    size = subject.images.shape[1] + 1 - subject.grid
    return _masks(core.Occlusion(), subject, size=size)


def _guided(subject: Subject) -> Callable[[], object]:
    graph, v1 = tf.Graph(), tf.compat.v1
    with graph.as_default():
        copy = keras.models.clone_model(subject.model)
        images = v1.placeholder(tf.float32, (None, *subject.images.shape[1:]))
        score = copy(images)[0, subject.target]
        threads = v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=2)
        session = v1.Session(graph=graph, config=threads)
        session.run(v1.global_variables_initializer())
        explainer = graphs.GuidedBackprop(graph, session, score, images)
    return lambda: [explainer.GetMask(image, feed_dict={}) for image in subject.images]
