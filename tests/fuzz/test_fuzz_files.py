"""Damaged and hostile files without TensorFlow: refused in one line that names the file."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import spoilt_arrays, spoilt_networks, spoilt_photos
from helpers.spoilt import MARKER, Spoilt, Trap, outcome

from saliency_bench.datasets import ImageFolder, Npz
from saliency_bench.models import weights_file

X = np.random.default_rng(0).integers(256, size=(6, 8, 8), dtype=np.uint8)
Y = np.arange(6)


def _network() -> weights_file.StoredWeights:
    rng = np.random.default_rng(0)
    values = [rng.random((4, 3)).astype(np.float32), np.zeros(3, np.float32)]
    return weights_file.StoredWeights(values, 0.75, ((1.5, 0.5), (1.0, 0.75)))


def _kept_file(file: Path) -> bytes:
    weights_file.save(_network(), file)
    return file.read_bytes()


def by_name(cases: list[Spoilt]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


def test_there_are_more_than_a_hundred_and_each_has_a_name():
    lists = (spoilt_arrays.IMAGES, spoilt_arrays.NETWORKS, spoilt_photos.PNG, spoilt_photos.JPEG,
             spoilt_networks.NETWORKS)  # fmt: skip
    for cases in lists:
        names = [case.name for case in cases]
        assert len(names) == len(set(names))
        assert any(name.startswith("cut") for name in names)
        assert any(name.startswith("flip") for name in names)
    assert sum(map(len, lists)) >= 200


def test_the_trap_is_one(here):
    pickle.loads(pickle.dumps(Trap()))
    assert Path(MARKER).exists()
    Path(MARKER).unlink()
    np.load(io.BytesIO(spoilt_arrays.saved(x=spoilt_arrays.traps())), allow_pickle=True)["x"]
    assert Path(MARKER).exists()


@by_name(spoilt_arrays.IMAGES)
def test_arrays(here, tmp_path, case):
    file = here / "spoilt ü.npz"
    file.write_bytes(case.make(spoilt_arrays.saved(x=X, y=Y)))
    got = outcome(lambda: Npz(str(file)).load(train=False), file, tmp_path)
    if isinstance(got, Exception):
        return
    assert case.may_load
    if not case.name.startswith("objects"):
        # A byte that was turned over is seen by the archive's checksum unless it means nothing.
        np.testing.assert_array_equal(got.pixels[..., 0], X / np.float32(255))
        np.testing.assert_array_equal(got.labels, Y)


@by_name(spoilt_arrays.NETWORKS)
def test_networks_of_the_cache(here, tmp_path, case):
    file = here / "spoilt ü.npz"
    file.write_bytes(case.make(_kept_file(file)))
    got = outcome(lambda: weights_file.read(file), file, tmp_path)
    if isinstance(got, Exception):
        assert "is damaged" in str(got)
        return
    assert case.may_load
    assert got.fingerprint == _network().fingerprint
    assert (got.train_accuracy, got.history) == (0.75, _network().history)


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        pytest.param(kind, case, id=f"{kind}-{case.name}")
        for kind, cases in (
            ("png", spoilt_photos.PNG),
            ("jpeg", spoilt_photos.JPEG),
            ("tiff", spoilt_photos.TIFF),
        )
        for case in cases
    ],
)
def test_photos(here, tmp_path, kind, case):
    file = here / "photos" / f"spoilt ü.{kind}"
    file.parent.mkdir()
    file.write_bytes(case.make(spoilt_photos.saved(kind)))
    folder = ImageFolder(str(file.parent), size=(8, 8))
    got = outcome(lambda: folder.load().images, file, tmp_path)
    if isinstance(got, Exception):
        return
    assert case.may_load
    assert got.shape == (1, 8, 8, 3)
