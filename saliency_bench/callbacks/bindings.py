"""Explainers bound to the model that is being trained; one that fails is dropped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.callbacks.undisturbed import Snapshot, same_randomness
from saliency_bench.explainers import Function, Method
from saliency_bench.protocols import Bound, Explainer, NotApplicable, Scene, interrupts
from saliency_bench.study.defaults import AnyExplainer

Maps = NDArray[np.float32]
Explainers = Mapping[str, AnyExplainer] | AnyExplainer

T = TypeVar("T")

_LOG = logging.getLogger(__name__)


def by_name(explainers: Explainers) -> dict[str, Explainer]:
    """Explainers by name; functions are wrapped, and a single explainer gets its own name.

    Raises:
        ValueError: if there is none, or if one is neither an explainer nor a function.
    """
    if not isinstance(explainers, Mapping):
        explainers = {getattr(explainers, "__name__", type(explainers).__name__): explainers}
    if not explainers:
        raise ValueError("explainers must name at least one; got none")
    return {str(name): _explainer(str(name), given) for name, given in explainers.items()}


def _explainer(name: str, given: object) -> Explainer:
    if isinstance(given, type):
        raise ValueError(f"{name} must be an explainer; got the class {given.__name__}")
    if isinstance(given, Method | Explainer):
        return given
    if callable(given):
        return Function(given)
    raise ValueError(f"{name} must be an explainer or a function; got {given!r}")


class Once(Generic[T]):
    """Caches a value computed from a model, until the model or its variables are others.

    Args:
        make: from a model to the value.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._last: tuple[list[Any], T] | None = None

    def __call__(self, model: Any) -> T:
        """The value for this model."""
        parts = [model, *model.variables]
        if self._last is None or list(map(id, parts)) != list(map(id, self._last[0])):
            self._last = parts, self._make(model)
        return self._last[1]


class Bindings:
    """Explainers that are compiled once for a model and read its current weights.

    One that fails is not called again: it must neither end the training nor fill its log.

    Args:
        explainers: by name.
        scene: the images that they explain.
        report: is called once for an explainer that fails, with its name and the reason.
    """

    def __init__(
        self, explainers: Mapping[str, Explainer], scene: Scene, report: Callable[[str, str], None]
    ) -> None:
        self._active = dict(explainers)
        self._scene = scene
        self._report = report
        self._bound: Once[dict[str, Bound]] = Once(lambda model: {})

    def maps(self, model: Any) -> dict[str, Maps]:
        """Maps `[N, H, W, C']` of the scene, by explainer; without those that failed."""
        results = {name: self._try(name, model) for name in list(self._active)}
        return {name: maps for name, maps in results.items() if maps is not None}

    def drop(self, name: str, why: str) -> None:
        """Report an explainer and do not call it again."""
        if self._active.pop(name, None) is not None:
            _LOG.warning("%s %s", name, why.splitlines()[0])
            self._report(name, why)

    def _try(self, name: str, model: Any) -> Maps | None:
        snapshot = Snapshot(model.variables)
        maps = None
        try:
            with same_randomness():
                maps = self._explain(name, model)
        except NotApplicable as refusal:
            self.drop(name, f"does not apply: {refusal.reason}")
        except Exception as error:  # no error may end the training
            interrupts.ask()
            self.drop(name, f"failed: {type(error).__name__}: {error}")
        finally:
            changed = {id(variable) for variable in snapshot.restore()}
        # A model may count its calls or draw noise; only its trainable weights must not change.
        if changed & set(map(id, model.trainable_variables)):
            self.drop(name, "failed: it changed the model's weights, which were restored")
            return None
        return maps

    def _explain(self, name: str, model: Any) -> Maps:
        bound, scene = self._bound(model), self._scene
        if name not in bound:
            bound[name] = self._active[name].bind(model)
        return bound[name](scene.images, scene.targets, keys=scene.keys)
