"""Parameter randomization: layers are re-initialised in a cascade, or one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network as networks
from saliency_bench import randomize
from saliency_bench.checks.base import Redrawn, Repeated, require_one_of
from saliency_bench.protocols import Ceiling, Condition, Expectation, Study, Words

if TYPE_CHECKING:
    from saliency_bench.network import Block

Order = Literal["top_down", "bottom_up", "independent"]
MIN_STAGES = 4
"""Fewest evenly spaced stages for a verdict if the stages are not all layers."""

MANY_BLOCKS, FEW_STAGES = 12, 8
"""By default, a cascade of more blocks than the first number has as many stages as the second."""

DECLARED = Expectation(
    Words(
        breaks="the layers' weights are redrawn, one layer after another",
        passes="the map depends on the network's weights",
        fails="so much of the map does not depend on the network's weights",
        kept="of its map, averaged over the cascade",
        depth="share of the layers that are redrawn",
        destroyed="fully redrawn network",
    ),
    ceiling=Ceiling(
        caption="The null is what two maps score that share nothing but the explainer; the ceiling "
        "is 1, what they score when nothing changed. The floor of a stage is what the maps of two "
        "draws of that stage score on one image. Halfway down a cascade two draws share layers; at "
        "the last stage, where every layer is redrawn, they are two unrelated networks, and only "
        "that floor stands in the row of the area. If it is high, the input alone dictates that "
        "much of the map: then magnitude survives a broken network whatever the explainer does, "
        "and signs tell more.",
    ),
    controls={
        "EdgeDetector": "fail", "InputMagnitude": "fail", "RandomFrozen": "fail",
        "CentrePrior": "fail", "WeightHash": "pass", "InputNoise": "pass",
        "Constant": "undefined", "RandomFresh": "undefined",
    },
)  # fmt: skip


@dataclass(frozen=True)
class ParameterRandomization:
    """Model parameter randomization test (Adebayo et al., 2018).

    Attributes:
        order: `top_down` redraws from the output down, `bottom_up` from the input up, both
            cumulative; `independent` one block at a time.
        draws: redraws per stage; None takes the study's number.
        policy: see `randomize.redraw`.
        batch_norm: `reset` sets moving statistics to their initial values; `keep` leaves them, as
            the code of 2018 did.
        nested: whether a stage keeps the weights that earlier stages of the same draw drew. By
            default each stage draws all its weights anew (the code of 2018).
        blocks: layer-name patterns by block name; default: a block per layer with weights.
        exclude: patterns of layers that are never redrawn.
        stages: None takes all blocks if there are at most 12, else 8 stages, spaced evenly by
            layer with the first and the last; `all` takes every block; a number takes so many,
            spaced evenly by block; a list says which ones (from 1).
    """

    papers: ClassVar[tuple[str, ...]] = ("adebayo2018",)
    declares: ClassVar[Expectation] = DECLARED
    trains: ClassVar[bool] = False

    order: Order = "top_down"
    draws: int | None = None
    policy: randomize.Policy = "initializer"
    batch_norm: Literal["reset", "keep"] = "reset"
    nested: bool = False
    blocks: Mapping[str, Sequence[str]] | None = None
    exclude: Sequence[str] = ()
    stages: int | Sequence[int] | Literal["all"] | None = None

    def __post_init__(self) -> None:
        require_one_of("order", self.order, get_args(Order))
        require_one_of("policy", self.policy, randomize.POLICIES)
        require_one_of("batch_norm", self.batch_norm, ("reset", "keep"))
        if self.draws is not None and self.draws < 1:
            raise ValueError(f"draws must be at least 1; got {self.draws}")
        if isinstance(self.exclude, str):
            raise ValueError(f"exclude must be a list of layer names; got {self.exclude!r}")
        known = self.stages is None or self.stages == "all"
        if not known and any(type(number) is not int for number in _numbers(self.stages)):
            raise ValueError(
                f"stages must be null, all, a number or a list of numbers; got {self.stages!r}"
            )

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """The repeat at stage 0, then every draw of every stage.

        Raises:
            ValueError: if the blocks, the exclusions or the stages do not fit the model.
        """
        model = study.network.model
        blocks = self._ordered_blocks(model)
        positions = {id(v): position for position, v in enumerate(model.variables)}
        layers = [0, *accumulate(block.layers for block in blocks)]
        conditions: list[Condition] = [Repeated()]
        for stage in self._stages_to_run(blocks):
            first = stage - 1 if self.order == "independent" else 0
            redrawn = tuple(
                (positions[id(variable)], place + 1 if self.nested else stage)
                for place in range(first, stage)
                for variable in blocks[place].variables
            )
            depth = (layers[stage] - layers[first]) / layers[-1]
            conditions += [
                Redrawn(
                    blocks[stage - 1].name, stage, depth, draw, redrawn, self.policy,
                    study.seed, study.target == "repredict", destroys=depth == 1,
                )
                for draw in range(self.draws or study.draws)
            ]  # fmt: skip
        return tuple(conditions)

    def expectation(self, study: Study) -> Expectation:
        """A verdict on the area for an even top-down cascade with reset statistics; else none."""
        blocks = self._ordered_blocks(study.network.model)
        reason, words = "", self.declares.words
        if (run := len(self._stages_to_run(blocks))) < len(blocks):
            compared = f"maps are compared at {run} of {len(blocks)} stages"
            words = replace(words, breaks=f"{words.breaks}; {compared}")
        if self.order != "top_down":
            reason = f"the order {self.order} is descriptive: a network that still works keeps maps"
        elif self.batch_norm != "reset":
            reason = "batch_norm=keep leaks trained scales: descriptive"
        elif not self._evenly_spaced(blocks):
            reason = f"the stages are not all layers, nor {MIN_STAGES} spaced evenly by layer"
        return replace(self.declares, words=words, no_verdict=reason)

    def _ordered_blocks(self, model: Any) -> list[Block]:
        blocks = networks.blocks(model, self.blocks, exclude=self.exclude)
        if self.batch_norm == "keep":
            blocks = tuple(
                part for block in blocks if (part := networks.trained(model, block)).variables
            )
        return list(reversed(blocks)) if self.order == "bottom_up" else list(blocks)

    def _stages_to_run(self, blocks: Sequence[Block]) -> list[int]:
        """Stages to run, of 1 to the number of blocks."""
        count = len(blocks)
        if self.stages is None and count > MANY_BLOCKS:
            return _even_by_layer(FEW_STAGES, _depths(blocks))
        if self.stages is None or self.stages == "all":
            return list(range(1, count + 1))
        chosen = sorted(set(_numbers(self.stages)))
        if not chosen or chosen[0] < 1 or chosen[-1] > count:
            raise ValueError(f"stages must be in 1..{count}; got {self.stages}")
        return _even_by_block(chosen[0], count) if isinstance(self.stages, int) else chosen

    def _evenly_spaced(self, blocks: Sequence[Block]) -> bool:
        """Whether the stages are spaced evenly over the layers, as far as whole blocks allow."""
        stages, depths = self._stages_to_run(blocks), _depths(blocks)
        if len(stages) == len(blocks) == depths[-1]:
            return True
        if len(stages) < MIN_STAGES or stages[0] != 1 or stages[-1] != len(blocks):
            return False
        reached = depths[np.array(stages) - 1]
        ideal = np.linspace(reached[0], reached[-1], len(stages))
        apart, largest = ideal[1] - ideal[0], max(block.layers for block in blocks)
        return bool(np.abs(reached - ideal).max() <= max(1, min(apart / 3, largest / 2)))


def _numbers(stages: Any) -> list[Any]:
    """The numbers in a setting of stages; a number stands for itself."""
    return list(stages) if isinstance(stages, Sequence) else [stages]


def _depths(blocks: Sequence[Block]) -> NDArray[np.int64]:
    """Number of layers that are redrawn after each block of a cascade."""
    return np.cumsum([block.layers for block in blocks])


def _even_by_block(number: int, count: int) -> list[int]:
    return sorted({int(stage) for stage in np.linspace(1, count, number).round()})


def _even_by_layer(number: int, depths: NDArray[np.int64]) -> list[int]:
    """The stages whose depths are nearest to evenly spaced ones; fewer if one is nearest twice."""
    ideal = np.linspace(depths[0], depths[-1], number)
    return sorted({int(np.abs(depths - depth).argmin()) + 1 for depth in ideal})
