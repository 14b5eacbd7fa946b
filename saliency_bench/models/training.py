"""Settings of a training, and the training itself: one call of Keras's `fit`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network as networks
from saliency_bench.models.seeding import fresh_keras
from saliency_bench.protocols import Epoch, Preprocessing, Progress, Rows, Silent, interrupts
from saliency_bench.randomize import stream

if TYPE_CHECKING:
    from saliency_bench.network import Kernel

Schedule = Literal["constant", "cosine"]

Images = NDArray[np.float32] | Rows
"""`[N, H, W, C]`, in memory or read when indexed."""


@dataclass(frozen=True)
class Training:
    """How to train a network: cross-entropy, whole epochs, every epoch in a new order.

    Attributes:
        optimizer: the name of a Keras optimizer.
        learning_rate: its step size, at first.
        epochs: most passes over the images.
        batch_size: images per step.
        stop_accuracy: stop after the epoch that reaches this accuracy on all training images, in
            inference mode; None: after all epochs.
        weight_decay: decoupled weight decay per step and unit of learning rate (Loshchilov &
            Hutter, 2019); None: the optimizer's default.
        schedule: of the step size: `constant`, or `cosine`: down to 0 at the end of all epochs
            (Loshchilov & Hutter, 2017), which therefore need `stop_accuracy=None`.
    """

    optimizer: str = "adam"
    learning_rate: float = 1e-3
    epochs: int = 100
    batch_size: int = 64
    stop_accuracy: float | None = 0.99
    weight_decay: float | None = None
    schedule: Schedule = "constant"

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be positive and finite, got {self.learning_rate}")
        if min(self.epochs, self.batch_size) < 1:
            raise ValueError(
                f"epochs and batch_size must be at least 1, got {self.epochs}, {self.batch_size}"
            )
        if self.stop_accuracy is not None and not 0 < self.stop_accuracy <= 1:
            raise ValueError(f"stop_accuracy must be in (0, 1], got {self.stop_accuracy}")
        if self.weight_decay is not None and not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must be at least 0, got {self.weight_decay}")
        if self.schedule not in get_args(Schedule):
            raise ValueError(
                f"schedule must be one of {', '.join(get_args(Schedule))}; got {self.schedule!r}"
            )
        if self.schedule == "cosine" and self.stop_accuracy is not None:
            raise ValueError(
                "schedule=cosine ends with the last epoch, so stop_accuracy must be null; "
                f"got {self.stop_accuracy}"
            )


def optimizer_of(training: Training, steps: int = 1) -> Any:
    """The Keras optimizer.

    Args:
        training: the settings.
        steps: of the whole training.

    Raises:
        ValueError: if Keras has no optimizer of that name.
    """
    import keras

    try:
        optimizer = keras.optimizers.get(training.optimizer)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"optimizer must be the name of a Keras optimizer, got {training.optimizer}"
        ) from error
    rate = training.learning_rate
    cosine = training.schedule == "cosine"
    decay = keras.optimizers.schedules.CosineDecay
    optimizer.learning_rate = decay(rate, steps) if cosine else rate
    if training.weight_decay is not None:
        optimizer.weight_decay = training.weight_decay
    return optimizer


def fit(
    network: Any,
    images: Images,
    labels: NDArray[np.int64],
    training: Training,
    *,
    seed: int,
    name: str,
    progress: Progress | None = None,
) -> tuple[tuple[Epoch, ...], float]:
    """Train a network in place; the optimizer and loss of a compiled network are not used.

    Args:
        network: the Keras model.
        images: `[N, H, W, C]`, model units.
        labels: `[N]`.
        training: the settings.
        seed: of the order of images and of Keras's own random numbers.
        name: of the network, for progress and messages.
        progress: shows the training; default: nothing is shown.

    Returns:
        Loss and accuracy of each epoch; and the final accuracy on `images`, in inference mode.

    Raises:
        ValueError: if the training diverges, or the network's output cannot be explained.
    """
    import keras

    progress = progress or Silent()
    with fresh_keras(seed):
        loss, metric = _loss(network, images[: training.batch_size])
        # The wrapper is compiled, so the network's own `train_step` and `compute_loss` do not run.
        wrapper = keras.Sequential([network])
        steps = -(-len(images) // training.batch_size)
        optimizer = optimizer_of(training, training.epochs * steps)
        wrapper.compile(optimizer=optimizer, loss=loss, metrics=[metric])
        watch = _Watch(wrapper, images, labels, training, name, progress)
        progress.start(training.epochs * steps, at_most=training.stop_accuracy is not None)
        try:
            wrapper.fit(
                batches(images, labels, training, seed=seed),
                steps_per_epoch=steps,
                epochs=training.epochs,
                shuffle=False,
                verbose=0,
                callbacks=[watch.callback()],
            )
        finally:
            progress.done()
        final_accuracy = watch.final_accuracy()
    progress.tell(
        f"{name}: trained {len(watch.history)} epochs, loss {watch.history[-1][0]:.4f}, "
        f"accuracy {final_accuracy:.4f}"
    )
    return tuple(watch.history), final_accuracy


def scores(network: Any, training: Training) -> Kernel:
    """The network's scores as a compiled function of batches of the training's size."""
    with networks.evaluating(training.batch_size):
        return networks.Kernel(network, lambda traced: traced.scores)


def accuracy(
    outputs: Kernel,
    pixels: Images,
    labels: NDArray[np.int64],
    *,
    units: Preprocessing | None = None,
    least: float = 0.0,
) -> float:
    """Share of the images whose highest score is that of their label.

    Args:
        outputs: the network's scores.
        pixels: `[N, H, W, C]`.
        labels: `[N]`.
        units: preprocessing of the pixels; None: they are in model units.
        least: the accuracy of interest. The result is NaN as soon as it cannot be reached, which
            saves time: a poor network shows after a few images.
    """
    wrong = 0
    for start in range(0, len(pixels), outputs.batch):
        rows = slice(start, start + outputs.batch)
        images = pixels[rows] if units is None else units(pixels[rows])
        wrong += int(np.sum(outputs(images).argmax(axis=1) != labels[rows]))
        if (len(pixels) - wrong) / len(pixels) < least:
            return math.nan
    return (len(pixels) - wrong) / len(pixels)


@dataclass
class _Watch:
    """Watches a training: shows its progress and stops it."""

    wrapper: Any
    images: Images
    labels: NDArray[np.int64]
    training: Training
    name: str
    progress: Progress
    history: list[Epoch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._outputs = scores(self.wrapper.layers[0], self.training)
        self._accuracy = math.nan

    def callback(self) -> Any:
        import keras

        return keras.callbacks.LambdaCallback(
            on_train_batch_end=self._batch, on_epoch_end=self._epoch
        )

    def final_accuracy(self) -> float:
        """Accuracy on the training images, in inference mode."""
        if math.isnan(self._accuracy):
            self._accuracy = accuracy(self._outputs, self.images, self.labels)
        return self._accuracy

    def _batch(self, number: int, logs: Any) -> None:
        interrupts.ask()  # one that a destructor lost
        accuracy_text = f", accuracy {self.history[-1][1]:.2f}" if self.history else ""
        epoch = f"epoch {len(self.history) + 1} of at most {self.training.epochs}"
        self.progress.step(f"{self.name}: {epoch}{accuracy_text}")

    def _epoch(self, number: int, logs: Any) -> None:
        loss = logs["loss"]
        if not math.isfinite(loss):
            raise ValueError(
                f"learning_rate must let the training converge, got "
                f"{self.training.learning_rate}: {self.name} has loss {loss} in epoch {number + 1}"
            )
        self.history.append((loss, logs["accuracy"]))
        if self.training.stop_accuracy is not None:
            least = self.training.stop_accuracy
            self._accuracy = accuracy(self._outputs, self.images, self.labels, least=least)
            self.wrapper.stop_training = not math.isnan(self._accuracy)


def batches(images: Images, labels: NDArray[np.int64], training: Training, *, seed: int) -> Any:
    """The batches of all epochs, a `tf.data.Dataset`; an epoch's order follows from its number.

    Args:
        images: `[N, H, W, C]`.
        labels: `[N]`.
        training: the settings.
        seed: of the orders.
    """
    import tensorflow as tf

    def order(epoch: Any) -> NDArray[np.int64]:
        # Keras itself would shuffle by the process's global random state.
        return stream("shuffle", seed, int(epoch)).permutation(len(images))

    def rows(epoch: Any) -> Any:
        places = tf.ensure_shape(tf.numpy_function(order, [epoch], tf.int64), [len(images)])
        return tf.data.Dataset.from_tensor_slices(places).batch(training.batch_size)

    def batch(rows: Any) -> Any:
        # Only the images of one batch need to be in memory.
        batch_images = tf.numpy_function(lambda r: images[r], [rows], tf.float32)
        return tf.ensure_shape(batch_images, [None, *images.shape[1:]]), tf.gather(labels, rows)

    epochs = tf.data.Dataset.range(training.epochs)
    return epochs.flat_map(rows).map(batch).prefetch(2)


def _loss(network: Any, images: NDArray[np.float32]) -> tuple[Any, Any]:
    """Cross-entropy and accuracy as Keras computes them; one unit has two classes.

    A final softmax or sigmoid tells that the network gives probabilities, and not logits. A
    hand-written softmax is recognised by rows that sum to one; if they are equal for all images,
    they may be constant logits of an untrained network.
    """
    import keras

    logits, own = (
        networks.Kernel(network, lambda traced: traced.scores, output)(images)
        for output in ("logit", lambda output: output.head())
    )
    if own.shape[1] == 1:
        raw = np.allclose(own, logits[:, 1:])
        loss = keras.losses.BinaryCrossentropy(from_logits=raw)
        return loss, keras.metrics.BinaryAccuracy("accuracy", threshold=0.0 if raw else 0.5)
    sums_to_one = np.allclose(own.sum(axis=1), 1, atol=1e-3) and np.ptp(own, axis=0).any()
    squashed = own.shape == logits.shape and not np.allclose(own, logits)
    probable = (own >= 0).all() and (squashed or sums_to_one)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=not probable), "accuracy"
