"""Command lines nobody should write: each is a request or refused in one line, and runs nothing."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from helpers import wild_lines
from helpers.spoilt import listing
from hypothesis import HealthCheck, given
from hypothesis import settings as profile

from saliency_bench.cli import objects, request

COUNT = 320

UNTOLD = re.compile(r"(?!RecursionError)\w+(Error|Exception): ")
"""How the message of an error begins that nobody put into words, but for lists in 2000 lists."""


@pytest.fixture
def places(here):
    """A working directory with something under the paths that the lines name."""
    wild_lines.files(here)
    return here


@pytest.mark.slow
def test_every_line_is_a_request_or_refused_in_one_line(places, tmp_path):
    before = listing(tmp_path)
    outcomes = Counter()

    @profile(
        max_examples=COUNT,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(wild_lines.LINES)
    def one(line):
        outcomes[_outcome(line)] += 1

    one()
    assert outcomes.total() >= 300
    assert min(outcomes["request"], outcomes["refused"]) >= 20
    assert listing(tmp_path) == before


def _outcome(line):
    try:
        request.read_request(request.compose(*line), Path("run"))
    except objects.CLEAR_ERRORS as error:
        told = objects.one_line(error)
        assert told.strip()
        assert "\n" not in told
        assert not UNTOLD.match(told)
        return "refused"
    return "request"


@pytest.mark.parametrize("path", ["Schöne/x.npz", "🐈.npz", "it's.npz", "a#b.npz", "(x).npz"])
def test_a_path_that_needs_quotes_is_told_so_and_found_with_them(here, path):
    with pytest.raises(ValueError, match="needs quotes") as told:
        request.compose("dataset=npz", f"dataset.path={path}")
    assert path in str(told.value)
    quoted = path.replace("'", "\\'")
    assert request.compose("dataset=npz", f"dataset.path='{quoted}'").dataset.path == path
