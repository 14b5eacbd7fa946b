"""`evaluate` on several cores: the same bits, also while other threads compile."""

import threading

import keras
import numpy as np
import pandas as pd
import pytest

from saliency_bench import evaluate
from saliency_bench import explainers as ex
from saliency_bench.study.build import Options

EXPLAINERS = {
    "gradient": ex.Gradient(),
    "integrated_gradients": ex.IntegratedGradients(steps=4),
    "smoothgrad": ex.SmoothGrad(ex.Gradient(), samples=4),
    "guided_backprop": ex.GuidedBackprop(),
    "grad_cam": ex.GradCAM(),
    "occlusion": ex.Occlusion(patch=4),
    "rise": ex.RISE(samples=8, cells=4),
    "lrp": ex.LRP("epsilon"),
}


ONE = {"similarities": "spearman_abs"}


def model(side):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((side, side, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )


def run(own, cores):
    random = np.random.default_rng(0)
    images = random.random((40, 12, 12, 1)).astype(np.float32)
    options = Options(draws=3, cores=cores)
    return evaluate(
        own, images, explainers=EXPLAINERS, similarities="spearman_abs", options=options
    )


@pytest.mark.parametrize("side", [12, None], ids=["fixed size", "any size"])
def test_the_bits_do_not_depend_on_the_number_of_cores(side):
    """A network of any size is compiled in the first call, while other threads explain."""
    own = model(side)
    four = run(own, 4)
    one = run(own, 1)
    assert one.provenance["failed"] == four.provenance["failed"] == {}
    pd.testing.assert_frame_equal(one.scores, four.scores, check_exact=True)
    pd.testing.assert_frame_equal(one.summary, four.summary, check_exact=True)


def test_a_call_that_compiles_disturbs_no_call_beside_it():
    own = model(None)
    bound = [explainer.bind(own) for explainer in EXPLAINERS.values()]
    images = [np.full((2, side, side, 1), 0.5, np.float32) for side in range(10, 18)]
    expected = [ex.Gradient().compile(own)(rows, np.array([0, 1])) for rows in images]
    found, errors = {}, []

    def explain(place):
        try:
            for number, rows in enumerate(images):
                found[place, number] = bound[place](rows, np.array([0, 1]))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=explain, args=(place,)) for place in range(len(bound))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for number, maps in enumerate(expected):
        np.testing.assert_array_equal(found[0, number], maps)
