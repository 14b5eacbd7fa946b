"""New values for weights, and noise for images: one random stream per purpose.

Keras initialisers are stateless: asked again they return the network's own first weights. So
every number here comes from a Philox stream keyed by what it is for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from saliency_bench import network
from saliency_bench.protocols import Floats, Ints

if TYPE_CHECKING:
    from saliency_bench.network import Block

Policy = Literal["initializer", "normal", "truncated_normal", "permute"]
POLICIES: tuple[str, ...] = get_args(Policy)

PAPER_STD = 0.01
"""Standard deviation of the redrawn weights in (Adebayo et al., 2018), section 3."""

_TRUNCATED_STD = 0.87962566103423978
"""Standard deviation of a unit normal cut off at two."""


def stream(*key: int | str) -> np.random.Generator:
    """An independent random stream for a purpose, named by its key: `("noise", seed, image)`."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def image_keys(images: Floats) -> NDArray[np.int64]:
    """`[N]` a hash of each image `[N, H, W, C]`: what seeds its noise."""
    rows = np.ascontiguousarray(images, np.float32)
    digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows]
    return np.array([int.from_bytes(d, "little", signed=True) for d in digests], np.int64)


def other_keys(keys: Ints, purpose: str) -> NDArray[np.int64]:
    """`[N]` keys derived from `keys`: the same images under another explainer seed."""
    rows = [f"{purpose}:{int(key)}".encode() for key in keys]
    digests = [hashlib.blake2b(row, digest_size=8).digest() for row in rows]
    return np.array([int.from_bytes(d, "little", signed=True) for d in digests], np.int64)


def blocks(model: Any) -> tuple[Block, ...]:
    """The model's weights in blocks, one per layer with weights, output first."""
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
    """New values for `variables` of `model`; changes nothing.

    Policies: `initializer` draws from each variable's own initialiser, with a stream of ours (the
    released code of Adebayo et al., 2018); `normal` and `truncated_normal` have mean 0 and
    standard deviation 0.01 (the paper's text); `permute` shuffles all entries of a variable.
    Statistics, such as BatchNorm's, start afresh under every policy but `permute`. A variable
    whose layer does not name an initialiser gets Glorot uniform if it has two axes or more,
    else a normal with the mean and standard deviation of its present values.

    The stream is keyed by seed, draw, stage and the variable's position in `model.variables`.

    Raises:
        ValueError: if the policy is unknown or a variable is not the model's.
    """
    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}; got {policy!r}")
    positions = {id(v): position for position, v in enumerate(model.variables)}
    owners = _owners(model)
    values = []
    for variable in variables:
        if id(variable) not in positions:
            raise ValueError(f"variables must belong to the model; {variable.path!r} does not")
        random = stream("weights", seed, draw, stage, positions[id(variable)])
        value = _new_value(owners.get(id(variable)), variable, policy, random)
        values.append(np.asarray(value, variable.numpy().dtype))
    return values


def _owners(model: Any) -> dict[int, Any]:
    owners: dict[int, Any] = {}
    for layer in [*model._flatten_layers(include_self=False), model]:
        for variable in [*layer._trainable_variables, *layer._non_trainable_variables]:
            owners.setdefault(id(variable), layer)
    return owners


def _new_value(layer: Any, variable: Any, policy: str, random: np.random.Generator) -> Floats:
    shape = tuple(variable.shape)
    if policy == "permute":
        values: Floats = random.permutation(np.ravel(variable.numpy())).reshape(shape)
        return values
    statistic = layer is not None and any(variable is v for v in layer._non_trainable_variables)
    if policy == "initializer" or statistic:
        return _initial(layer, variable, random)
    draw = random.standard_normal if policy == "normal" else _truncated(random)
    return np.asarray(draw(shape) * PAPER_STD)


def _initial(layer: Any, variable: Any, random: np.random.Generator) -> Floats:
    shape = tuple(variable.shape)
    initializer = _initializer(layer, variable.name)
    if initializer is None:
        if len(shape) >= 2:
            return _variance_scaling(shape, 1.0, "fan_avg", "uniform", random)
        present = np.asarray(variable.numpy(), np.float64)
        return np.asarray(random.normal(present.mean(), present.std(), shape))
    scale, mode, distribution = (
        getattr(initializer, name, None) for name in ("scale", "mode", "distribution")
    )
    if scale is not None and mode is not None and distribution is not None:
        return _variance_scaling(shape, scale, mode, distribution, random)
    return np.asarray(_reseeded(initializer, random)(shape))


def _initializer(layer: Any, name: str) -> Any:
    """The initialiser a Keras layer keeps for its variable `name`."""
    stem = name.removesuffix("_kernel")
    candidates = [f"{name}_initializer", f"{stem}_initializer"]
    if name == "kernel":
        candidates.append("depthwise_initializer")
    return next((i for c in candidates if (i := getattr(layer, c, None)) is not None), None)


def _reseeded(initializer: Any, random: np.random.Generator) -> Any:
    config = initializer.get_config()
    if "seed" in config:
        config["seed"] = int(random.integers(2**31))
    return type(initializer).from_config(config)


def _variance_scaling(
    shape: tuple[int, ...], scale: float, mode: str, distribution: str, random: np.random.Generator
) -> Floats:
    """Glorot, He and LeCun initialisers (Glorot & Bengio, 2010; He et al., 2015)."""
    fan_in, fan_out = _fans(shape)
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    std = np.sqrt(scale / max(1.0, fan))
    if distribution == "uniform":
        limit = np.float32(np.sqrt(3.0) * std)
        return random.random(shape, dtype=np.float32) * (2 * limit) - limit
    if distribution == "truncated_normal":
        return np.asarray(_truncated(random)(shape) * (std / _TRUNCATED_STD))
    return np.asarray(random.standard_normal(shape) * std)


def _fans(shape: tuple[int, ...]) -> tuple[float, float]:
    if len(shape) < 2:
        size = float(shape[0]) if shape else 1.0
        return size, size
    field = float(np.prod(shape[:-2]))
    return shape[-2] * field, shape[-1] * field


def _truncated(random: np.random.Generator) -> Callable[[tuple[int, ...]], Floats]:
    """Unit normals, those beyond two drawn again."""

    def draw(shape: tuple[int, ...]) -> Floats:
        values = np.ravel(random.standard_normal(shape, dtype=np.float32))
        while (beyond := np.flatnonzero(np.abs(values) > 2)).size:
            values[beyond] = random.standard_normal(beyond.size, dtype=np.float32)
        return values.reshape(shape)

    return draw
