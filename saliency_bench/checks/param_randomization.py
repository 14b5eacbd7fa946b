"""Parameter randomization: layers are re-initialised in a cascade, or one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np

from saliency_bench import network as networks
from saliency_bench import randomize
from saliency_bench.checks.base import Redrawn, Repeated, require_one_of
from saliency_bench.protocols import Ceiling, Condition, Expectation, Study, Words

if TYPE_CHECKING:
    from saliency_bench.network import Block

Order = Literal["top_down", "bottom_up", "independent"]
MIN_STAGES = 4
"""Fewest evenly spaced stages for a verdict if the stages are not all layers."""

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
        "CentrePrior": "fail", "WeightHash": "pass", "Constant": "undefined",
        "RandomFresh": "undefined",
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
        stages: how many stages, evenly spaced with the first and the last, or which ones
            (from 1); default all.
    """

    declares: ClassVar[Expectation] = DECLARED
    trains: ClassVar[bool] = False

    order: Order = "top_down"
    draws: int | None = None
    policy: randomize.Policy = "initializer"
    batch_norm: Literal["reset", "keep"] = "reset"
    nested: bool = False
    blocks: Mapping[str, Sequence[str]] | None = None
    exclude: Sequence[str] = ()
    stages: int | Sequence[int] | None = None

    def __post_init__(self) -> None:
        require_one_of("order", self.order, get_args(Order))
        require_one_of("policy", self.policy, randomize.POLICIES)
        require_one_of("batch_norm", self.batch_norm, ("reset", "keep"))
        if self.draws is not None and self.draws < 1:
            raise ValueError(f"draws must be at least 1; got {self.draws}")
        if isinstance(self.exclude, str):
            raise ValueError(f"exclude must be a list of layer names; got {self.exclude!r}")

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
        for stage in self._stages_to_run(len(blocks)):
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
        reason = ""
        if self.order != "top_down":
            reason = f"the order {self.order} is descriptive: a network that still works keeps maps"
        elif self.batch_norm != "reset":
            reason = "batch_norm=keep leaks trained scales: descriptive"
        elif not self._evenly_spaced(self._ordered_blocks(study.network.model)):
            reason = f"the stages are not all layers, nor {MIN_STAGES} spaced evenly by layer"
        return replace(self.declares, no_verdict=reason)

    def _ordered_blocks(self, model: Any) -> list[Block]:
        blocks = networks.blocks(model, self.blocks, exclude=self.exclude)
        if self.batch_norm == "keep":
            blocks = tuple(
                part for block in blocks if (part := networks.trained(model, block)).variables
            )
        return list(reversed(blocks)) if self.order == "bottom_up" else list(blocks)

    def _stages_to_run(self, count: int) -> list[int]:
        """Stages to run, of 1..count."""
        if self.stages is None:
            return list(range(1, count + 1))
        if isinstance(self.stages, int):
            if not 1 <= self.stages <= count:
                raise ValueError(f"stages must be in 1..{count}; got {self.stages}")
            return _even_stages(self.stages, count)
        stages = sorted(set(self.stages))
        if not stages or stages[0] < 1 or stages[-1] > count:
            raise ValueError(f"stages must be in 1..{count}; got {list(self.stages)}")
        return stages

    def _evenly_spaced(self, blocks: Sequence[Block]) -> bool:
        """Whether the stages are spaced evenly over the layers, as far as whole blocks allow."""
        stages = self._stages_to_run(len(blocks))
        depths = np.cumsum([block.layers for block in blocks])
        reached = depths[np.array(stages) - 1]
        if len(stages) == len(blocks) == depths[-1]:
            return True
        if len(stages) < MIN_STAGES or stages[0] != 1 or stages[-1] != len(blocks):
            return False
        ideal = np.linspace(reached[0], reached[-1], len(stages))
        return bool(np.abs(reached - ideal).max() <= 1)


def _even_stages(number: int, count: int) -> list[int]:
    return sorted({int(stage) for stage in np.linspace(1, count, number).round()})
