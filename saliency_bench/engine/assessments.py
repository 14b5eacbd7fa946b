"""The plan of a study's metrics: shards of images, with the keys of their cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from saliency_bench.engine.plan import shard_keys
from saliency_bench.protocols import FineTuned, Study
from saliency_bench.storage.fingerprint import (
    column,
    content_key,
    digest_of_array,
    identity,
    is_address,
)

Pair = tuple[str, str]
"""An explainer and a metric."""


@dataclass(frozen=True, eq=False)
class Assessment:
    """Images whose maps are assessed together.

    Attributes:
        start: first image.
        stop: one past the last.
        keys: of the cells, one for each explainer and metric.
    """

    start: int
    stop: int
    keys: Mapping[Pair, str]

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def key(self) -> str:
        """A hash that identifies the work: the key of its first cell."""
        return next(iter(self.keys.values()))


def make_assessments(
    study: Study, tuned: Mapping[str, FineTuned] | None = None
) -> tuple[Assessment, ...]:
    """The plan of a study's metrics, shard by shard; empty without metrics.

    Args:
        study: the study to plan.
        tuned: the fine-tuned network of each metric that asks one.

    Raises:
        ValueError: if a metric's repr is an address and not its settings.
    """
    metrics = {name: column(metric) for name, metric in study.metrics.items()}
    for text in filter(is_address, metrics.values()):
        raise ValueError(f"a metric's repr must show its settings, as a dataclass's does: {text}")
    if not metrics:
        return ()
    explainers = {name: identity(explainer) for name, explainer in study.explainers.items()}
    others = {name: {"tuned": own.network.fingerprint} for name, own in (tuned or {}).items()}
    plan = []
    for (start, stop), data in shard_keys(study).items():
        regions = None if study.regions is None else digest_of_array(study.regions[start:stop])
        common = {"data": data, "regions": regions}
        keys = {
            (name, metric): content_key(
                {**common, "name": name, "explainer": asked, "metric": settings}
                | others.get(metric, {})
            )
            for name, asked in explainers.items()
            for metric, settings in metrics.items()
        }
        plan.append(Assessment(start, stop, keys))
    return tuple(plan)
