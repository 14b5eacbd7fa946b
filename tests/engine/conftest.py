from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import numpy_study

from saliency_bench.protocols import Study


@pytest.fixture
def make_study() -> Callable[..., Study]:
    return numpy_study.study


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., numpy_study.Run]:
    """Runs a study in a folder of this test's own, the same one each time unless named."""

    def run(a_study: Study, folder: str = "run", **settings: Any) -> numpy_study.Run:
        return numpy_study.run(a_study, tmp_path / folder, **settings)

    return run
