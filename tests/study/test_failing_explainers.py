"""Explainers that raise or change a Keras model: a row each, and their neighbours' bits."""

import numpy as np
import pandas as pd
import pytest

from saliency_bench import explainers as ex
from saliency_bench.protocols import NotApplicable
from saliency_bench.report.text import markdown
from saliency_bench.similarities import Spearman
from saliency_bench.study.evaluate import Options, evaluate

RANK = {"spearman_signed": Spearman(absolute=False)}


class Unbound(ex.Gradient):
    def bind(self, model):
        raise ValueError("zip() argument 2 is shorter than argument 1")


class Refuses(ex.Gradient):
    def bind(self, model):
        raise NotApplicable("it needs a ReLU")


class WritesAtBind(ex.Gradient):
    def bind(self, model):
        bound = super().bind(model)
        model.variables[0].assign(np.zeros(model.variables[0].shape))
        return bound


class Later(ex.Method):
    """Does something to the model at each call but the first one."""

    def __init__(self, change):
        self.change = change
        self.calls = 0

    def __repr__(self):
        return f"Later({self.change.__name__})"

    def bind(self, model):
        def explain(images, targets, *, keys=None):
            self.calls += 1
            if self.calls > 1:
                self.change(model)
            return images

        return explain


def written(model):
    model.variables[-1].assign_add(np.ones(model.variables[-1].shape, np.float32))


def frozen(model):
    model.trainable = False


def linear(model):
    model.layers[0].activation = np.asarray


def trained(model):
    model.compile("sgd", "mse")
    model.fit(np.ones((2, *model.input_shape[1:])), np.ones((2, 3)), verbose=0)


FAULTS = {
    "unbound": Unbound(),
    "at_bind": WritesAtBind(),
    **{change.__name__: Later(change) for change in (written, frozen, linear, trained)},
}


@pytest.fixture(scope="module")
def model():
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(4, 3, activation="relu", name="conv"), keras.layers.Flatten()]
    end = keras.layers.Dense(3, name="out")
    return keras.Sequential([keras.Input((10, 10, 1)), *layers, end], name="net")


@pytest.fixture(scope="module")
def found(model):
    images = np.random.default_rng(0).standard_normal((8, 10, 10, 1)).astype(np.float32)

    def run(**explainers):
        options = Options(draws=2)
        return evaluate(
            model, images, None, explainers=explainers, similarities=RANK, options=options
        )

    before = [variable.numpy().tobytes() for variable in model.variables]
    neighbours = {"gradient": ex.Gradient(), "grad_cam": ex.GradCAM()}
    both = run(**FAULTS, refuses=Refuses(), **neighbours)
    assert [variable.numpy().tobytes() for variable in model.variables] == before
    assert model.trainable
    assert model.layers[0].activation.__name__ == "relu"
    return both, run(**neighbours)


def test_each_is_a_row_with_its_cause(found):
    put_back = "it changed the model, which was put back: "
    failed = dict(found[0].provenance["failed"])
    assert failed.pop("frozen").startswith(f"{put_back}net.trainable, ")
    assert failed == {
        "unbound": "zip() argument 2 is shorter than argument 1",
        "at_bind": f"{put_back}net/conv/kernel",
        "written": f"{put_back}net/out/bias",
        "linear": f"{put_back}conv.activation",
        "trained": f"{put_back}net/conv/kernel, net/conv/bias, net/out/kernel and 1 more",
    }
    assert found[0].provenance["not_applicable"] == {"refuses": "it needs a ReLU"}
    verdicts = found[0].verdicts.set_index("explainer")["verdict"]
    assert verdicts[list(FAULTS)].tolist() == ["error"] * len(FAULTS)
    assert verdicts["refuses"] == "not_applicable"
    page = markdown.text(found[0], [])
    assert all(cause in page for cause in found[0].provenance["failed"].values())


def test_its_neighbours_have_the_bits_they_have_alone(found):
    both, alone = found
    kept = both.scores[both.scores["explainer"].isin(alone.scores["explainer"].unique())]
    words = kept.select_dtypes("category").columns
    plain = [table.astype(dict.fromkeys(words, str)) for table in (kept, alone.scores)]
    order = ["explainer", "similarity", "stage", "draw", "image"]
    pd.testing.assert_frame_equal(
        *(table.sort_values(order, ignore_index=True) for table in plain), check_exact=True
    )
    pd.testing.assert_frame_equal(both.networks, alone.networks, check_exact=True)
