"""One tiny network, written in the five ways people write Keras models, all with equal weights."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import thorough
from helpers.small_files import write_networks

gc.set_threshold(50_000, 10, 10)  # TensorFlow's many objects are looked through less often

KINDS = ("sequential", "functional", "nested", "subclassed", "tf_function")
LAYERS = ("first", "norm", "second", "head")
"""Layers with weights, in execution order."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option that chooses what `make test` leaves out."""
    parser.addoption("--choose-thorough", type=float, metavar="SECONDS", help="that the rest takes")


def pytest_configure(config: pytest.Config) -> None:
    """Measure where that was asked, in the process that hears of all tests."""
    seconds = config.getoption("--choose-thorough")
    if seconds is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(thorough.Choosing(seconds))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests before they are selected by their marks."""
    thorough.mark(items)


def _weights() -> dict[str, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    shapes = {"first": (3, 3, 2, 4), "second": (3, 3, 4, 5), "head": (45, 3)}
    weights = {
        name: [rng.normal(0, 0.3, shape), rng.normal(0, 0.1, shape[-1])]
        for name, shape in shapes.items()
    }
    weights["norm"] = [rng.uniform(0.5, 1.5, 4), rng.normal(0, 0.2, 4)]
    weights["norm"] += [rng.normal(0, 0.2, 4), rng.uniform(0.5, 1.5, 4)]
    return weights


def _parts(activation: str | None = None) -> dict[str, Any]:
    from keras import layers

    return {
        "first": layers.Conv2D(4, 3, activation="relu", name="first"),
        "pool": layers.MaxPooling2D(name="pool"),
        "norm": layers.BatchNormalization(name="norm"),
        "second": layers.Conv2D(5, 3, activation="relu", name="second"),
        "flatten": layers.Flatten(name="flatten"),
        "head": layers.Dense(3, activation=activation, name="head"),
    }


def _sequential() -> tuple[Any, dict[str, Any]]:
    import keras

    parts = _parts("softmax")
    return keras.Sequential([keras.Input((12, 12, 2)), *parts.values()]), parts


def _functional() -> tuple[Any, dict[str, Any]]:
    import keras

    parts = _parts()
    images = hidden = keras.Input((12, 12, 2))
    for part in parts.values():
        hidden = part(hidden)
    return keras.Model(images, keras.layers.Softmax()(hidden)), parts


def _nested() -> tuple[Any, dict[str, Any]]:
    """A backbone in a model in a model, whose layers Keras does not list in execution order."""
    import keras

    parts = _parts()
    images = keras.Input((12, 12, 2))
    normed = parts["norm"](parts["pool"](parts["first"](images)))
    backbone = keras.Model(images, parts["second"](normed), name="backbone")
    images = keras.Input((12, 12, 2))
    inner = keras.Model(images, parts["head"](parts["flatten"](backbone(images))), name="inner")
    images = keras.Input((12, 12, 2))
    return keras.Model(images, keras.layers.Activation("softmax")(inner(images))), parts


def _subclassed() -> tuple[Any, dict[str, Any]]:
    import keras
    import tensorflow as tf

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            # Held against the order in which they run.
            self.parts = dict(reversed(_parts().items()))

        def call(self, images: Any) -> Any:
            hidden = images
            for part in reversed(self.parts.values()):
                hidden = part(hidden)
            return tf.nn.softmax(hidden)

    model = Net()
    model(np.zeros((1, 12, 12, 2), np.float32))
    return model, model.parts


def _tf_function() -> tuple[Any, dict[str, Any]]:
    """Its layers are first built inside its own trace, which then ignores new weights."""
    import keras
    import tensorflow as tf

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.parts = _parts()

        @tf.function
        def call(self, images: Any) -> Any:
            hidden = images
            for part in self.parts.values():
                hidden = part(hidden)
            return keras.ops.softmax(hidden)

    model = Net()
    model(np.zeros((1, 12, 12, 2), np.float32))
    return model, model.parts


def build(kind: str) -> Any:
    """The network as `kind`, freshly made."""
    makers = (_sequential, _functional, _nested, _subclassed, _tf_function)
    model, parts = dict(zip(KINDS, makers, strict=True))[kind]()
    for name, weights in _weights().items():
        parts[name].set_weights(weights)
    return model


@pytest.fixture(scope="session")
def model_of() -> Callable[[str], Any]:
    """The network as a kind, the same object every time."""
    return cache(build)


@pytest.fixture(scope="session")
def fresh_model_of() -> Callable[[str], Any]:
    """The network as a kind, freshly made."""
    return build


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report draws none and its page is filler: they take most of a small run's time."""
    monkeypatch.setattr("saliency_bench.report.write.plan_figures", lambda _: ())
    monkeypatch.setattr("saliency_bench.report.write.page.html", lambda _: 500_000 * "-")


@pytest.fixture
def in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command can be called here, in an empty folder from which it can import too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    # Its threads can no longer be set if another test has computed in this process.
    monkeypatch.setattr("saliency_bench.cli.process.start_tensorflow", lambda **_: None)


@pytest.fixture
def seeded() -> None:
    """Keras's own first weights are the same in every run."""
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small networks as files, `cnn.keras` and `mlp.keras`, and unusable ones."""
    folder = tmp_path_factory.mktemp("networks")
    write_networks(folder)
    return folder


@pytest.fixture(scope="session", params=KINDS)
def model(request: pytest.FixtureRequest, model_of: Callable[[str], Any]) -> Any:
    return model_of(request.param)


@pytest.fixture(scope="session")
def functional(model_of: Callable[[str], Any]) -> Any:
    return model_of("functional")


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(5, 12, 12, 2)).astype(np.float32)


@pytest.fixture(scope="session")
def targets() -> np.ndarray:
    return np.array([0, 1, 2, 1, 0])


@pytest.fixture(scope="session")
def reference(images: np.ndarray) -> dict[str, np.ndarray]:
    """Feature maps and logits of the network on the images, in plain NumPy."""
    weights = _weights()
    first = _conv(images, *weights["first"])
    pooled = first.reshape(5, 5, 2, 5, 2, 4).max(axis=(2, 4))
    gamma, beta, mean, variance = weights["norm"]
    second = _conv((pooled - mean) / np.sqrt(variance + 1e-3) * gamma + beta, *weights["second"])
    kernel, bias = weights["head"]
    return {"second": second, "logits": second.reshape(5, -1) @ kernel + bias, "head": kernel}


def _conv(images: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(1, 2))
    return np.maximum(np.einsum("nhwcij,ijck->nhwk", windows, kernel) + bias, 0)
