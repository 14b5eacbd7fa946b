"""Builds a study from a model and images; everything is checked before any computation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Self, cast, get_args

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network, randomize
from saliency_bench.explainers import Control
from saliency_bench.protocols import (
    BLOCK,
    Check,
    FineTuner,
    Floats,
    Ints,
    Metric,
    MetricFacts,
    Networks,
    NotApplicable,
    NotTuned,
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
from saliency_bench.protocols.inputs import as_images, as_masks, as_targets
from saliency_bench.protocols.metrics import Sampling
from saliency_bench.protocols.processors import available
from saliency_bench.storage import source
from saliency_bench.storage.fingerprint import identity
from saliency_bench.study import option_rules
from saliency_bench.study.defaults import AnyExplainer, with_controls
from saliency_bench.study.fit import weakness
from saliency_bench.study.vocabulary import from_name


@dataclass(frozen=True)
class Options:
    """How a study is run.

    Attributes:
        seed: root of every random stream.
        draws: redraws per stage.
        target: `label` explains the given targets, `predicted` the class the untouched model
            predicts, `repredict` what each changed model predicts (the code of 2018).
        n_images: most images that `evaluate` explains, the first ones, as on the command line;
            None: all of an array, 64 of batches, which are read no further.
        batch_size: images, or image-sample pairs, evaluated at once; fewer are filled up. None: at
            most as many as suit the network, and none are filled up.
        cores: explanations made at once; None: as many as this process has cores. No number depends
            on it. An explainer of your own is called alone, unless its `thread_safe` is True.
        run_dir: where cells and results are kept, so that a study can be resumed and
            `Results.load` reads it; default: nowhere.
        save_maps: whether the raw maps are kept too.
        preprocessing: pixels in [0, 1] to model units, for the figures.
        weights: trains the networks that a check needs, e.g. a `models.Trainer`.
        tuner: fine-tunes the network for metrics that ask, e.g. a `models.FineTuner`; imputers that
            sample take its images.
        regions: `[N, H, W]` bool: where in the images the evidence lies, for metrics that ask.
        mixed: whether each image shows several classes, as mosaics do. Its target is one of them,
            and says nothing about the accuracy of the network.
        output: the output under test, as the explainers' `output`. It must change with the
            weights, and it has an accuracy if it classifies.
        classes: the names of the classes, for the figures; empty if unknown.
        progress: None: `evaluate` shows a bar in a terminal and under a notebook's cell, and
            elsewhere logs lines of level INFO. True: lines on standard error there. False: nothing.
    """

    seed: int = 0
    draws: int = 5
    target: TargetMode = "label"
    n_images: int | None = None
    batch_size: int | None = None
    cores: int | None = None
    run_dir: str | Path | None = None
    save_maps: bool = False
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    weights: Networks = field(default_factory=Untrainable)
    tuner: FineTuner = field(default_factory=NotTuned)
    regions: NDArray[np.bool_] | None = None
    mixed: bool = False
    output: Output = "logit"
    classes: Sequence[str] = ()
    progress: bool | None = None

    def __new__(cls, *_: Any, **settings: Any) -> Self:
        """Refuse a name that is no option, before Python does in its own words."""
        option_rules.require_known(settings, (own.name for own in fields(cls)))
        return super().__new__(cls)

    def __post_init__(self) -> None:
        option_rules.require(self)
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
    metrics: Mapping[str, Metric] | None = None,
    options: Options,
) -> Study:
    """A study of `model` on `images`, controls included.

    Args:
        model: any built Keras model.
        images: `[N, H, W, C]`, model units.
        targets: `[N]` int true classes, or None to explain the predicted ones.
        explainers: by the name they get in the results.
        checks: by name.
        similarities: by name.
        metrics: by name.
        options: seeds, draws, sizes.

    Raises:
        ValueError: if images or targets do not fit the model, or there is nothing to explain.
    """
    metrics = dict(metrics or {})
    for metric in metrics.values():
        MetricFacts.of(metric)
    if not checks and not metrics:
        raise ValueError("checks or metrics must name at least one; got none")
    network.require_model(model)
    rows, labels = _read_inputs(model, images, targets)
    net = _network(model, rows.shape[1:], options)
    outputs = _outputs(net, rows, options)
    explained, known = _classes(outputs, labels, options)
    weak = weakness(net.outputs, rows, known, outputs, options.preprocessing)
    all_explainers = with_controls(explainers, checks.values(), metrics.values())
    metrics = {name: _sampling(metric, rows, options) for name, metric in metrics.items()}
    study = Study(
        network=net,
        scene=Scene(rows, explained, randomize.image_keys(rows), labels=known),
        explainers=all_explainers,
        similarities=with_measures(similarities, checks.values(), options),
        checks=dict(checks),
        metrics=metrics,
        labels=known,
        regions=_regions(options.regions, rows),
        controls={n: type(e).__name__ for n, e in all_explainers.items() if isinstance(e, Control)},
        seed=options.seed,
        draws=options.draws,
        target=options.target,
        batch_size=net.batch_size,
        full=net.full,
        cores=available() if options.cores is None else options.cores,
        weights=options.weights,
        tuner=options.tuner,
        settings=source.numerics() | _own_output(options.output),
        remarks=() if weak is None else (weak.line,),
        misfit=weak.line if weak is not None and weak.cause else "",
    )
    return replace(study, remarks=(*study.remarks, *_without_verdict(study)))


def with_measures(
    similarities: Mapping[str, Similarity], checks: Iterable[Check], options: Options
) -> dict[str, Similarity]:
    """The similarities, and those of conf/ on which a check takes its verdict.

    Args:
        similarities: by name.
        checks: each may name one.
        options: of the study.
    """
    named = dict.fromkeys(check.declares.decides for check in checks if check.declares.decides)
    missing = [name for name in named if name not in similarities]
    return {**similarities, **{name: from_name("similarity", name, options) for name in missing}}


def _read_inputs(
    model: Any, images: Floats | Rows, targets: Ints | None
) -> tuple[NDArray[np.float32], NDArray[np.int64] | None]:
    """Images, which are read a few at a time when they are needed, and a class for each, if known.

    Raises:
        ValueError: if these are no images of the model, or not every image has one class.
    """
    source = as_images(images)
    count = len(source)
    labels = None if targets is None else as_targets(targets, count)
    network.require_fit(model, source.shape[1:])
    rows = Rows(source, partial(np.asarray, dtype=np.float32))
    with np.errstate(over="ignore"):  # what is too large for float32 is not finite
        finite = np.concatenate([np.isfinite(part).all(axis=(1, 2, 3)) for part in parts(rows)])
    if not finite.all():
        raise ValueError(f"images must be finite; image {finite.argmin()} holds NaN or infinity")
    return cast("NDArray[np.float32]", rows), labels


def _network(model: Any, shape: tuple[int, ...], options: Options) -> network.KerasNetwork:
    net = network.KerasNetwork(model, batch_size=options.batch_size or BLOCK, output=options.output)
    if options.batch_size is None:
        net.suit(shape)
    _require_weights(model)
    return net


def _classes(
    outputs: NDArray[np.float32], labels: NDArray[np.int64] | None, options: Options
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """The class of each image that is explained, and its true one if the scores have classes."""
    true = labels if _classifies(options.output) else None
    own = labels if options.target == "label" else None
    explained = outputs.argmax(axis=1) if own is None else own
    used, classes = explained if true is None else true, outputs.shape[1]
    if used.min() < 0 or used.max() >= classes:
        raise ValueError(f"targets must lie in 0..{classes - 1}; got {used.min()} to {used.max()}")
    return explained, None if options.mixed else true


def _sampling(metric: Metric, images: NDArray[np.float32], options: Options) -> Metric:
    """A metric with images to draw from, if it asks: those to train on, else all explained ones."""
    if not (isinstance(metric, Sampling) and metric.lacks_images):
        return metric
    learned = options.tuner.images
    if learned is not None and learned.shape[1:] == images.shape[1:]:
        return metric.among(learned, "images to train on")
    return metric.among(images, "explained images")


def _without_verdict(study: Study) -> Iterator[str]:
    """A line for each check that gives verdicts, but none on this study."""
    for name, check in study.checks.items():
        with suppress(NotApplicable):
            reason = check.expectation(study).no_verdict
            if reason and not check.declares.no_verdict:
                yield f"{name} gives no verdict: {reason}"


def _regions(regions: Any, images: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    return None if regions is None else as_masks(regions, images.shape[:3], "regions")


def _classifies(output: Output) -> bool:
    """Whether labels are classes of the scores; unknown, so False, for a plain function."""
    return isinstance(output, str) or getattr(output, "classifies", False)


def _own_output(output: Output) -> dict[str, str]:
    """Settings for the keys of cells if the output is not the default."""
    return {} if output == "logit" else {"output": identity(output)}


def _outputs(
    net: network.KerasNetwork, images: NDArray[np.float32], options: Options
) -> NDArray[np.float32]:
    logits = net.outputs(images)
    if not np.isfinite(logits).all():
        first = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
        raise ValueError(f"the model's output must be finite; it is not for image {first}")
    if options.output == "logit":
        _require_logits(logits)
    return logits


def _require_weights(model: Any) -> None:
    weights = [variable.numpy() for variable in model.variables if len(variable.shape) > 1]
    if weights and not any(values.any() for values in weights):
        raise ValueError(
            f"the model must have learned something; every kernel of {model.name!r} is 0: "
            "were its weights read from their file?"
        )


def _require_logits(logits: NDArray[np.float32]) -> None:
    # Such numbers are no logits, whatever the last layers of the model are.
    if (
        logits.shape[1] > 1
        and (logits >= 0).all()
        and np.allclose(logits.sum(axis=1), 1, atol=1e-4)
    ):
        raise ValueError(
            "the model must end in logits, or in a softmax that can be traced back to them; "
            f"its outputs for {len(logits)} images are probabilities: each row sums to 1"
        )
