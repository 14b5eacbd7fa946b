import time
from dataclasses import dataclass

import numpy as np
import pytest
from helpers.numpy_study import (
    Cascade,
    Gradient,
    Image,
    Method,
    Tiny,
    Unbindable,
    require_same,
    rows_of,
)

from saliency_bench.engine.outcome import LONGEST
from saliency_bench.protocols import NotApplicable, ProofError
from saliency_bench.similarities import SSIM, HOGCorrelation, Spearman


@dataclass(frozen=True)
class Breaks(Method):
    """Does as another explainer, until its call number `at`."""

    at: int
    error: BaseException
    shape: tuple[int, ...] = ()

    def explain(self, model, images, targets, keys):
        if model.calls.count("Breaks") >= self.at:
            if self.shape:
                return np.zeros(self.shape)
            raise self.error
        return model.gradient(images, targets)


@pytest.mark.parametrize("at", [1, 2, 5])
def test_an_explainer_that_raises_gets_an_error_row_and_its_neighbours_finish(make_study, run, at):
    broken = Breaks(at, RuntimeError("out of luck\nand more"))
    a_study = make_study(70, explainers={"broken": broken, "gradient": Gradient()})
    result = run(a_study)
    rows = rows_of(result.scores, "broken")
    assert rows["status"].tolist() == ["error"] * 2
    assert rows["condition"].tolist() == ["RuntimeError: out of luck and more"] * 2
    assert rows["image"].tolist() == [-1] * 2
    assert rows[["score", "null", "ceiling"]].isna().all(axis=None)
    assert "broken" not in set(result.floors["explainer"])
    alone = run(make_study(70, explainers={"gradient": Gradient()}), "alone")
    require_same(rows_of(result.scores, "gradient"), alone.scores)
    assert a_study.network.model.calls.count("Breaks") == at  # it is not asked again
    assert result.progress.steps == result.progress.total


@pytest.mark.parametrize("at", [1, 3])
def test_not_applicable_at_the_call_is_a_row_with_its_reason(make_study, run, at):
    refusing = Breaks(at, NotApplicable("it needs a ReLU"))
    rows = rows_of(run(make_study(explainers={"r": refusing, "i": Image()})).scores, "r")
    assert rows["status"].tolist() == ["not_applicable"] * 2
    assert rows["condition"].tolist() == ["it needs a ReLU"] * 2


def test_not_applicable_at_bind_is_a_row_with_its_reason(make_study, run):
    explainers = {"first": Unbindable(), "gradient": Gradient()}
    checks = {"one": Cascade(), "two": Cascade(draws=1)}
    scores = run(make_study(explainers=explainers, checks=checks)).scores
    rows = rows_of(scores, "first")
    assert rows["condition"].tolist() == ["it needs a convolution"] * 4
    assert rows["check"].tolist() == ["one", "one", "two", "two"]
    assert scores["explainer"].iloc[0] == "first"  # in its place among the others


@pytest.mark.parametrize("shape", [(32, 8, 8), (1, 8, 8, 1), (32, 0, 8, 1), (32,)])
def test_maps_of_a_wrong_shape_are_an_error_row(make_study, run, shape):
    broken = Breaks(1, RuntimeError(), shape)
    rows = rows_of(run(make_study(32, explainers={"b": broken, "i": Image()})).scores, "b")
    assert set(rows["status"]) == {"error"}
    assert "maps must be [32, H, W, C]; got shape" in rows["condition"].iloc[0]


def test_maps_that_change_their_shape_under_a_change_are_an_error_row(make_study, run):
    broken = Breaks(3, RuntimeError(), (32, 4, 4, 1))
    rows = rows_of(run(make_study(32, explainers={"b": broken, "i": Image()})).scores, "b")
    assert "must keep their shape (32, 8, 8, 1)" in rows["condition"].iloc[0]


@pytest.mark.parametrize("measure", [SSIM(), HOGCorrelation()])
def test_a_measure_that_refuses_an_explainers_maps_is_a_row(make_study, run, measure):
    similarities = {"rank": Spearman(), "picky": measure}
    a_study = make_study(explainers={"tiny": Tiny()}, similarities=similarities)
    scores = run(a_study).scores
    picky = scores[scores["similarity"] == "picky"]
    assert picky["status"].tolist() == ["not_applicable"]
    assert "5x5" in picky["condition"].iloc[0]
    assert (scores.loc[scores["similarity"] == "rank", "status"] == "ok").all()


