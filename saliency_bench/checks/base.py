"""Shared parts of checks: conditions that several use, prepared maps, validation of settings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from saliency_bench import randomize
from saliency_bench.protocols import (
    Dataset,
    Floats,
    Ints,
    Network,
    NetworkName,
    Networks,
    Place,
    Scene,
    TrainedNetwork,
    swapped_in,
)

LEARNED = 0.9
"""Share of a required accuracy that must remain after a correction for guessing."""


@dataclass(frozen=True)
class Repeated:
    """A condition that changes only the explainer's seed, to measure how well maps repeat."""

    name: str = "repeat"
    stage: int = 0
    depth: float = 0.0
    draw: int = 0
    moves_output: bool = False
    destroys: bool = False
    references: tuple[Place, ...] = ()

    @contextmanager
    def applied(self, network: Network, scene: Scene) -> Iterator[Scene]:
        """The same scene with other keys."""
        yield replace(scene, keys=randomize.other_keys(scene.keys, "repeat"))


@dataclass(frozen=True)
class Redrawn:
    """A condition that redraws some weights.

    Attributes:
        name: the last block that is redrawn.
        stage: place in the cascade.
        depth: share of the layers with weights that are redrawn.
        draw: which of the repeated draws.
        variables: position in `model.variables` and stage of the random stream of each
            redrawn variable; a nested cascade keeps the stage at which it was first redrawn.
        policy: how new values are drawn.
        seed: root of the random streams.
        repredict: explain the class that the redrawn network predicts.
        destroys: whether every block is redrawn.
    """

    name: str
    stage: int
    depth: float
    draw: int
    variables: tuple[tuple[int, int], ...]
    policy: randomize.Policy
    seed: int
    repredict: bool = False
    destroys: bool = False
    moves_output: bool = True
    references: tuple[Place, ...] = ()

    @contextmanager
    def applied(self, network: Network, scene: Scene) -> Iterator[Scene]:
        """Apply the redrawn weights; yields the scene."""
        with network.changed(network.once(self, self.values)):
            if self.repredict:
                scene = replace(scene, targets=network.outputs(scene.images).argmax(axis=1))
            yield scene

    def values(self, model: Any) -> dict[int, Any]:
        """New values by position in `model.variables`."""
        variables = model.variables
        values: dict[int, Any] = {}
        for stage in sorted({stage for _, stage in self.variables}):
            positions = [position for position, s in self.variables if s == stage]
            arrays = randomize.redraw(
                model,
                [variables[position] for position in positions],
                seed=self.seed,
                draw=self.draw,
                stage=stage,
                policy=self.policy,
            )
            values.update(zip(positions, arrays, strict=True))
        return values


@dataclass(frozen=True)
class Retrained:
    """A condition that swaps in the weights of another network of the same architecture.

    A subclass shows it something else.

    Attributes:
        name: what that network learned; of the stage.
        stage: see `Condition`.
        draw: number of the network within its kind.
        network: the trained network.
        predicted: explain the class that it predicts, instead of the given one.
        repeats: explain with other keys.
        references: see `Condition`.
        depth: see `Condition`.
        moves_output: see `Condition`.
        destroys: see `Condition`.
    """

    name: str
    stage: int
    draw: int
    network: TrainedNetwork
    _: KW_ONLY
    predicted: bool = False
    repeats: bool = False
    references: tuple[Place, ...] = ()
    depth: float = 0.0
    moves_output: bool = True
    destroys: bool = False

    @contextmanager
    def applied(self, network: Network, scene: Scene) -> Iterator[Scene]:
        """Put the network in; yields the scene.

        Raises:
            ProofError: if the stored weights are not those of the training.
        """
        with self.put_in(network):
            targets = self.targets(network, scene.images, scene.targets)
            yield replace(scene, targets=targets, keys=self.keys(scene))

    def put_in(self, network: Network) -> AbstractContextManager[None]:
        """A block in which the model is that network.

        Raises:
            ProofError: if the stored weights are not those of the training.
        """
        return swapped_in(network, self.network, f"{self.name} {self.draw}")

    def targets(
        self, network: Network, images: Floats, given: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The classes `[N]` to explain, with the network in its place."""
        return network.outputs(images).argmax(axis=1) if self.predicted else given

    def keys(self, scene: Scene) -> NDArray[np.int64]:
        """The keys `[N]` to explain with."""
        return randomize.other_keys(scene.keys, "repeat") if self.repeats else scene.keys


@dataclass(frozen=True)
class PreparedNumbers:
    """Maps that a check's own measure compares by a few numbers each.

    Attributes:
        defined: `[N]` bool, False where a map has no number.
        values: `[N, ...]`.
    """

    defined: NDArray[np.bool_]
    values: NDArray[Any]

    def take(self, index: slice | Ints) -> Self:
        """The maps with these indices, in this order."""
        return type(self)(self.defined[index], self.values[index])


def require_one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Require that a setting has an allowed value.

    Args:
        name: of the setting.
        value: its value.
        allowed: the allowed values.

    Raises:
        ValueError: if the value is not allowed.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")


def taught(networks: Networks, lesson: Dataset, count: int) -> list[TrainedNetwork]:
    """Networks that learned a lesson, trained now or read from the cache.

    Args:
        networks: trains them.
        lesson: what they learn; its name is theirs.
        count: how many.
    """
    own, names = networks.on(lesson), [NetworkName(lesson.name, draw=n) for n in range(count)]
    own.prepare(names)
    return [own(name) for name in names]


def least_accuracy(chance: float, accuracy: float) -> float:
    """The accuracy that a network must reach if guessing has the accuracy `chance`.

    If one class is frequent, always naming it has a high accuracy. Then the network must reach the
    share `LEARNED * accuracy` of the range from chance to 1, if that is more than `accuracy`.
    """
    return max(accuracy, chance + (1 - chance) * LEARNED * accuracy)


LONGER = "train it for more epochs (model.training.epochs), or with a smaller weight decay"
"""What helps a network that did not learn the images it was trained on."""

MORE = "check the units of its images and the labels, or train it for more epochs on more images"
"""What helps a network that does not know the test images."""


def untaught(
    trained: Mapping[NetworkName, TrainedNetwork],
    lessons: Collection[str],
    accuracy: float,
    setting: str = "min_test_accuracy",
) -> tuple[str, ...]:
    """A line for each network that did not learn its task.

    Args:
        trained: networks by name.
        lessons: the labels of those that count.
        accuracy: the test accuracy that each must reach, more where one class is frequent.
        setting: its name.
    """
    own = {name: network for name, network in trained.items() if name.labels in lessons}
    least = {name: least_accuracy(network.chance, accuracy) for name, network in own.items()}
    return tuple(
        f"the network of {name} has test accuracy {network.test_accuracy:.2f}; at least "
        f"{least[name]:.2f} ({setting}) is asked for: {MORE}"
        for name, network in own.items()
        if not network.test_accuracy >= least[name]
    )
