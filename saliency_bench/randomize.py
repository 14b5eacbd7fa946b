"""New values for weights and labels, and keys for noise: one random stream per purpose.

Keras initialisers are stateless: called again they return the network's first weights. So every
number here comes from a stream (SFC64) whose key names its purpose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.protocols import Floats, Ints, Rows, parts

if TYPE_CHECKING:
    from saliency_bench.network import Block

Policy = Literal["initializer", "normal", "truncated_normal", "permute"]
POLICIES: tuple[str, ...] = get_args(Policy)

PAPER_STD = 0.01
"""Standard deviation of the redrawn weights in (Adebayo et al., 2018), section 3."""

MANY = 10**6
"""Number of weights from which they are redrawn in parallel."""

_TRUNCATED_STD = 0.87962566103423978
"""Standard deviation of a standard normal that is truncated at 2."""


def stream(*key: int | str) -> np.random.Generator:
    """An independent random stream, named by its key, such as `("noise", seed, image)`."""
    # Equal integers of any library name the same stream.
    names = tuple(part if isinstance(part, str) else int(part) for part in key)
    digest = hashlib.blake2b(repr(names).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest, "little")))


def image_keys(images: Floats | Rows) -> NDArray[np.int64]:
    """A hash of each image `[N, H, W, C]`, which seeds its noise: `[N]` int64."""
    rows = (row for part in parts(images) for row in np.ascontiguousarray(part, np.float32))
    digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows]
    return np.array([int.from_bytes(d, "little", signed=True) for d in digests], np.int64)


def other_keys(keys: Ints, purpose: str) -> NDArray[np.int64]:
    """New keys `[N]` for the same images, derived from their keys: another explainer seed.

    Args:
        keys: `[N]` int.
        purpose: other purposes give other keys.
    """
    rows = [f"{purpose}:{int(key)}".encode() for key in keys]
    digests = [hashlib.blake2b(row, digest_size=8).digest() for row in rows]
    return np.array([int.from_bytes(d, "little", signed=True) for d in digests], np.int64)


def labels(
    labels: Ints,
    *,
    seed: int,
    draw: int = 0,
    policy: Literal["permuted", "uniform"] = "permuted",
    fraction: float = 1.0,
) -> NDArray[np.int64]:
    """Random labels `[N]`; the argument is not changed.

    Policies: `permuted` shuffles the labels among the chosen images, so that every class keeps its
    size (Adebayo et al., 2018, section 4); `uniform` draws each from the classes that occur, with
    equal probabilities. By chance some images keep their label. Within one draw, the images chosen
    for a fraction are also chosen for a larger one.

    Args:
        labels: `[N]` class of each image.
        seed: root of the stream, which differs from those of weights and noise.
        draw: number of the repeated draw.
        policy: see above.
        fraction: share of the images that are chosen, in [0, 1].

    Raises:
        ValueError: if the policy is unknown or the fraction is not in [0, 1].
    """
    if policy not in ("permuted", "uniform"):
        raise ValueError(f"policy must be one of permuted, uniform; got {policy!r}")
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must be in [0, 1]; got {fraction}")
    random = stream("labels", seed, draw)
    chosen = random.permutation(len(labels))[: round(fraction * len(labels))]
    changed = np.array(labels, np.int64)
    if policy == "permuted":
        changed[chosen] = random.permutation(changed[chosen])
    else:
        changed[chosen] = random.choice(np.unique(changed), len(chosen))
    return changed


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

    Seed, draw, stage and the variable's index in `model.variables` form the key of its stream.

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

    def value(variable: Any) -> NDArray[Any]:
        random = stream("weights", seed, draw, stage, positions[id(variable)])
        values = _new_value(owners.get(id(variable)), variable, policy, random)
        return np.asarray(values, variable.value.dtype.as_numpy_dtype)

    # Each variable has a stream of its own, so the order of the threads does not matter.
    if sum(int(np.prod(variable.shape)) for variable in variables) < MANY:
        return [value(variable) for variable in variables]
    with ThreadPoolExecutor() as pool:
        return list(pool.map(value, variables))


def _owners(model: Any) -> dict[int, Any]:
    owners: dict[int, Any] = {}
    for layer in [*model._flatten_layers(include_self=False), model]:
        for variable in [*layer._trainable_variables, *layer._non_trainable_variables]:
            owners.setdefault(id(variable), layer)
    return owners


def _new_value(layer: Any, variable: Any, policy: str, random: np.random.Generator) -> Floats:
    shape = tuple(variable.shape)
    if _keeps_its_values(layer, variable):
        return _permute(np.ravel(variable.numpy()), random).reshape(shape)
    statistic = layer is not None and any(variable is v for v in network.statistics(layer))
    if policy == "initializer" or statistic:
        return _initial(layer, variable, random)
    if policy == "permute":
        return _permute(np.ravel(variable.numpy()), random).reshape(shape)
    draw = random.standard_normal if policy == "normal" else _truncated(random)
    return np.asarray(draw(shape) * PAPER_STD)


def _keeps_its_values(layer: Any, variable: Any) -> bool:
    """Whether a variable can only be drawn over its own values: it is no float, or a scale."""
    import keras

    if not keras.backend.is_float_dtype(variable.dtype):
        return True
    quantized = layer is not None and network.is_quantized(layer)
    return quantized and _initializer(layer, variable.name) is None


def _permute(values: Floats, random: np.random.Generator) -> Floats:
    """The values in another order, unless all are equal."""
    permuted = random.permutation(values)
    while np.array_equal(permuted, values) and (values != values[:1]).any():
        permuted = random.permutation(values)
    return permuted


def _initial(layer: Any, variable: Any, random: np.random.Generator) -> Floats:
    import keras

    shape = tuple(variable.shape)
    fans = _fans(layer, variable)
    initializer = _initializer(layer, variable.name)
    if initializer is None and layer is not None:
        initializer = network.made_with(layer, variable)
    values = _draw(initializer, shape, fans, random)
    if values is not None:
        return values
    if len(shape) >= 2:
        return _variance_scaling(keras.initializers.GlorotUniform(seed=0), shape, fans, random)
    present = np.asarray(variable.numpy(), np.float64)
    return np.asarray(random.normal(present.mean(), present.std(), shape))


def _initializer(layer: Any, name: str) -> Any:
    """The initialiser that a Keras layer has for its variable `name`; None if it has none."""
    stem = name.removesuffix("_kernel")
    candidates = [f"{name}_initializer", f"{stem}_initializer"]
    if name == "kernel":
        candidates.append("depthwise_initializer")
    return next((i for c in candidates if (i := getattr(layer, c, None)) is not None), None)


def _draw(
    initializer: Any, shape: tuple[int, ...], fans: tuple[float, float], random: np.random.Generator
) -> Floats | None:
    """Values of an initialiser with a seed from our stream.

    None if it is a function, or if it takes no seed and is not constant: it would return the values
    that the network began with, such as pretrained embeddings.

    Args:
        initializer: a Keras initialiser, a function, or None.
        shape: of the variable.
        fans: the variable's numbers of inputs and outputs.
        random: the variable's stream.
    """
    import keras

    if not isinstance(initializer, keras.initializers.Initializer):
        return None
    if isinstance(initializer, keras.initializers.VarianceScaling):
        return _variance_scaling(initializer, shape, fans, random)
    if type(initializer) in (keras.initializers.Zeros, keras.initializers.Ones):
        return np.full(shape, float(type(initializer) is keras.initializers.Ones), np.float32)
    config = initializer.get_config()
    if "seed" in config:
        config["seed"] = int(random.integers(2**31))
        return np.asarray(type(initializer).from_config(config)(shape))
    values = np.asarray(initializer(shape))
    return values if np.unique(values).size <= 1 else None


def _variance_scaling(
    initializer: Any, shape: tuple[int, ...], fans: tuple[float, float], random: np.random.Generator
) -> Floats:
    """Glorot, He and LeCun initialisers (Glorot & Bengio, 2010; He et al., 2015)."""
    fan_in, fan_out = fans
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    std = np.sqrt(initializer.scale / max(1.0, fan[initializer.mode]))
    if initializer.distribution == "uniform":
        limit = np.float32(np.sqrt(3.0) * std)
        return random.random(shape, dtype=np.float32) * (2 * limit) - limit
    if initializer.distribution == "truncated_normal":
        return np.asarray(_truncated(random)(shape) * (std / _TRUNCATED_STD))
    return np.asarray(random.standard_normal(shape) * std)


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


def _truncated(random: np.random.Generator) -> Callable[[tuple[int, ...]], Floats]:
    """A function that draws standard normals; values beyond 2 are drawn again."""

    def draw(shape: tuple[int, ...]) -> Floats:
        values = np.ravel(random.standard_normal(shape, dtype=np.float32))
        while (beyond := np.flatnonzero(np.abs(values) > 2)).size:
            values[beyond] = random.standard_normal(beyond.size, dtype=np.float32)
        return values.reshape(shape)

    return draw
