"""From a model and images to a study: everything is checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network, randomize
from saliency_bench.explainers import Control
from saliency_bench.explainers.base import validate
from saliency_bench.protocols import (
    BLOCK,
    Check,
    Floats,
    Ints,
    Networks,
    Output,
    Preprocessing,
    Rows,
    Scene,
    Similarity,
    Study,
    TargetMode,
    Untrainable,
    parts,
)
from saliency_bench.storage import source
from saliency_bench.storage.fingerprint import identity
from saliency_bench.study.defaults import AnyExplainer, with_controls


@dataclass(frozen=True)
class Options:
    """How a study is run.

    Attributes:
        seed: root of every random stream.
        draws: redraws per stage.
        target: `label` explains the given targets, `predicted` the class the untouched model
            predicts, `repredict` what each changed model predicts (the code of 2018).
        batch_size: images, or image-sample pairs, evaluated at once.
        run_dir: where cells are kept, so that an interrupted study goes on; default: nowhere.
        save_maps: keep the raw maps too.
        preprocessing: pixels in [0, 1] to model units, for the figures.
        weights: trains the networks that a check asks for, e.g. a `models.Trainer`.
        output: what the network is asked, as its explainers' `output`: it is what must move when
            the weights change, and what has an accuracy if it classifies.
    """

    seed: int = 0
    draws: int = 5
    target: TargetMode = "label"
    batch_size: int = BLOCK
    run_dir: str | Path | None = None
    save_maps: bool = False
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    weights: Networks = field(default_factory=Untrainable)
    output: Output = "logit"

    def __post_init__(self) -> None:
        for name, value in (("draws", self.draws), ("batch_size", self.batch_size)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1; got {value}")
        if self.target not in get_args(TargetMode):
            raise ValueError(f"target must be one of {get_args(TargetMode)}; got {self.target!r}")


def build(
    model: Any,
    images: Floats | Rows,
    targets: Ints | None,
    *,
    explainers: Mapping[str, AnyExplainer],
    checks: Mapping[str, Check],
    similarities: Mapping[str, Similarity],
    options: Options,
) -> Study:
    """A study of `model` on `images`, controls included.

    Raises:
        ValueError: if images or targets do not fit the model, or there is nothing to explain.
    """
    if not checks:
        raise ValueError("checks must name at least one; got none")
    looked_at, labels = _looked_at(images, targets)
    net = network.KerasNetwork(model, batch_size=options.batch_size, output=options.output)
    outputs = _finite_outputs(net, looked_at)
    if options.output == "logit":
        _require_logits(outputs)
    predicted, classes = outputs.argmax(axis=1), outputs.shape[1]
    explained = predicted if targets is None or options.target != "label" else labels
    classifies = targets is not None and _classifies(options.output)
    wanted = labels if classifies else explained
    if wanted.min() < 0 or wanted.max() >= classes:
        raise ValueError(
            f"targets must lie in 0..{classes - 1}; got {wanted.min()} to {wanted.max()}"
        )
    every = with_controls(explainers)
    return Study(
        network=net,
        scene=Scene(looked_at, explained, randomize.image_keys(looked_at)),
        explainers=every,
        similarities=dict(similarities),
        checks=dict(checks),
        labels=labels if classifies else None,
        controls={n: type(e).__name__ for n, e in every.items() if isinstance(e, Control)},
        seed=options.seed,
        draws=options.draws,
        target=options.target,
        batch_size=options.batch_size,
        weights=options.weights,
        settings=source.numerics() | _own_output(options.output),
    )


def _looked_at(
    images: Floats | Rows, targets: Ints | None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images, read a few at a time whenever they are needed, and a class for each.

    Raises:
        ValueError: if they are not images, or there is not one class for each.
    """
    source = images if isinstance(images, Rows) else np.asarray(images)
    given = np.zeros(len(source), np.int64) if targets is None else np.asarray(targets)
    validate(np.broadcast_to(np.float32(0), source.shape), given)
    rows = Rows(source, partial(np.asarray, dtype=np.float32))
    finite = np.concatenate([np.isfinite(part).all(axis=(1, 2, 3)) for part in parts(rows)])
    if not finite.all():
        raise ValueError(f"images must be finite; image {finite.argmin()} holds NaN or infinity")
    return cast("NDArray[np.float32]", rows), given.astype(np.int64)


def _classifies(output: Output) -> bool:
    """Whether labels are those of the scores; of a plain function that is not known."""
    return isinstance(output, str) or getattr(output, "classifies", False)


def _own_output(output: Output) -> dict[str, str]:
    """What the cells must know of an output that is not the usual one."""
    return {} if output == "logit" else {"output": identity(output)}


def _finite_outputs(net: network.KerasNetwork, images: NDArray[np.float32]) -> NDArray[np.float32]:
    logits = net.outputs(images)
    if not np.isfinite(logits).all():
        first = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
        raise ValueError(f"the model's output must be finite; it is not for image {first}")
    return logits


def _require_logits(logits: NDArray[np.float32]) -> None:
    # Whatever the model's end looks like in the graph, such numbers are no logits.
    if (
        logits.shape[1] > 1
        and (logits >= 0).all()
        and np.allclose(logits.sum(axis=1), 1, atol=1e-4)
    ):
        raise ValueError(
            "the model must end in logits, or in a softmax that can be traced back to them; "
            f"its outputs for {len(logits)} images are probabilities: each row sums to 1"
        )
