"""New values for the weights of a model, which is not changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.protocols import Floats
from saliency_bench.protocols.processors import available
from saliency_bench.randomize.distributions import (
    Constant,
    Distribution,
    Normal,
    TruncatedNormal,
    Uniform,
    Whole,
)
from saliency_bench.randomize.streams import stream

if TYPE_CHECKING:
    from saliency_bench.network import Block

Policy = Literal["initializer", "normal", "truncated_normal", "permute"]
POLICIES: tuple[str, ...] = get_args(Policy)

PAPER_STD = 0.01
"""Standard deviation of the redrawn weights in (Adebayo et al., 2018), section 3."""

MANY = 10**6
"""Number of weights from which they are redrawn in parallel."""

Key = tuple[int | str, ...]
"""The name of a random stream."""

Piece = tuple[Distribution, NDArray[Any], Key]
"""What draws, the weights that it replaces, and its stream."""


def blocks(model: Any) -> tuple[Block, ...]:
    """Divide the model's weights into blocks, one per layer with weights, output first."""
    return network.blocks(model)


def redraw(
    model: Any,
    variables: Sequence[Any],
    *,
    seed: int,
    draw: int = 0,
    stage: int = 0,
    policy: Policy = "initializer",
) -> list[NDArray[Any]]:
    """New values for variables of a model, which is not changed.

    Policies: `initializer` draws from each variable's own initialiser, with a stream of this module
    (as the released code of Adebayo et al., 2018); `normal` and `truncated_normal` have mean 0 and
    standard deviation 0.01 (the paper's text); `permute` shuffles all entries of a variable.
    Statistics, such as BatchNorm's, get their initial values under every policy. Weights that are
    no floats, and scales of a quantised layer, are permuted under every policy.

    The initialiser is that which the layer holds, or else that which its code asks for (see
    `network.made_with`), as for the gain of a LayerScale or a class token. If there is none, or if
    it neither takes a seed nor is constant, `initializer` draws from Glorot uniform for two or more
    axes, else from a normal with the mean and standard deviation of the present values.

    Seed, draw, stage and the variable's index in `model.variables` form the key of its stream; a
    variable of more than 4 million weights has a further stream for each 4 million. All cores draw
    at once, and their number does not change the values.

    Args:
        model: any built Keras model.
        variables: variables of the model.
        seed: root of the streams.
        draw: number of the repeated draw.
        stage: number of the cascade's stage.
        policy: see above.

    Raises:
        ValueError: if the policy is unknown or a variable is not the model's.
    """
    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}; got {policy!r}")
    positions = {id(v): position for position, v in enumerate(model.variables)}
    for variable in variables:
        if id(variable) not in positions:
            raise ValueError(f"variables must belong to the model; {variable.path!r} does not")
    owners = _owners(model)
    values = [np.empty(v.shape, v.value.dtype.as_numpy_dtype) for v in variables]
    pieces: list[Piece] = []
    for variable, value in zip(variables, values, strict=True):
        distribution = _distribution(owners.get(id(variable)), variable, policy)
        key = "weights", seed, draw, stage, positions[id(variable)]
        pieces += _pieces(distribution, value.reshape(-1), key)
    # Each piece has a stream of its own, so neither order nor threads matter.
    if sum(value.size for value in values) < MANY:
        _fill(pieces)
    else:
        pieces.sort(key=lambda piece: -piece[1].size)
        threads = available()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(_fill, (pieces[first::threads] for first in range(threads))))
    return values


def _fill(pieces: Iterable[Piece]) -> None:
    for distribution, weights, key in pieces:
        distribution.fill(stream(*key), weights)


def _pieces(distribution: Distribution, weights: NDArray[Any], key: Key) -> Iterator[Piece]:
    """The chunks of `weights` `[n]`; the stream of the first one is that of `key`."""
    chunk = distribution.chunk
    for number, start in enumerate(range(0, weights.size, chunk)):
        yield distribution, weights[start : start + chunk], (*key, number) if number else key


def _owners(model: Any) -> dict[int, Any]:
    owners: dict[int, Any] = {}
    for layer in [*model._flatten_layers(include_self=False), model]:
        for variable in [*layer._trainable_variables, *layer._non_trainable_variables]:
            owners.setdefault(id(variable), layer)
    return owners


def _distribution(layer: Any, variable: Any, policy: str) -> Distribution:
    if _keeps_its_values(layer, variable):
        return _permuted(variable)
    statistic = layer is not None and any(variable is v for v in network.statistics(layer))
    if policy == "initializer" or statistic:
        return _initial(layer, variable)
    if policy == "permute":
        return _permuted(variable)
    return Normal(PAPER_STD) if policy == "normal" else TruncatedNormal(PAPER_STD)


