"""The small networks of Adebayo et al. (2018), trained on the run's dataset."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal, get_args

from saliency_bench.models.learned import Learned
from saliency_bench.models.training import Training
from saliency_bench.randomize import stream

Kernels = Literal["glorot_uniform", "truncated_normal"]
"""Distribution of a network's first kernels, from which `policy=initializer` redraws them, too."""

CODE_STD = 0.1
"""Standard deviation, before the truncation, of the CNN's kernels in the code of 2018."""

CODE_GAIN = 2.0
"""That of the MLP's kernels there, times the square root of a layer's number of inputs."""

_TRUNCATED_STD = 0.87962566103423978
"""Standard deviation of a standard normal that is truncated at 2."""


@dataclass(frozen=True)
class CNN(Learned):
    """The convolutional network of (Adebayo et al., 2018, appendix B), ending in logits.

    The paper does not say how its weights begin. Its released code takes `truncated_normal`, biases
    of 0.1 and, with `--reg`, a penalty of 0.001.

    Attributes:
        filters: number of filters of each convolution; a 2x2 max-pooling follows each.
        kernel: side of the convolution kernels, in pixels.
        units: size of the hidden dense layer.
        training: how it is trained.
        initializer: distribution of the first kernels; `truncated_normal` has a standard deviation
            of 0.1 before its truncation at 2 of them.
        bias: value of all first biases.
        penalty: weight of the hidden layers' squared kernels, halved and summed, in the loss.
    """

    kind: ClassVar[str] = "cnn"

    filters: Sequence[int] = (32, 64)
    kernel: int = 5
    units: int = 1024
    training: Training = field(default_factory=Training)
    initializer: Kernels = "glorot_uniform"
    bias: float = 0.0
    penalty: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", _widths("filters", self.filters))
        _widths("kernel and units", (self.kernel, self.units))
        _require_known(self.initializer)
        if not math.isfinite(self.bias):
            raise ValueError(f"bias must be finite, got {self.bias}")
        if not 0 <= self.penalty < math.inf:
            raise ValueError(f"penalty must be at least 0 and finite, got {self.penalty}")

    def network(self, shape: tuple[int, ...], n_classes: int, *, seed: int) -> Any:
        """Build the untrained network.

        Args:
            shape: `(H, W, C)` of an image.
            n_classes: number of classes.
            seed: of the initial weights.

        Raises:
            ValueError: if the pooling leaves nothing of the image.
        """
        import keras

        most = min(shape[:2]).bit_length() - 1
        if len(self.filters) > most:
            raise ValueError(
                f"filters must be at most {most} for images of {shape[0]}x{shape[1]}, as each "
                f"is followed by a pooling that halves them; got {len(self.filters)}"
            )
        start = self._start(seed)
        layers = [keras.Input(shape)]
        for number, width in enumerate(self.filters, start=1):
            layers += [
                keras.layers.Conv2D(
                    width,
                    self.kernel,
                    padding="same",
                    activation="relu",
                    name=f"conv{number}",
                    **next(start),
                    **self._penalized(),
                ),
                keras.layers.MaxPooling2D(2, name=f"pool{number}"),
            ]
        head = _head([self.units], n_classes, start, **self._penalized())
        return keras.Sequential([*layers, *head], name="cnn")

    def _start(self, seed: int) -> Iterator[dict[str, Any]]:
        from keras.initializers import Constant, TruncatedNormal

        normal = partial(TruncatedNormal, stddev=CODE_STD)
        for kernels in _initializers(self.initializer, normal, seed):
            yield {"kernel_initializer": kernels, "bias_initializer": Constant(self.bias)}

    def _penalized(self) -> dict[str, Any]:
        """Setting of a hidden layer; none without a penalty."""
        from keras.regularizers import L2

        return {"kernel_regularizer": L2(self.penalty / 2)} if self.penalty else {}


@dataclass(frozen=True)
class MLP(Learned):
    """The multilayer perceptron of (Adebayo et al., 2018, appendix B), ending in logits.

    Attributes:
        units: sizes of the hidden layers.
        training: how it is trained.
        initializer: distribution of the first kernels; `truncated_normal`, as in the released code,
            has a standard deviation of 2 / sqrt(inputs) before its truncation at 2 of them.
    """

    kind: ClassVar[str] = "mlp"

    units: Sequence[int] = (2500, 1500, 500)
    training: Training = field(default_factory=Training)
    initializer: Kernels = "glorot_uniform"

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", _widths("units", self.units))
        _require_known(self.initializer)

    def network(self, shape: tuple[int, ...], n_classes: int, *, seed: int) -> Any:
        """Build the untrained network.

        Args:
            shape: `(H, W, C)` of an image.
            n_classes: number of classes.
            seed: of the initial weights.
        """
        import keras

        layers = _head(self.units, n_classes, self._start(seed))
        return keras.Sequential([keras.Input(shape), *layers], name="mlp")

    def _start(self, seed: int) -> Iterator[dict[str, Any]]:
        from keras.initializers import VarianceScaling

        scale = (CODE_GAIN * _TRUNCATED_STD) ** 2  # Keras divides the standard deviation by it
        normal = partial(VarianceScaling, scale, "fan_in", "truncated_normal")
        for kernels in _initializers(self.initializer, normal, seed):
            yield {"kernel_initializer": kernels}


def _head(
    units: Sequence[int], n_classes: int, start: Iterator[dict[str, Any]], **hidden: Any
) -> list[Any]:
    from keras.layers import Dense, Flatten

    layers = [
        Dense(width, activation="relu", name=f"fc{number}", **next(start), **hidden)
        for number, width in enumerate(units, start=1)
    ]
    logits = Dense(n_classes, name="logits", **next(start))
    return [Flatten(name="flatten"), *layers, logits]


def _initializers(kind: Kernels, normal: Callable[..., Any], seed: int) -> Iterator[Any]:
    """Initialisers of kernels with different seeds: equal seeds would give equal weights.

    Args:
        kind: the distribution.
        normal: makes a truncated normal of a seed.
        seed: of the stream of their seeds.
    """
    from keras.initializers import GlorotUniform

    seeds = stream("first weights", seed)
    make = normal if kind == "truncated_normal" else GlorotUniform
    while True:
        yield make(seed=int(seeds.integers(2**31)))


def _require_known(initializer: str) -> None:
    if initializer not in get_args(Kernels):
        raise ValueError(
            f"initializer must be one of {', '.join(get_args(Kernels))}; got {initializer!r}"
        )


def _widths(name: str, values: Sequence[int]) -> tuple[int, ...]:
    if not values or min(values) < 1:
        raise ValueError(f"{name} must be at least 1, got {list(values)}")
    return tuple(values)
