"""A study without TensorFlow: a two-layer network, explainers, a check, all in NumPy.

Run as a program it computes the study in the folder given to it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from helpers.evidence import EXPECTED
from saliency_bench import engine
from saliency_bench.protocols import Expectation, ModelChanged, NotApplicable, Scene, Study
from saliency_bench.results import tables
from saliency_bench.similarities import SSIM, Spearman
from saliency_bench.storage.store import Store, remove_partial_files

SIDE, HIDDEN, CLASSES = 8, 5, 3


@dataclass
class Model:
    """Weights from the output down, and a log of who explained what."""

    weights: list[np.ndarray]
    calls: list[str] = field(default_factory=list)

    def hidden(self, images):
        return np.tanh(images.reshape(len(images), -1) @ self.weights[1])

    def logits(self, images):
        return (self.hidden(images) @ self.weights[0]).astype(np.float32)

    def gradient(self, images, targets):
        slopes = (1 - self.hidden(images) ** 2) * self.weights[0].T[targets]
        return (slopes @ self.weights[1].T).reshape(images.shape).astype(np.float32)


@dataclass
class Network:
    model: Model
    changes: int = 0

    def outputs(self, images):
        return self.model.logits(images)

    def fingerprint(self):
        return repr([w.tobytes() for w in self.model.weights])

    def evidence(self):
        return {"variables_changed": self.changes, "variables_exempt": 0}

    def bind(self, explainer):
        return explainer.bind(self.model)

    @contextmanager
    def guarded(self):
        before = [weights.copy() for weights in self.model.weights]
        try:
            yield []
        finally:
            pairs = zip(before, self.model.weights, strict=True)
            same = all(np.array_equal(*pair) for pair in pairs)
            self.model.weights[:] = before
        if not same:
            raise ModelChanged(["weights"])


@dataclass(frozen=True)
class Redrawn:
    """The top `stage` layers redrawn; `works=False` only says so."""

    stage: int
    draw: int
    works: bool = True
    destroys: bool = False
    moves_output: bool = True
    references: tuple = ()

    @property
    def name(self):
        return f"layer {self.stage}"

    @property
    def depth(self):
        return self.stage / 2

    @contextmanager
    def applied(self, network: Any, scene: Scene) -> Iterator[Scene]:
        before = list(network.model.weights)
        random = np.random.default_rng([self.stage, self.draw])
        try:
            for place in range(self.stage if self.works else 0):
                shape = before[place].shape
                network.model.weights[place] = random.standard_normal(shape)
            network.changes = self.stage
            yield scene
        finally:
            network.model.weights[:] = before
            network.changes = 0


@dataclass(frozen=True)
class Repeat:
    name: str = "repeat"
    stage: int = 0
    depth: float = 0.0
    draw: int = 0
    destroys: bool = False
    moves_output: bool = False
    references: tuple = ()

    @contextmanager
    def applied(self, network: Any, scene: Scene) -> Iterator[Scene]:
        yield replace(scene, keys=scene.keys + 1000)


@dataclass(frozen=True)
class Cascade:
    """Conditions draw by draw, which is not the order in which they are to be taken."""

    declares: ClassVar[Expectation] = EXPECTED
    trains: ClassVar[bool] = False

    draws: int = 3
    works: bool = True

    def conditions(self, study):
        drawn = [Redrawn(s, d, self.works) for d in range(self.draws) for s in (1, 2)]
        return (*drawn, Repeat())

    def expectation(self, study):
        return self.declares


@dataclass(frozen=True)
class Method:
    """Binds to its own `explain(model, images, targets, keys)`."""

    signed: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    uses_gradients: ClassVar[bool] = True
    multiplies_input: ClassVar[bool] = False

    def bind(self, model):
        def bound(images, targets, *, keys=None):
            model.calls.append(type(self).__name__)
            return self.explain(model, images, targets, keys)

        return bound


@dataclass(frozen=True)
class Gradient(Method):
    def explain(self, model, images, targets, keys):
        return model.gradient(images, targets)


@dataclass(frozen=True)
class Noisy(Method):
    stochastic: ClassVar[bool] = True

    def explain(self, model, images, targets, keys):
        noise = [np.random.default_rng(k).standard_normal(images.shape[1:]) for k in keys]
        return model.gradient(images, targets) + np.float32(noise)


@dataclass(frozen=True)
class Image(Method):
    def explain(self, model, images, targets, keys):
        return images


@dataclass(frozen=True)
class Tiny(Method):
    """Maps too small for SSIM."""

    def explain(self, model, images, targets, keys):
        return model.gradient(images, targets)[:, :5, :5]


@dataclass(frozen=True)
class Unbindable(Method):
    def bind(self, model):
        raise NotApplicable("it needs a convolution")


def scene(count: int) -> Scene:
    random = np.random.default_rng(count)
    images = random.standard_normal((count, SIDE, SIDE, 1)).astype(np.float32)
    return Scene(images, random.integers(0, CLASSES, count), np.arange(count))


def study(count: int = 40, **changes: Any) -> Study:
    random = np.random.default_rng(0)
    shapes = [(HIDDEN, CLASSES), (SIDE * SIDE, HIDDEN)]
    looked_at = scene(count)
    defaults = {
        "network": Network(Model([random.standard_normal(shape) for shape in shapes])),
        "scene": looked_at,
        "explainers": {"gradient": Gradient(), "noisy": Noisy(), "image": Image()},
        "similarities": {"spearman": Spearman(), "ssim": SSIM()},
        "checks": {"cascade": Cascade()},
        "labels": looked_at.targets,
    }
    return Study(**(defaults | changes))


class Counter:
    """A progress that keeps count."""

    total = steps = skipped = 0
    ended = False

    def start(self, total, *, at_most=False):
        self.total = total

    def step(self, what, kind=""):
        self.steps += 1

    def skip(self, count):
        self.skipped += count

    def done(self):
        self.ended = True


@dataclass
class Run:
    scores: Any
    floors: Any
    networks: Any
    outcome: engine.Outcome
    progress: Counter


def run(a_study: Study, folder: Path, *, save_maps: bool = False) -> Run:
    """What `saliency_bench.study.run.run` does up to the tables."""
    store, progress = Store(folder), Counter()
    remove_partial_files(folder)
    bound, lost = engine.bind(a_study)
    steps = engine.make_steps(a_study)
    outcome = engine.Loop(
        a_study, store, bound, progress, maps_to_save=engine.MapsToSave(maps=save_maps)
    ).run(steps)
    outcome.add(lost)
    scores, floors = tables.scores(a_study, store, steps, outcome)
    return Run(
        scores.frame(), floors.frame(), tables.networks(a_study, store, steps), outcome, progress
    )


def require_same(table: pd.DataFrame, other: pd.DataFrame) -> None:
    """Row for row and bit for bit, whatever further categories there are."""
    plain = (t.astype({n: str for n in t.select_dtypes("category")}) for t in (table, other))
    pd.testing.assert_frame_equal(*plain, check_exact=True)


def rows_of(table: pd.DataFrame, explainer: str) -> pd.DataFrame:
    return table[table["explainer"] == explainer].reset_index(drop=True)


if __name__ == "__main__":
    run(study(), Path(sys.argv[1]))
    print("tensorflow" in sys.modules)
