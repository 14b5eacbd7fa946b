"""Damaged and hostile .keras files: no code in them runs, nothing in them is unpacked."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import spoilt_networks
from helpers.lazily import keras
from helpers.spoilt import MARKER, outcome

from saliency_bench.models import Saved
from saliency_bench.protocols import Dataset


@pytest.fixture
def with_evil_module(here, monkeypatch):
    """In the working directory, from which Python imports, lies a module that writes the marker."""
    (here / f"{spoilt_networks.EVIL_MODULE}.py").write_text(f"open({MARKER!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(str(here))
    return here


def test_the_lambda_is_a_trap(here, good):
    file = here / "trap.keras"
    file.write_bytes(spoilt_networks.with_layer(spoilt_networks.LAMBDA)(good.file))
    keras.models.load_model(file, safe_mode=False)
    assert (here / MARKER).exists()


@pytest.mark.parametrize(
    "case", spoilt_networks.NETWORKS, ids=[case.name for case in spoilt_networks.NETWORKS]
)
def test_networks(with_evil_module, tmp_path, good, case):
    file = with_evil_module / "spoilt ü.keras"
    file.write_bytes(case.make(good.file))
    images = Dataset(name="noise", pixels=good.pixels, labels=good.labels)
    load = Saved(str(file)).load
    got = outcome(lambda: load(images, seed=0, cache=tmp_path / "cache"), file, tmp_path)
    if isinstance(got, Exception):
        return
    assert case.may_load
    np.testing.assert_array_equal(np.asarray(got.model(good.pixels)), good.scores)
