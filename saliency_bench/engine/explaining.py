"""Calls of explainers under one condition: side by side where they may, else one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from threading import Lock

import numpy as np

from saliency_bench.engine.cores import Cores
from saliency_bench.engine.outcome import Outcome
from saliency_bench.engine.plan import NETWORK
from saliency_bench.engine.references import Maps, require_maps
from saliency_bench.protocols import Bound, RegionExplainer, Scene, Study, interrupts

Call = tuple[tuple[str, int], Callable[[], list[Maps] | None]]
"""An explainer's name and the number of its call; and the call, None if the explainer fails."""

Begin = Callable[[str], None]


class Explaining:
    """What the checks of a study ask its explainers for, bound to its model.

    Args:
        study: gives the network and the explainers.
        bound: what applies, by the name of its call.
        cores: runs calls side by side.
        outcome: learns which explainers fail, and why.
    """

    def __init__(
        self, study: Study, bound: Mapping[str, Bound], cores: Cores, outcome: Outcome
    ) -> None:
        self._study = study
        self._asked = study.calls()
        self._bound = bound
        self._cores = cores
        self._outcome = outcome
        self._lock = Lock()
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._seconds: dict[str, float] = {}

    def maps(
        self, scenes: Mapping[str, Sequence[Scene]], begin: Begin = lambda name: None
    ) -> Iterator[tuple[str, list[Maps]]]:
        """Maps of all images of a shard, as soon as an explainer has made them.

        An explainer that fails is left out, and `outcome` says why.

        Args:
            scenes: what each explainer is shown, of as many images each; `NETWORK` stands for the
                network's own outputs.
            begin: is told each name when its first call begins, in one thread at a time.

        Yields:
            A name, and its maps `[N, H, W, C']` of each scene.
        """
        safe = {n for n in scenes if n == NETWORK or self._is_thread_safe(n)}
        # The longest calls come first, so that no core waits for one that began last.
        order = sorted(scenes, key=lambda name: -self._seconds.get(name, np.inf))
        calls = {name: list(self._calls(name, scenes[name], begin)) for name in order}
        together = [call for name in order if name in safe for call in calls[name]]
        alone = [call for name in order if name not in safe for call in calls[name]]
        one_by_one = ((key, call()) for key, call in alone)
        parts: dict[str, dict[int, list[Maps]]] = {name: {} for name in order}
        for (name, place), maps in chain(self._cores.run(together), one_by_one):
            if maps is None:
                continue
            parts[name][place] = maps
            if len(parts[name]) == len(calls[name]):
                whole = self._whole(name, parts.pop(name), len(scenes[name][0]))
                if whole is not None:
                    yield name, whole

    def _is_thread_safe(self, name: str) -> bool:
        return bool(getattr(self._asked[name], "thread_safe", False))

    def _calls(self, name: str, scenes: Sequence[Scene], begin: Begin) -> Iterator[Call]:
        """The calls of an explainer; their images do not depend on shards or what is missing."""
        count = len(scenes[0])
        size = count if name == NETWORK else self._study.images_at_once
        for place, start in enumerate(range(0, count, size)):
            parts = [scene.rows(slice(start, start + size)) for scene in scenes]
            yield (name, place), partial(self._call, name, parts, begin if place == 0 else None)

    def _call(self, name: str, parts: Sequence[Scene], begin: Begin | None) -> list[Maps] | None:
        interrupts.ask()  # one that a destructor lost
        if begin is not None:
            with self._lock:
                begin(name)
        made = [maps for part in parts if (maps := self._explain(name, part)) is not None]
        return made if len(made) == len(parts) else None

    def _explain(self, name: str, part: Scene) -> Maps | None:
        if name == NETWORK:
            return self._study.network.outputs(part.images)
        if name in self._outcome.unavailable:  # an earlier call failed
            return None
        began = time.perf_counter()
        # Copies: an explainer that writes into its arguments must not change those of others.
        images, targets, keys = part.images.copy(), part.targets.copy(), part.keys.copy()
        with self._outcome.attempt(name), self._study.network.guarded() as taken:
            explainer = self._asked[name]
            if isinstance(explainer, RegionExplainer):
                maps = explainer.of_regions(images, part.regions)
            else:
                maps = np.asarray(self._bound[name](images, targets, keys=keys), np.float32)
            self._outcome.note(name, taken)
            self._seconds[name] = time.perf_counter() - began
            return maps
        return None

    def _whole(
        self, name: str, parts: Mapping[int, Sequence[Maps]], images: int
    ) -> list[Maps] | None:
        """The results of all calls of an explainer; None if their shape is wrong."""
        in_order = [parts[place] for place in sorted(parts)]
        wholes = [np.concatenate(own) for own in zip(*in_order, strict=True)]
        if name == NETWORK:
            return wholes
        with self._outcome.attempt(name):
            for whole in wholes:
                require_maps(whole, images, self._shapes.setdefault(name, whole.shape[1:]))
            return wholes
        return None
