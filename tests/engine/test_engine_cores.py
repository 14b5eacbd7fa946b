"""Calls side by side: the same numbers, in any order and number of threads."""

import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from helpers.numpy_study import Gradient, Image, Method, Noisy, require_same

from saliency_bench.engine.cores import Cores
from saliency_bench.protocols import interrupts, processors

# ---------------------------------------------------------------- threads


@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_call_yields_its_own_result(count):
    with Cores(count) as together:
        results = dict(together.run((i, lambda i=i: i * i) for i in range(40)))
    assert results == {i: i * i for i in range(40)}


def test_as_many_calls_run_at_once_as_there_are_cores():
    meeting = threading.Barrier(3)
    with Cores(3) as together:
        places = dict(together.run((i, meeting.wait) for i in range(3)))
    assert sorted(places.values()) == [0, 1, 2]


def test_one_core_is_the_caller_itself():
    with Cores(1) as alone:
        threads = dict(alone.run((i, threading.get_ident) for i in range(3)))
    assert set(threads.values()) == {threading.get_ident()}


def test_results_that_nobody_takes_do_not_pile_up():
    begun = []
    with Cores(2) as together:
        results = together.run((i, lambda i=i: begun.append(i)) for i in range(50))
        next(results)
        time.sleep(0.05)
        assert len(begun) <= 4
        results.close()


def test_a_call_sees_the_callers_context():
    setting = ContextVar("setting", default="none")
    setting.set("mine")
    with Cores(2) as together:
        assert dict(together.run([(0, setting.get)])) == {0: "mine"}


def test_what_a_call_raises_is_raised_once_the_others_have_ended():
    ended, both = [], threading.Barrier(2)

    def fail():
        both.wait()
        raise OSError("no room")

    def last():
        both.wait()
        time.sleep(0.1)
        ended.append(True)

    with Cores(2) as together, pytest.raises(OSError, match="no room"):
        list(together.run([("fail", fail), ("last", last)]))
    assert ended == [True]


@pytest.mark.parametrize(
    ("text", "most"), [("max 100000", 10**6), ("50000 100000", 1), ("200000 100000", 2)]
)
def test_a_container_may_have_fewer_cores_than_its_machine(tmp_path, monkeypatch, text, most):
    monkeypatch.setattr(processors, "QUOTA", tmp_path / "cpu.max")
    (tmp_path / "cpu.max").write_text(text)
    everything = processors.available()
    monkeypatch.setattr(processors, "QUOTA", tmp_path / "none")
    assert everything == min(most, processors.available())


# ---------------------------------------------------------------- explainers


@dataclass(frozen=True)
class Meets(Gradient):
    """Returns only while another call of its kind is under way; or fails after a second."""

    meeting: threading.Barrier

    def __repr__(self):
        return "Meets()"

    def explain(self, model, images, targets, keys):
        self.meeting.wait(1)
        return super().explain(model, images, targets, keys)


@dataclass(frozen=True)
class Safe(Meets):
    thread_safe: ClassVar[bool] = True


@dataclass(frozen=True)
class SafeNoise(Noisy):
    thread_safe: ClassVar[bool] = True


@dataclass(frozen=True)
class Slow(Method):
    """Counts the calls of its kind that are under way."""

    under_way: list
    most: list
    thread_safe: ClassVar[bool] = False

    def __repr__(self):
        return "Slow()"

    def explain(self, model, images, targets, keys):
        self.under_way.append(1)
        self.most.append(len(self.under_way))
        time.sleep(0.01)
        self.under_way.pop()
        return model.gradient(images, targets)


@pytest.mark.parametrize("count", [5, 70])
def test_numbers_do_not_depend_on_the_number_of_cores(make_study, run, count):
    explainers = {"gradient": Gradient(), "noisy": SafeNoise(), "image": Image()}
    one = run(make_study(count, explainers=explainers, cores=1), "one")
    four = run(make_study(count, explainers=explainers, cores=4), "four")
    require_same(one.scores, four.scores)
    require_same(one.floors, four.floors)
    require_same(one.networks, four.networks)
    assert four.progress.steps == four.progress.total


def test_safe_explainers_run_side_by_side(make_study, run):
    meeting = threading.Barrier(2)
    own = {"one": Safe(meeting), "two": Safe(meeting)}
    assert not run(make_study(explainers=own, cores=2, similarities={})).outcome.failed


def test_the_calls_of_one_explainer_run_side_by_side(make_study, run):
    own = {"one": Safe(threading.Barrier(2))}
    assert not run(make_study(64, explainers=own, cores=2)).outcome.failed


def test_an_explainer_that_does_not_say_it_is_safe_runs_alone(make_study, run):
    under_way, most = [], []
    own = {name: Slow(under_way, most) for name in ("one", "two")}
    run(make_study(64, explainers=own, cores=4))
    assert set(most) == {1}


def test_an_explainer_that_fails_beside_others_is_a_row(make_study, run):
    @dataclass(frozen=True)
    class Breaks(Method):
        thread_safe: ClassVar[bool] = True

        def explain(self, model, images, targets, keys):
            raise RuntimeError("out of luck")

    own = {"breaks": Breaks(), "noisy": SafeNoise(), "gradient": Gradient()}
    done = run(make_study(70, explainers=own, cores=3), "three")
    assert done.outcome.failed == {"breaks": "RuntimeError: out of luck"}
    rest = {name: own[name] for name in ("noisy", "gradient")}
    alone = run(make_study(70, explainers=rest, cores=1), "alone")
    scores = done.scores[done.scores["explainer"] != "breaks"].reset_index(drop=True)
    require_same(scores, alone.scores)


def test_an_interrupt_ends_the_calls_under_way_and_the_network_is_restored(make_study, run):
    begun = threading.Event()

    @dataclass(frozen=True)
    class Waits(Method):
        thread_safe: ClassVar[bool] = True

        def explain(self, model, images, targets, keys):
            begun.set()
            while True:
                interrupts.ask()
                time.sleep(0.005)

    @dataclass(frozen=True)
    class Stops(Method):
        thread_safe: ClassVar[bool] = True

        def explain(self, model, images, targets, keys):
            begun.wait()
            stop = KeyboardInterrupt()
            interrupts._arrived.append(stop)
            raise stop

    a_study = make_study(5, explainers={"waits": Waits(), "stops": Stops()}, cores=2)
    before = a_study.network.fingerprint()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(a_study)
    finally:
        interrupts._arrived.clear()
    assert a_study.network.fingerprint() == before


def test_no_thread_of_a_run_stays_behind(make_study, run):
    before = threading.active_count()
    run(replace(make_study(), cores=4))
    assert threading.active_count() == before


def test_the_longest_calls_come_first(make_study, run):
    order = []

    @dataclass(frozen=True)
    class Takes(Method):
        seconds: float
        thread_safe: ClassVar[bool] = True

        def explain(self, model, images, targets, keys):
            order.append(self.seconds)
            time.sleep(self.seconds)
            return np.array(images)

    own = {f"{s}": Takes(s) for s in (0.0, 0.02, 0.04)}
    run(make_study(5, explainers=own, cores=1))
    # On the untouched network each makes its reference, and then the maps of the repeat.
    assert order[:6] == [0.0, 0.0, 0.02, 0.02, 0.04, 0.04]
    assert order[6:9] == [0.04, 0.02, 0.0]
