"""How much of its maps a network owes to training, while it is trained."""

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
from saliency_bench.callbacks.watching import Watching
from saliency_bench.engine.scoring import ComparableMaps, Scorer
from saliency_bench.protocols import Floats, Ints, Similarity
from saliency_bench.similarities import Spearman

REDRAWN, PREVIOUS = "sanity/redrawn", "sanity/previous"
"""The runs: curves of equal tags stand in one chart."""


def _rank_correlations() -> dict[str, Similarity]:
    return {"spearman_signed": Spearman(absolute=False), "spearman_abs": Spearman(absolute=True)}


@dataclass(frozen=True)
class Sanity:
    """How a `SanityCallback` compares maps.

    Attributes:
        similarities: by name; default: Spearman signed and absolute.
        draws: redrawn networks, the same ones in every record; from two on there is an interval.
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


class SanityCallback(Watching):
    """How alike maps are to those without the training, and to those one epoch before.

    Curves by explainer and similarity, before the first epoch and after every `every`-th one; a
    step is the number of epochs trained so far. In the run `sanity/redrawn` the maps are compared
    with those of the same network, all of its layers redrawn; in `sanity/previous` with those of
    the epoch before. `retained` is 0 if the maps share no more than those of different images do
    (`similarity_null`), and 1 if they are the same. Before the first epoch the network is itself
    one whose weights were drawn: its maps and the redrawn ones share what two such networks do
    (`similarity_floor`). Where that is much, maps that depend on training part from it as the
    network learns; those that do not stay there.

    It is no verdict, which is taken over a cascade of layers: see `evaluate`. Training gives the
    weights that it gives without the callback.

    Args:
        explainers: by name, or a single one; any callable `f(model, images, targets)` is one. One
            that does not apply, or fails, says so once, as a text, and training goes on.
        images: `[N, H, W, C]` float, model units, N >= 2; 5 or more give every image the same null.
        targets: `[N]` int, the class to explain in each image.
        log_dir: TensorBoard's folder.
        every: epochs from one record to the next.
        sanity: similarities, draws and seed.

    Raises:
        ValueError: if an argument does not fit.
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
            raise ValueError("images must be at least 2, as their maps make the null; got 1")
        self._sanity = sanity or Sanity()
        self._scorer = Scorer(self._sanity.similarities)
        self._variables = Once(_all_variables)
        self._refused = False
        self._before: tuple[int, dict[str, ComparableMaps]] = (-1, {})

    def _wanted(self, epochs: int) -> bool:
        # The next epoch's record needs the maps of this one.
        return self._due(epochs) or self._due(epochs + 1)

    def _record(self, epochs: int) -> None:
        now = self._ready()
        if self._due(epochs):
            self._compare_with_redrawn(now, epochs)
            self._compare_with_previous(now, epochs)
        self._before = epochs, now

    def _ready(self) -> dict[str, ComparableMaps]:
        maps = self._bindings.maps(self.model)
        return {name: self._scorer.prepare(found) for name, found in maps.items()}

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
                compared = self._scorer.columns(changed[name], [now[name]], before.get(name))
                columns[name].append(compared)
            before = changed
        self._write(self._run(REDRAWN), {n: c for n, c in columns.items() if n in before}, epochs)

    def _compare_with_previous(self, now: Mapping[str, ComparableMaps], epochs: int) -> None:
        when, before = self._before
        if when != epochs - 1:
            return
        columns: dict[str, list[Columns]] = {
            name: [self._scorer.columns(now[name], [before[name]])]
            for name in now.keys() & before.keys()
        }
        self._write(self._run(PREVIOUS), columns, epochs)

    def _write(self, events: Events, found: Mapping[str, list[Columns]], epochs: int) -> None:
        for name, columns in found.items():
            for curve in curves(columns):
                tag = f"{curve.quantity}/{name}/{curve.similarity}"
                events.scalar(tag, curve.value, step=epochs, about=curve.about)

    def _values(self, draw: int) -> list[NDArray[Any]] | None:
        """Of a redrawn network, the same one at every call; None, and one note, if none can be."""
        if self._refused:
            return None
        try:
            variables = self._variables(self.model)
            return randomize.redraw(self.model, variables, seed=self._sanity.seed, draw=draw)
        except Exception as error:  # whatever it is, the training is worth more
            self._refused = True
            self._failed("the redrawn network", f"failed: {type(error).__name__}: {error}")
            return None


def _all_variables(model: Any) -> list[Any]:
    return [variable for block in randomize.blocks(model) for variable in block.variables]
