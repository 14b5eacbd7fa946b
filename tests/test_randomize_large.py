"""Large variables: a stream for each chunk, so that all cores draw and none decides a number."""

import numpy as np
import pytest

from saliency_bench.randomize import POLICIES, redraw, stream, weights
from saliency_bench.randomize.distributions import (
    BLOCK,
    Distribution,
    Normal,
    TruncatedNormal,
    Uniform,
)

pytestmark = pytest.mark.usefixtures("seeded")

CHUNK = 1000
KEY = ("weights", 0, 0, 0, 0)


@pytest.fixture
def model():
    import keras

    return keras.Sequential([keras.Input((80,)), keras.layers.Dense(60)])  # 4.8 chunks


@pytest.fixture
def chunked(monkeypatch):
    monkeypatch.setattr(Distribution, "chunk", CHUNK)


def kernel_of(model, policy="initializer"):
    return redraw(model, model.variables[:1], seed=0, policy=policy)[0].ravel()


def test_a_chunk_has_the_numbers_of_its_own_stream(model, chunked):
    limit = np.float32(np.sqrt(6 / (80 + 60)))  # (Glorot & Bengio, 2010)
    drawn = kernel_of(model)
    for number in range(5):
        random = stream(*KEY, *[number][:number])
        chunk = drawn[number * CHUNK :][:CHUNK]
        expected = random.random(len(chunk), dtype=np.float32) * (2 * limit) - limit
        np.testing.assert_array_equal(chunk, expected)


# Of a truncated normal, what lies beyond is drawn anew after the whole chunk.
@pytest.mark.parametrize("policy", ["initializer", "normal", "permute"])
def test_the_first_chunk_has_the_numbers_of_a_variable_of_one_chunk(model, policy, monkeypatch):
    whole = kernel_of(model, policy)
    monkeypatch.setattr(Distribution, "chunk", CHUNK)
    drawn = kernel_of(model, policy)
    np.testing.assert_array_equal(drawn[:CHUNK], whole[:CHUNK])
    one_stream = policy == "permute"  # all entries, each once: not to be divided
    assert np.array_equal(drawn, whole) == one_stream


@pytest.mark.parametrize("policy", POLICIES)
def test_numbers_do_not_depend_on_threads(model, chunked, policy, monkeypatch):
    one_by_one = kernel_of(model, policy)
    monkeypatch.setattr(weights, "MANY", 1)
    for cores in (1, 2, 7):
        monkeypatch.setattr(weights, "available", lambda cores=cores: cores)
        np.testing.assert_array_equal(kernel_of(model, policy), one_by_one)


def test_an_error_in_a_thread_is_raised(model, monkeypatch):
    def broken(*_):
        raise ValueError("no number left")

    monkeypatch.setattr(weights, "MANY", 1)
    monkeypatch.setattr(Uniform, "fill", broken)
    with pytest.raises(ValueError, match="no number left"):
        kernel_of(model)


@pytest.mark.parametrize("distribution", [Uniform(0.3), Normal(0.3), TruncatedNormal(0.3)])
def test_blocks_of_a_stream_are_what_the_stream_gives_at_once(distribution):
    """Reference: NumPy in one call, with whole arrays."""
    count = 2 * BLOCK + 5
    weights = np.empty(count, np.float32)
    distribution.fill(stream("test"), weights)
    random = stream("test")
    if isinstance(distribution, Uniform):
        limit = np.float32(0.3)
        expected = random.random(count, dtype=np.float32) * (2 * limit) - limit
    elif isinstance(distribution, Normal):
        expected = random.standard_normal(count) * 0.3
    else:
        normal = random.standard_normal(count, dtype=np.float32)
        while (beyond := np.flatnonzero(np.abs(normal) > 2)).size:
            normal[beyond] = random.standard_normal(beyond.size, dtype=np.float32)
        expected = normal * np.float32(0.3)
    np.testing.assert_array_equal(weights, expected.astype(np.float32))
