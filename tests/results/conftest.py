from collections.abc import Callable

import pytest
from helpers import numpy_study

from saliency_bench.protocols import Study


@pytest.fixture
def make_study() -> Callable[..., Study]:
    return numpy_study.study