def _keeps_its_values(layer: Any, variable: Any) -> bool:
    """Whether a variable can only be drawn over its own values: it is no float, or a scale."""
    import keras

    if not keras.backend.is_float_dtype(variable.dtype):
        return True
    quantized = layer is not None and network.is_quantized(layer)
    return quantized and _initializer(layer, variable.name) is None


def _permuted(variable: Any) -> Distribution:
    return Whole(lambda random: _permute(np.ravel(variable.numpy()), random))


def _permute(values: Floats, random: np.random.Generator) -> Floats:
    """The values in another order, unless all are equal."""
    permuted = random.permutation(values)
    while np.array_equal(permuted, values) and (values != values[:1]).any():
        permuted = random.permutation(values)
    return permuted


def _initial(layer: Any, variable: Any) -> Distribution:
    import keras

    shape = tuple(variable.shape)
    fans = _fans(layer, variable)
    initializer = _initializer(layer, variable.name)
    if initializer is None and layer is not None:
        initializer = network.made_with(layer, variable)
    own = _of_initializer(initializer, shape, fans)
    if own is not None:
        return own
    if len(shape) >= 2:
        return _variance_scaling(keras.initializers.GlorotUniform(seed=0), fans)
    present = np.asarray(variable.numpy(), np.float64)
    return Whole(lambda random: random.normal(present.mean(), present.std(), shape))


def _initializer(layer: Any, name: str) -> Any:
    """The initialiser that a Keras layer has for its variable `name`; None if it has none."""
    stem = name.removesuffix("_kernel")
    candidates = [f"{name}_initializer", f"{stem}_initializer"]
    if name == "kernel":
        candidates.append("depthwise_initializer")
    return next((i for c in candidates if (i := getattr(layer, c, None)) is not None), None)


def _of_initializer(
    initializer: Any, shape: tuple[int, ...], fans: tuple[float, float]
) -> Distribution | None:
    """What an initialiser draws, with a seed from our stream.

    None if it is a function, or if it takes no seed and is not constant: it would return the values
    that the network began with, such as pretrained embeddings.

    Args:
        initializer: a Keras initialiser, a function, or None.
        shape: of the variable.
        fans: the variable's numbers of inputs and outputs.
    """
    import keras

    if not isinstance(initializer, keras.initializers.Initializer):
        return None
    if isinstance(initializer, keras.initializers.VarianceScaling):
        return _variance_scaling(initializer, fans)
    config = initializer.get_config()
    if "seed" in config:
        kind = type(initializer)

        def draw(random: np.random.Generator) -> Floats:
            seed = int(random.integers(2**31))
            return np.asarray(kind.from_config({**config, "seed": seed})(shape))

        return Whole(draw)
    constant = _constant(initializer, shape)
    return None if constant is None else Constant(constant)


@lru_cache(maxsize=2**12)
def _constant(initializer: Any, shape: tuple[int, ...]) -> float | None:
    """The number that an initialiser fills a whole variable with; None if there are several."""
    values = np.unique(np.asarray(initializer(shape)))
    return float(values.sum()) if values.size <= 1 else None


def _variance_scaling(initializer: Any, fans: tuple[float, float]) -> Distribution:
    """Glorot, He and LeCun initialisers (Glorot & Bengio, 2010; He et al., 2015)."""
    fan_in, fan_out = fans
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    std = np.sqrt(initializer.scale / max(1.0, fan[initializer.mode]))
    if initializer.distribution == "uniform":
        return Uniform(np.sqrt(3.0) * std)
    if initializer.distribution == "truncated_normal":
        return TruncatedNormal.of_std(std)
    return Normal(std)


def _fans(layer: Any, variable: Any) -> tuple[float, float]:
    """Number of inputs and of outputs that a weight connects, counted as Keras does."""
    import keras

    shape = tuple(variable.shape)
    if len(shape) < 2:
        size = float(np.prod(shape))
        return size, size
    if isinstance(layer, keras.layers.EinsumDense) and variable.name == "kernel":
        # An attention kernel: its output axes are those that the equation has in its result.
        kernel, output = layer.equation.split(",")[1].split("->")
        is_output = np.isin(list(kernel), list(output))
        return float(np.prod(np.array(shape)[~is_output])), float(
            np.prod(np.array(shape)[is_output])
        )
    field = float(np.prod(shape[:-2]))
    return shape[-2] * field, shape[-1] * field