@dataclass(frozen=True)
class RaisesAtBind(Method):
    error: BaseException

    def bind(self, model):
        model.weights[0][:] = 0
        raise self.error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ValueError("zip() argument 2 is longer"), "zip() argument 2 is longer"),
        (KeyError("conv"), "KeyError: 'conv'"),
        (RuntimeError("\x1b[1mtwo\x1b[0m\nlines"), "RuntimeError: two lines"),
        (AssertionError("x" * 1000), "AssertionError: " + "x" * (LONGEST - 20) + " ..."),
    ],
)
def test_an_explainer_that_raises_at_bind_is_a_row_with_its_cause(make_study, run, error, cause):
    a_study = make_study(explainers={"b": RaisesAtBind(error), "gradient": Gradient()})
    result = run(a_study)
    rows = rows_of(result.scores, "b")
    assert rows["status"].tolist() == ["error"] * 2
    assert rows["condition"].tolist() == [cause] * 2
    alone = run(make_study(explainers={"gradient": Gradient()}), "alone")
    require_same(rows_of(result.scores, "gradient"), alone.scores)
    require_same(result.networks, alone.networks)


@dataclass(frozen=True)
class Meddles(Method):
    """Writes a weight in its call number `at`; the log of calls is the model's."""

    at: int

    def explain(self, model, images, targets, keys):
        maps = model.gradient(images, targets)
        if model.calls.count("Meddles") >= self.at:
            time.sleep(0.05)  # so that the network is evaluated beside it
            model.weights[0][:] = 0
        return maps


@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_explainer_that_changes_the_model_is_a_row_and_its_neighbours_finish(
    make_study, run, at
):
    a_study = make_study(explainers={"m": Meddles(at), "gradient": Gradient(), "i": Image()})
    before = a_study.network.fingerprint()
    result = run(a_study)
    assert a_study.network.fingerprint() == before
    rows = rows_of(result.scores, "m")
    assert rows["status"].tolist() == ["error"] * 2
    told = "it changed the model, which was put back: weights"
    assert rows["condition"].tolist() == [told] * 2
    alone = run(make_study(explainers={"gradient": Gradient(), "i": Image()}), "alone")
    for name in ("gradient", "i"):
        require_same(rows_of(result.scores, name), rows_of(alone.scores, name))
    require_same(result.networks, alone.networks)


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's."""


@pytest.mark.parametrize("error", [MemoryError("8 GiB"), ResourceExhaustedError("8 GiB")])
@pytest.mark.parametrize("make", [RaisesAtBind, lambda error: Breaks(2, error)])
def test_no_memory_is_no_row(make_study, run, make, error):
    with pytest.raises(MemoryError, match=r"ran out in b; a smaller batch_size .*\(.*: 8 GiB\)"):
        run(make_study(explainers={"b": make(error), "i": Image()}))


@pytest.mark.parametrize("make", [RaisesAtBind, lambda error: Breaks(2, error)])
def test_an_interrupt_is_no_row(make_study, run, make):
    a_study = make_study(explainers={"b": make(KeyboardInterrupt()), "i": Image()})
    before = a_study.network.fingerprint()
    with pytest.raises(KeyboardInterrupt):
        run(a_study)
    assert a_study.network.fingerprint() == before


@pytest.mark.parametrize("make", [RaisesAtBind, lambda error: Breaks(2, error)])
def test_an_explainer_that_ends_the_process_is_a_row(make_study, run, make):
    result = run(make_study(explainers={"b": make(SystemExit(3)), "gradient": Gradient()}))
    cause = "it ended the process by sys.exit(3)"
    assert set(rows_of(result.scores, "b")["condition"]) == {cause}


def test_a_change_that_does_not_move_the_output_is_a_proof_error(make_study, run):
    a_study = make_study(checks={"idle": Cascade(works=False)})
    with pytest.raises(ProofError, match="the output did not move under 'layer 1'"):
        run(a_study)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError(), NotApplicable("no")])
def test_the_network_comes_back_whatever_is_raised(make_study, run, error):
    a_study = make_study(explainers={"b": Breaks(4, error), "gradient": Gradient()})
    before = a_study.network.fingerprint()
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            run(a_study)
    else:
        run(a_study)
    assert a_study.network.fingerprint() == before
