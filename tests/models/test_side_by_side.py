"""Networks that are trained in processes of their own: when that is faster, and the same bits."""

from functools import partial

import pytest

from saliency_bench import models
from saliency_bench.datasets import Digits
from saliency_bench.models import side_by_side
from saliency_bench.models.side_by_side import START, is_faster
from saliency_bench.protocols import NetworkName, Silent

NAMES = [NetworkName(draw=draw) for draw in range(3)]


def test_processes_are_faster_where_what_they_save_exceeds_their_start():
    assert not is_faster(4, START / 2, 2), "two rounds and the start take as long as four"
    assert is_faster(4, START / 2 + 1, 2)
    assert not is_faster(1, 1000, 8), "one network has nothing beside it"
    assert not is_faster(8, 1000, 1)
    assert is_faster(3, START + 1, 2), "two rounds and the start, for three"
    assert not is_faster(3, START - 1, 2)


class Told(Silent):
    def __init__(self):
        self.lines = []

    def step(self, what, kind=""):
        self.lines.append(what)


def trainer(folder, **settings):
    small = models.CNN(filters=[4], kernel=3, units=8, training=models.Training(epochs=1))
    dataset = Digits().load()
    return models.Trainer(small, dataset, seed=3, cache=folder, **settings)


@pytest.mark.slow
def test_networks_have_the_same_bits_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setattr(side_by_side, "is_faster", lambda *_: True)
    alone = trainer(tmp_path / "alone")
    progress = Told()
    together = trainer(tmp_path / "together", processes=2, progress=progress)
    alone.prepare(NAMES)
    assert not alone.trained, "one process trains a network when it is asked for"
    together.prepare(NAMES)
    told = [line for line in progress.lines if "side by side" in line]
    assert told == [f"2 networks side by side: {count} trained" for count in (1, 2)]
    assert len(list((tmp_path / "together").glob("*.npz"))) == 3
    for name in NAMES:
        assert alone(name).fingerprint == together(name).fingerprint
        assert alone(name).history == together(name).history


def test_the_longest_training_tells_whether_processes_are_faster(tmp_path, monkeypatch):
    asked, begun = [], []
    monkeypatch.setattr(side_by_side, "is_faster", lambda *given: asked.append(given) or True)
    monkeypatch.setattr(side_by_side, "run", lambda work, *_: begun.extend(work))
    random = NetworkName("permuted", 1.0, 0)
    own = trainer(tmp_path, processes=4)
    own.prepare([*NAMES, random])
    assert list(own._ready) == [random, *NAMES], "wrong labels take longest to learn"
    assert own._ready[random] is not None
    assert not own.trained, "the report lists networks in the order of the requests"
    ((left, seconds, processes),) = asked
    assert (left, processes) == (3, 4)
    assert seconds > 0
    assert [piece.args for piece in begun] == [(name,) for name in NAMES]


def test_networks_that_are_there_are_not_trained_again(tmp_path, monkeypatch):
    first = trainer(tmp_path)
    for name in NAMES:
        first(name)
    monkeypatch.setattr(side_by_side, "run", lambda *_: pytest.fail("nothing is missing"))
    again = trainer(tmp_path, processes=2)
    again.prepare(NAMES[::-1])
    monkeypatch.setattr(again, "_find_or_train", lambda *_: pytest.fail("it was found"))
    assert [again(name).fingerprint for name in NAMES] == [
        first(name).fingerprint for name in NAMES
    ]
    assert list(again.trained) == NAMES


def test_what_a_training_raises_is_raised():
    with pytest.raises(ValueError, match="invalid literal"):
        side_by_side.run([partial(int, "none"), partial(int, "1")], 2, Silent())
