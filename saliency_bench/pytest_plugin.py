"""pytest plug-in: the fixture `saliency_gate`, the marker `saliency`, `--saliency-update`.

Loaded at every start of pytest: what it needs is imported when a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # slow to import
    from saliency_bench.compare.gate import Gate

_MARKER = "saliency(**settings): settings of this test's saliency_gate, such as draws=3"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The command line's part."""
    parser.getgroup("saliency_bench").addoption(
        "--saliency-update",
        action="store_true",
        help="write the baselines of saliency_gate anew instead of comparing with them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The marker, known to `--strict-markers`."""
    config.addinivalue_line("markers", _MARKER)


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Every test with the fixture bears the marker: `-m saliency` chooses them."""
    for item in items:
        if "saliency_gate" in getattr(item, "fixturenames", ()):
            item.add_marker("saliency")


@pytest.fixture
def saliency_gate(request: pytest.FixtureRequest, tmp_path: Path) -> Gate:
    """Does an explainer's map depend on what a model learned, and as much as it used to?"""
    from saliency_bench.compare.gate import Gate, folder_name

    test, settings = request.node, {}
    for marker in reversed(list(test.iter_markers("saliency"))):  # the closest one last
        if marker.args:
            raise ValueError(f"the marker saliency takes settings by name; got {marker.args[0]!r}")
        settings.update(marker.kwargs)
    own = test.nodeid.partition("::")[2].replace("::", ".")
    return Gate(
        reports=tmp_path / "saliency",
        baselines=test.path.parent / "saliency_baselines" / test.path.stem / folder_name(own),
        update=request.config.getoption("saliency_update"),
        settings=settings,
    )
