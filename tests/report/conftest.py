from __future__ import annotations

from collections.abc import Callable

import pytest
from helpers.runs import SIMILARITIES, Recipe, both_of, twins_of

from saliency_bench.results import Results


@pytest.fixture(scope="session")
def make_twins() -> Callable[..., Results]:
    return twins_of


@pytest.fixture(scope="session")
def twins() -> Results:
    """Two explainers, the controls, two similarities, labels that are random throughout."""
    return twins_of(explainers=("gradient", "guided_backprop"), similarities=SIMILARITIES[:2])


@pytest.fixture(scope="session")
def both() -> Results:
    """Two checks on two explainers and the controls."""
    return both_of(explainers=("gradient", "guided_backprop"), similarities=SIMILARITIES[:2])


@pytest.fixture(scope="session")
def make_results() -> Callable[..., Results]:
    return lambda **settings: Recipe(**settings)()


@pytest.fixture(scope="session")
def small() -> Results:
    """Two explainers, the controls, two similarities, four stages."""
    return Recipe(explainers=("gradient", "guided_backprop"), similarities=SIMILARITIES[:2])()
