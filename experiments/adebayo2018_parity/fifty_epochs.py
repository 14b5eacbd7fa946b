"""The training of the code of 2018 at its full length, for an accelerator; needs `pip install jax`.

`python experiments/adebayo2018_parity/fifty_epochs.py DATA FOLDER [NAME ...]` reads
DATA/mnist_train.npz and DATA/mnist_t10k.npz, and writes FOLDER/NAME.*.npz, a file per layer: the
trained weights in the order of our networks' variables. Fifty epochs take a minute on a GPU and
hours on two cores; and this is a second implementation of the training, made without our trainer.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

BATCH = 50


class Run(NamedTuple):
    """One training: its network, its length, the weight of its penalty, its step and its seed."""

    model: str
    epochs: int = 50
    penalty: float = 0.001
    rate: float = 1e-4
    seed: int = 0


RUNS = {
    "epochs_50": Run("cnn"),
    "epochs_50_no_penalty": Run("cnn", penalty=0.0),
    "epochs_50_seed_1": Run("cnn", seed=1),
    "epochs_50_learning_rate_1e-3": Run("cnn", rate=1e-3),
    "epochs_10": Run("cnn", 10),
    "mlp_epochs_50": Run("mlp", penalty=0.0),
}


def first_weights(model: str, seed: int) -> list[Any]:
    """Kernels and biases, layer by layer."""
    if model == "cnn":
        shapes = [(5, 5, 1, 32), (5, 5, 32, 64), (7 * 7 * 64, 1024), (1024, 10)]
        stds, bias = [0.1] * 4, 0.1
    else:
        shapes = [(784, 2500), (2500, 1500), (1500, 500), (500, 10)]
        stds, bias = [2 / np.sqrt(shape[0]) for shape in shapes], 0.0
    keys = jax.random.split(jax.random.PRNGKey(seed), len(shapes))
    weights: list[Any] = []
    for key, shape, std in zip(keys, shapes, stds, strict=True):
        weights += [
            std * jax.random.truncated_normal(key, -2, 2, shape),
            jnp.full(shape[-1], bias),
        ]
    return weights


def logits(weights: list[Any], images: Any) -> Any:
    """`[N, 10]` of images `[N, 28, 28, 1]`; a network of convolutions has kernels of four axes."""
    values = images
    for place in range(0, len(weights), 2):
        kernel, bias = weights[place : place + 2]
        if kernel.ndim == 4:
            layout = ("NHWC", "HWIO", "NHWC")
            values = jax.lax.conv_general_dilated(
                values, kernel, (1, 1), "SAME", dimension_numbers=layout
            )
            values = jax.nn.relu(values + bias)
            window = (1, 2, 2, 1)
            values = jax.lax.reduce_window(values, -jnp.inf, jax.lax.max, window, window, "VALID")
        else:
            values = values.reshape(len(values), -1) @ kernel + bias
            values = values if place == len(weights) - 2 else jax.nn.relu(values)
    return values


def loss(weights: list[Any], images: Any, labels: Any, penalty: float) -> Any:
    """Mean cross-entropy, plus the penalty of all kernels but the last."""
    scores = jax.nn.log_softmax(logits(weights, images))
    entropy = -jnp.mean(jnp.take_along_axis(scores, labels[:, None], axis=1))
    return entropy + penalty * sum(jnp.sum(kernel**2) / 2 for kernel in weights[:-2:2])


@partial(jax.jit, static_argnames="penalty")
def epoch(state: Any, images: Any, labels: Any, order: Any, rate: float, penalty: float) -> Any:
    """One pass with Adam (Kingma & Ba, 2015), its last formula in section 2; and the mean loss."""

    def step(state: Any, rows: Any) -> Any:
        weights, means, squares, count = state
        value, slopes = jax.value_and_grad(loss)(weights, images[rows], labels[rows], penalty)
        count = count + 1
        size = rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        means = [0.9 * m + 0.1 * g for m, g in zip(means, slopes, strict=True)]
        squares = [0.999 * s + 0.001 * g * g for s, g in zip(squares, slopes, strict=True)]
        weights = [
            w - size * m / (jnp.sqrt(s) + 1e-8)
            for w, m, s in zip(weights, means, squares, strict=True)
        ]
        return (weights, means, squares, count), value

    state, values = jax.lax.scan(step, state, order)
    return state, values.mean()


@jax.jit
def accuracy(weights: list[Any], images: Any, labels: Any) -> Any:
    """Share of images whose highest score is that of their label."""
    return jnp.mean(logits(weights, images).argmax(axis=1) == labels)


def train(run: Run, data: Path) -> list[Any]:
    """The trained weights; a line is printed for each epoch."""
    images, labels = _read(data / "mnist_train.npz")
    images, labels = images[5000:], labels[5000:]  # the first 5,000 are for validation there
    weights = first_weights(run.model, run.seed)
    nothing = [jnp.zeros_like(w) for w in weights]
    state = (weights, nothing, nothing, jnp.zeros((), jnp.float32))
    random = np.random.default_rng(run.seed)
    for number in range(1, run.epochs + 1):
        order = random.permutation(len(images)).reshape(-1, BATCH)
        state, value = epoch(state, images, labels, order, run.rate, run.penalty)
        shown = float(accuracy(state[0], *_read(data / "mnist_t10k.npz")))
        print(f"{number}: loss {float(value):.4f}, test accuracy {shown:.4f}", flush=True)
    return state[0]


def main(data: str, folder: str, *names: str) -> None:
    """Train the named networks, or all."""
    jax.config.update("jax_default_matmul_precision", "highest")
    for name in names or RUNS:
        print(name, RUNS[name], jax.devices())
        weights = [np.asarray(w) for w in train(RUNS[name], Path(data))]
        for place in range(0, len(weights), 2):
            arrays = {str(place): weights[place], str(place + 1): weights[place + 1]}
            np.savez_compressed(Path(folder) / f"{name}.{place // 2}.npz", **arrays)
        print([round(float(w.std()), 4) for w in weights[::2]])


def _read(file: Path) -> tuple[Any, Any]:
    with np.load(file) as arrays:
        return jnp.asarray(arrays["x"][..., None] / np.float32(255)), jnp.asarray(
            arrays["y"].astype(np.int32)
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
