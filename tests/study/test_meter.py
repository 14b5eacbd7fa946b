"""What a run says it takes: counted by hand, with explainers whose time and rows are known."""

import logging
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.listener import Listener

from saliency_bench import explainers as ex
from saliency_bench import protocols
from saliency_bench.network.batches import Batches
from saliency_bench.protocols import Scene, Study
from saliency_bench.study import meter

IMAGES = 64


@dataclass(frozen=True)
class Change:
    name: str = "change"
    stage: int = 1
    draw: int = 0


@dataclass(frozen=True, eq=False)
class Part:
    """One shard of a plan."""

    check: str = "redraw"
    start: int = 0
    stop: int = IMAGES
    condition: Change = Change()
    references: tuple = ()

    def __len__(self):
        return self.stop - self.start


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@dataclass
class Method:
    """An explainer that takes seconds for a call, more for the first one."""

    clock: Clock
    seconds: float
    rows: int
    compiling: float = 100.0
    calls: int = 0
    batches: object = field(default_factory=Batches)

    def __call__(self, images, targets, *, keys=None):
        self.clock.now += self.seconds + (0 if self.calls else self.compiling)
        self.calls += 1
        self.batches.count(self.rows)
        return images


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(meter.time, "perf_counter", clock)
    return clock


def study(images=IMAGES, **settings):
    scene = Scene(np.zeros((images, 2, 2, 1)), np.zeros(images, int), np.arange(images))
    checks = {"redraw": SimpleNamespace(trains=False), "train": SimpleNamespace(trains=True)}
    return Study(None, scene, {}, {}, checks, **settings)


def metered(bound, steps, *, of=None, workers=1):
    told = Listener()
    known = replace(of or study(), explainers=dict.fromkeys(bound))
    watching = meter.Meter(told, known, steps, workers=workers)
    watched = watching.watch(bound)
    watching.start(len(steps) * (len(bound) + 1))
    return watched, watching, told


def call(bound, images=32):
    return bound(np.zeros((images, 2, 2, 1)), np.zeros(images, int), keys=None)


STEPS = [Part() for _ in range(10)]  # and once more as what the others are compared with


def test_evaluations_and_time_are_those_of_the_second_calls(clock):
    bound = {"fast": Method(clock, 1.0, 32), "slow": Method(clock, 9.0, 320)}
    watched, _, told = metered(bound, STEPS)
    for own in watched.values():
        call(own)
    assert told.lines == []
    for own in watched.values():
        call(own)
    # 11 times 64 images, at 1 + 10 evaluations and 10 / 32 seconds each.
    assert told.lines == [
        "this run takes about 7,744 evaluations of the network and 4 min, compilation apart; "
        "n_images=32 halves that; 91% of them are for slow"
    ]
    for own in watched.values():
        call(own)
    assert len(told.lines) == 1


def test_what_runs_beside_the_calls_counts(clock, caplog):
    watched, _, told = metered({"only": Method(clock, 1.0, 32)}, STEPS)
    call(watched["only"])
    clock.now += 1.0  # as long as a call
    with caplog.at_level(logging.INFO):
        call(watched["only"])
    assert "704 evaluations of the network and 44 s, compilation apart" in told.lines[0]
    assert told.lines[0] in caplog.text


def test_what_is_there_is_not_done_again_and_workers_share(clock):
    watched, watching, told = metered({"only": Method(clock, 10.0, 32)}, STEPS, workers=2)
    watching.start(10)  # half of 20 cells
    call(watched["only"])
    call(watched["only"])
    assert "352 evaluations of the network and 55 s" in told.lines[0]


def test_a_short_run_needs_no_announcement(clock):
    watched, _, told = metered({"only": Method(clock, 1.0, 32)}, STEPS)
    call(watched["only"])
    call(watched["only"])  # 22 calls in all
    assert told.lines == []


def test_an_explainer_that_fails_is_not_waited_for(clock):
    def broken(images, targets, *, keys=None):
        raise protocols.NotApplicable("no layer")

    watched, _, told = metered({"only": Method(clock, 9.0, 32), "broken": broken}, STEPS)
    call(watched["only"])
    with pytest.raises(protocols.NotApplicable):
        call(watched["broken"])
    call(watched["only"])
    assert len(told.lines) == 1


def test_what_is_never_called_is_not_waited_for(clock):
    bound = {"only": Method(clock, 9.0, 32), "own": Method(clock, 1.0, 0)}
    known = Study(None, study().scene, {"only": None, "own": ex.OwnRegion()}, {}, study().checks)
    told = Listener()
    watched = meter.Meter(told, known, STEPS).watch(bound)
    call(watched["only"])
    call(watched["only"])
    assert len(told.lines) == 1


def test_a_run_is_told_as_the_study_says(clock):
    _, watching, told = metered({"only": Method(clock, 1.0, 32)}, STEPS)
    watching.step("what", "kind")
    watching.tell("a line")
    assert (told.steps, told.lines, told.total) == (["what"], ["a line"], 20)


def drawn(count, check="redraw"):
    return [Part(condition=Change(draw=draw), check=check) for draw in range(count)]


@pytest.mark.parametrize(
    ("images", "batch", "steps", "text"),
    [
        (100, 32, drawn(5), "n_images=50 halves that"),
        (32, 32, drawn(5), "draws=3 takes 60% of that"),  # fewer images fill as many batches
        (32, 16, drawn(5), "n_images=16 halves that"),
        (32, 32, drawn(3), ""),
        (32, 32, drawn(5, "train"), ""),
        (32, 32, [*drawn(6), *drawn(6, "train")], "draws=3 takes 75% of that"),
    ],
)
def test_the_setting_that_makes_it_shorter(images, batch, steps, text):
    assert meter.shorter(study(images, batch_size=batch), steps) == text
