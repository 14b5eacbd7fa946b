"""Which tests `make test` leaves to `make test-thorough`: the few that take most of the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

THOROUGH = Path(__file__).parents[1] / "thorough.txt"
"""Names of test functions, a line each; all cases of a function go together."""


def function_of(case: str) -> str:
    """The name of a test function, from that of one of its cases."""
    return case.partition("[")[0]


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark the cases of the functions that are named."""
    names = set(THOROUGH.read_text(encoding="utf-8").split())
    for item in items:
        if function_of(item.nodeid) in names:
            item.add_marker("thorough")


def dearest(took: Mapping[str, float], seconds: float) -> list[str]:
    """The fewest functions without which the rest take at most so long, sorted by name.

    Args:
        took: seconds of each function.
        seconds: of the rest, on one core.
    """
    left, chosen = sum(took.values()), []
    for name in sorted(took, key=lambda name: -took[name]):
        if left <= seconds:
            break
        left -= took[name]
        chosen.append(name)
    return sorted(chosen)


class Choosing:
    """Names the functions anew, once all tests have been measured and have passed.

    Args:
        seconds: what the rest may take, on one core.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.took: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.took[function_of(report.nodeid)] += report.duration

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if exitstatus != pytest.ExitCode.OK:  # stopped: what was not measured would be left out
            return
        names = dearest(self.took, self.seconds)
        THOROUGH.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
