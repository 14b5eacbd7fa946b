"""The types the whole suite speaks in. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

SCHEMA_VERSION = 1
"""Version of every file a run writes; a reader refuses another one."""

BLOCK = 32
"""Consecutive images that share a null; shards and batches are whole blocks."""

AREA = -1
"""The `stage` of the summary's row over the whole cascade, the one that carries the verdict."""

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
TargetMode = Literal["label", "predicted", "repredict"]
Output = Literal["logit", "probability"]


class NotApplicable(Exception):
    """A method that cannot serve this model or these maps; the reason becomes a row."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ProofError(RuntimeError):
    """The instrument itself is broken: a change did not happen, or was not undone."""


# ---------------------------------------------------------------- what is looked at


@dataclass(frozen=True)
class Preprocessing:
    """How pixels in [0, 1] become a model's input, and back.

    Attributes:
        mean: per channel, in units of [0, 1]; subtracted first.
        std: per channel, in units of [0, 1]; divided by afterwards.
        reverse_channels: RGB becomes BGR, before `mean` and `std` apply.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    reverse_channels: bool = False

    def __post_init__(self) -> None:
        if any(s <= 0 for s in self.std):
            raise ValueError(f"std must be positive, got {self.std}")

    def __call__(self, pixels: Floats) -> NDArray[np.float32]:
        """Pixels `[N, H, W, C]` in [0, 1] to model units."""
        ordered = pixels[..., ::-1] if self.reverse_channels else pixels
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return np.asarray((ordered - mean) / std, np.float32)

    def inverse(self, images: Floats) -> NDArray[np.float32]:
        """Model units `[N, H, W, C]` back to pixels in [0, 1]."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        pixels = np.asarray(images * std + mean, np.float32)
        return pixels[..., ::-1] if self.reverse_channels else pixels


@dataclass(frozen=True)
class Dataset:
    """Images to explain, with labels where there are any, and images to train on.

    Attributes:
        name: what the report calls it.
        pixels: `[N, H, W, C]` float32 in [0, 1], display units.
        labels: `[N]` int64, or None.
        train_pixels: `[M, H, W, C]` float32 in [0, 1], or None if there is nothing to train on.
        train_labels: `[M]` int64, or None.
        classes: a name per class; empty if unknown.
        preprocessing: display units to model units.
    """

    name: str
    pixels: NDArray[np.float32]
    labels: NDArray[np.int64] | None = None
    train_pixels: NDArray[np.float32] | None = None
    train_labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    @property
    def images(self) -> NDArray[np.float32]:
        """`pixels` in model units."""
        return self.preprocessing(self.pixels)

    def first(self, n: int) -> Dataset:
        """The same data with the first `n` images to explain.

        Where these are of one class although there are more, as in data that is sorted by class,
        `n` images at even distances instead.
        """
        if self.labels is None:
            return replace(self, pixels=self.pixels[:n])
        total = len(self.labels)
        rows = np.arange(min(n, total))
        if len(set(self.labels[rows])) < 2 <= len(set(self.labels)):
            rows = rows * total // len(rows)
        return replace(self, pixels=self.pixels[rows], labels=self.labels[rows])


@dataclass(frozen=True)
class Scene:
    """What is looked at.

    Attributes:
        images: `[N, H, W, C]` float32, model units.
        targets: `[N]` int64, the explained class of each image.
        keys: `[N]` int64, one per *unmodified* image; they seed an explainer's noise.
        regions: `[N, H, W]` bool masks, if any.
        score: images and targets to the explained output `[N]`, where a model is at hand.
    """

    images: NDArray[np.float32]
    targets: NDArray[np.int64]
    keys: NDArray[np.int64]
    regions: NDArray[np.bool_] | None = None
    score: Callable[[Floats, Ints], Floats] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, index: slice | Ints) -> Scene:
        """The same scene, of these images only."""
        regions = None if self.regions is None else self.regions[index]
        return replace(
            self,
            images=self.images[index],
            targets=self.targets[index],
            keys=self.keys[index],
            regions=regions,
        )


# ---------------------------------------------------------------- what is run


class Bound(Protocol):
    """An explainer bound to one model: compiled once, reads the model's live weights."""

    def __call__(
        self, images: Floats, targets: Ints, *, keys: Ints | None = None
    ) -> NDArray[np.float32]:
        """Images `[N, H, W, C]` and targets `[N]` to raw signed maps `[N, H, W, C']`."""
        ...


