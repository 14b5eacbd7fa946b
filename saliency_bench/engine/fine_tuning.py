"""Fine-tuned networks, which some metrics ask in place of the one under test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from saliency_bench.protocols import FineTuned, Network, NotApplicable, Study, swapped_in
from saliency_bench.protocols.metrics import tuning_of


def tune(study: Study) -> tuple[Mapping[str, FineTuned], dict[str, str]]:
    """Fine-tune what the metrics of a study ask for, or find it.

    Returns:
        The networks by metric, and why metrics have none, by name.

    Raises:
        ValueError: if the network cannot learn from the images to train on.
    """
    tuned: dict[str, FineTuned] = {}
    refused: dict[str, str] = {}
    for name, metric in study.metrics.items():
        tuning = tuning_of(metric)
        if tuning is None:
            continue
        try:
            own = study.tuner(study.network, tuning)
        except NotApplicable as refusal:
            refused[name] = refusal.reason
            continue
        if own.problem:
            refused[name] = own.problem
        else:
            tuned[name] = own
    return tuned, refused


@contextmanager
def in_force(network: Network, tuned: FineTuned | None) -> Iterator[None]:
    """A block in which the network has the weights of a fine-tuned one, if there is one.

    Raises:
        ProofError: if the stored weights are not those of the training.
    """
    if tuned is None:
        yield
        return
    with swapped_in(network, tuned.network, "the fine-tuned network"):
        yield
