from __future__ import annotations

from pathlib import Path

import pytest
from helpers.runs import made, saved


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose only explainer passes."""
    return saved(made(), tmp_path / "run")