@runtime_checkable
class Explainer(Protocol):
    """Maps a model, images and target classes to attribution maps."""

    @property
    def signed(self) -> bool:
        """Whether the sign of a map's value means something."""
        ...

    @property
    def class_specific(self) -> bool:
        """Whether the map depends on the target."""
        ...

    @property
    def stochastic(self) -> bool:
        """Whether the map depends on a seed."""
        ...

    @property
    def uses_gradients(self) -> bool:
        """Whether the model must be differentiable."""
        ...

    @property
    def multiplies_input(self) -> bool:
        """Whether the input is a factor of the map."""
        ...

    def bind(self, model: Any) -> Bound:
        """Compile for `model`. Raises `NotApplicable` if the method cannot serve it."""
        ...


@runtime_checkable
class Prepared(Protocol):
    """Maps made ready to be compared many times; rows can be picked."""

    defined: NDArray[np.bool_]
    """`[N]`: False where the map is constant in the measure's eyes, so nothing can be said."""

    def take(self, index: Ints) -> Prepared:
        """The rows `index`, in that order."""
        ...


class Measure(Protocol):
    """One score per image from a reference map and a changed map."""

    @property
    def threshold(self) -> float | None:
        """Largest share retained that passes a check; None gives no verdict."""
        ...

    def prepare(self, maps: Floats, scene: Scene | None = None) -> Any:
        """Maps `[N, H, W, C']` to a `Prepared` of N rows; done once for a reference."""
        ...

    def compare(self, reference: Any, changed: Any) -> NDArray[np.float64]:
        """`[N]` scores, NaN where either row is undefined."""
        ...


class Network(Protocol):
    """What conditions act on and what the engine asks of a model."""

    model: Any

    def outputs(self, images: Floats) -> NDArray[np.float32]:
        """Logits `[N, K]` of the live weights."""
        ...

    def fingerprint(self) -> str:
        """Hash of all live weights."""
        ...

    def evidence(self) -> Mapping[str, int]:
        """What the change now in force did: `variables_changed` and `variables_exempt`."""
        ...


class Condition(Protocol):
    """One deliberate change: plain, picklable data."""

    @property
    def name(self) -> str:
        """Unique within a check and a draw, e.g. the name of the last redrawn block."""
        ...

    @property
    def stage(self) -> int:
        """Place in the cascade; 0 is the untouched model."""
        ...

    @property
    def depth(self) -> float:
        """Share of the layers with weights that are changed, in [0, 1]."""
        ...

    @property
    def draw(self) -> int:
        """Which of the repeated random draws."""
        ...

    @property
    def moves_output(self) -> bool:
        """Whether the network's output must differ from the untouched one's."""
        ...

    def applied(self, network: Any, scene: Scene) -> AbstractContextManager[Scene]:
        """Make the change; yields the scene to explain; undoes the change on leaving."""
        ...


@dataclass(frozen=True)
class Expectation:
    """What a check promises, all that inference needs to know of it.

    Attributes:
        expects: what a trustworthy map does under the check's conditions.
        anchor: where the ceiling comes from: the untouched map itself, or retrained twins.
        statistic: which summary of the stages the verdict is taken on.
        no_verdict: why no verdict is given (a descriptive check); empty if one is.
    """

    expects: Literal["change", "keep", "rise"] = "change"
    anchor: Literal["self", "twins"] = "self"
    statistic: Literal["area", "last", "mean"] = "area"
    no_verdict: str = ""


class Check(Protocol):
    """A named family of conditions."""

    expects: ClassVar[str]
    anchor: ClassVar[str]
    statistic: ClassVar[str]

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """Every condition of the check on this study, in the order of the stages."""
        ...

    def expectation(self, study: Study) -> Expectation:
        """What inference may conclude from these conditions."""
        ...


@dataclass(frozen=True)
class Study:
    """Everything one run needs, built and checked.

    Attributes:
        network: the model under test.
        scene: all images to explain.
        explainers: by name, the controls among them.
        similarities: measures by name.
        checks: by name.
        labels: `[N]` int64 true classes, or None.
        controls: the verdict each control must get, by explainer name.
        seed: the root of every random stream of the run.
        draws: redraws per stage where a check does not say otherwise.
        target: how the explained class is chosen.
        batch_size: rows evaluated at once.
        settings: whatever else decides the numbers (threads, versions); part of each cell's key.
    """

    network: Network
    scene: Scene
    explainers: Mapping[str, Explainer]
    similarities: Mapping[str, Measure]
    checks: Mapping[str, Check]
    labels: NDArray[np.int64] | None = None
    controls: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    draws: int = 5
    target: TargetMode = "label"
    batch_size: int = BLOCK
    settings: Mapping[str, Any] = field(default_factory=dict)
