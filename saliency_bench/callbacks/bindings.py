"""Explainers bound to the model that is being trained, each until it fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.callbacks.undisturbed import Held, same_randomness
from saliency_bench.explainers import Function, Method
from saliency_bench.protocols import Bound, Explainer, NotApplicable, Scene
from saliency_bench.study.defaults import AnyExplainer

Maps = NDArray[np.float32]
Explainers = Mapping[str, AnyExplainer] | AnyExplainer

T = TypeVar("T")

_LOG = logging.getLogger(__name__)


def by_name(explainers: Explainers) -> dict[str, Explainer]:
    """Explainers by name, functions wrapped; a single one is called by its own name.

    Raises:
        ValueError: if there is none, or one is nothing that can explain.
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
    """Something made of a model, anew only if it is another one or has other variables.

    Args:
        make: takes the model.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._made: tuple[list[Any], T] | None = None

    def __call__(self, model: Any) -> T:
        """What was made of this model."""
        known = [model, *model.variables]
        if self._made is None or list(map(id, known)) != list(map(id, self._made[0])):
            self._made = known, self._make(model)
        return self._made[1]


class Bindings:
    """Explainers that are compiled once for a model and read its live weights.

    One that fails is not asked again: it must not end a training, nor fill its log.

    Args:
        explainers: by name.
        scene: the images that they explain.
        tell: takes the name of one that failed and why, once.
    """

    def __init__(
        self, explainers: Mapping[str, Explainer], scene: Scene, tell: Callable[[str, str], None]
    ) -> None:
        self._serving = dict(explainers)
        self._scene = scene
        self._tell = tell
        self._bound: Once[dict[str, Bound]] = Once(lambda model: {})

    def maps(self, model: Any) -> dict[str, Maps]:
        """Maps `[N, H, W, C']` of the scene by explainer, of all that serve."""
        found = {name: self._attempted(name, model) for name in list(self._serving)}
        return {name: maps for name, maps in found.items() if maps is not None}

    def drop(self, name: str, why: str) -> None:
        """Never asked again."""
        if self._serving.pop(name, None) is not None:
            _LOG.warning("%s %s", name, why.splitlines()[0])
            self._tell(name, why)

    def _attempted(self, name: str, model: Any) -> Maps | None:
        held = Held(model.variables)
        maps = None
        try:
            with same_randomness():
                maps = self._explained(name, model)
        except NotApplicable as refusal:
            self.drop(name, f"does not apply: {refusal.reason}")
        except Exception as error:  # whatever it is, the training is worth more
            self.drop(name, f"failed: {type(error).__name__}: {error}")
        finally:
            changed = {id(variable) for variable in held.put_back()}
        # A model may count its calls or draw noise: only what it learns must stay as it is.
        if changed & set(map(id, model.trainable_variables)):
            self.drop(name, "failed: it changed the model's weights, which were put back")
            return None
        return maps

    def _explained(self, name: str, model: Any) -> Maps:
        bound, scene = self._bound(model), self._scene
        if name not in bound:
            bound[name] = self._serving[name].bind(model)
        return bound[name](scene.images, scene.targets, keys=scene.keys)
