"""How much of its maps a network owes to training, measured during training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, ClassVar

from numpy.typing import NDArray

from saliency_bench import network, randomize
from saliency_bench.callbacks.bindings import Explainers, Once
from saliency_bench.callbacks.events import Events
from saliency_bench.callbacks.retained import Columns, curves
from saliency_bench.callbacks.watching import Watcher
from saliency_bench.engine.scoring import ComparableMaps, Scorer
from saliency_bench.protocols import Floats, Ints, Similarity, interrupts
from saliency_bench.similarities import Spearman

REDRAWN, PREVIOUS = "sanity/redrawn", "sanity/previous"
"""The runs; TensorBoard shows curves with equal tags in one chart."""


def _rank_correlations() -> dict[str, Similarity]:
    return {"spearman_signed": Spearman(absolute=False), "spearman_abs": Spearman(absolute=True)}


@dataclass(frozen=True)
class Sanity:
    """How a `SanityCallback` compares maps.

    Attributes:
        similarities: by name; default: Spearman, signed and absolute.
        draws: number of redrawn networks, which are the same in every record; with two or more
            there is an interval.
        seed: root of their random streams.
    """

    similarities: Mapping[str, Similarity] = field(default_factory=_rank_correlations)
    draws: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.similarities:
            raise ValueError("similarities must name at least one; got none")
        if self.draws < 1:
            raise ValueError(f"draws must be at least 1; got {self.draws}")


class SanityCallback(Watcher):
    """Similarity of maps to those of untrained networks, and to those of the previous epoch.

    It writes curves by explainer and similarity, before the first epoch and after every `every`-th
    one; a step is the number of epochs trained so far. The run `sanity/redrawn` compares the maps
    with those of the same network with all layers redrawn, and `sanity/previous` with those of the
    previous epoch. `retained` is 0 if the maps are no more similar than maps of different images
    (`similarity_null`), and 1 if they are equal. Before the first epoch the network is itself a
    random one: its maps are as similar to the redrawn ones as those of two redrawn networks
    (`similarity_floor`). If that floor is high, maps that depend on training move away from it as
    the network learns; others stay.

    These curves are no verdict: that needs a cascade of layers, see `evaluate`. The callback does
    not change the weights that training gives.

    Args:
        explainers: by name, or a single one; any callable `f(model, images, targets)` is one. If
            one does not apply or fails, a text says so once, and training continues.
        images: `[N, H, W, C]` float, model units, N >= 2; with 5 or more, every image has the same
            null.
        targets: `[N]` int, the class to explain in each image.
        log_dir: TensorBoard's folder.
        every: epochs between two records.
        sanity: similarities, draws and seed.

    Raises:
        ValueError: if an argument has a wrong type, shape or value, or `log_dir` is not writable.
    """

    notes: ClassVar[str] = REDRAWN

    def __init__(
        self,
        explainers: Explainers,
        images: Floats,
        targets: Ints,
        log_dir: str | PurePath,
        every: int = 1,
        *,
        sanity: Sanity | None = None,
    ) -> None:
        super().__init__(explainers, images, targets, log_dir, every)
        if len(self._scene) < 2:
            raise ValueError("images must be at least 2, for a null of different images; got 1")
        self._sanity = sanity or Sanity()
        self._scorer = Scorer(self._sanity.similarities)
        self._variables = Once(_all_variables)
        self._cannot_redraw = False
        self._previous: tuple[int, dict[str, ComparableMaps]] = (-1, {})

    def _records_at(self, epochs: int) -> bool:
        # The next epoch's record needs the maps of this one.
        return self._due(epochs) or self._due(epochs + 1)

    def _record(self, epochs: int) -> None:
        now = self._ready()
        if self._due(epochs):
            self._compare_with_redrawn(now, epochs)
            self._compare_with_previous(now, epochs)
        self._previous = epochs, now

    def _ready(self) -> dict[str, ComparableMaps]:
        maps = self._bindings.maps(self.model)
        return {name: self._scorer.prepare(own) for name, own in maps.items()}

    def _compare_with_redrawn(self, now: Mapping[str, ComparableMaps], epochs: int) -> None:
        columns: dict[str, list[Columns]] = {name: [] for name in now}
        before: dict[str, ComparableMaps] = {}
        for draw in range(self._sanity.draws):
            values = self._values(draw)
            if values is None:
                return
            with network.swapped(self.model, self._variables(self.model), values):
                changed = self._ready()
            for name in columns.keys() & changed.keys():
                scores = self._scorer.columns(changed[name], [now[name]], before.get(name))
                columns[name].append(scores)
            before = changed
        self._write(self._run(REDRAWN), {n: c for n, c in columns.items() if n in before}, epochs)

    def _compare_with_previous(self, now: Mapping[str, ComparableMaps], epochs: int) -> None:
        step, before = self._previous
        if step != epochs - 1:
            return
        columns: dict[str, list[Columns]] = {
            name: [self._scorer.columns(now[name], [before[name]])]
            for name in now.keys() & before.keys()
        }
        self._write(self._run(PREVIOUS), columns, epochs)

    def _write(self, events: Events, scores: Mapping[str, list[Columns]], epochs: int) -> None:
        for name, columns in scores.items():
            for curve in curves(columns):
                tag = f"{curve.quantity}/{name}/{curve.similarity}"
                events.scalar(tag, curve.value, step=epochs, about=curve.about)

    def _values(self, draw: int) -> list[NDArray[Any]] | None:
        """Weights of a redrawn network, equal at every call; None, and one note, if it fails."""
        if self._cannot_redraw:
            return None
        try:
            variables = self._variables(self.model)
            return randomize.redraw(self.model, variables, seed=self._sanity.seed, draw=draw)
        except Exception as error:  # no error may end the training
            interrupts.ask()
            self._cannot_redraw = True
            self._report("the redrawn network", f"failed: {type(error).__name__}: {error}")
            return None


def _all_variables(model: Any) -> list[Any]:
    return [variable for block in randomize.blocks(model) for variable in block.variables]
