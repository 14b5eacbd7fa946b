"""docs/preprocessing.md: its table of ranges, and its lines are those that a run says."""

import re

import keras
import numpy as np
import pytest
from helpers.guides import ROOT

from saliency_bench.models.application import RANGES
from saliency_bench.protocols import Preprocessing
from saliency_bench.study.fit import weakness

PAGE = (ROOT / "docs" / "preprocessing.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (pixels .*?) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)


def numbers(text):
    """The first number or list of numbers of a cell."""
    return tuple(float(n) for n in re.findall(r"\d+(?:\.\d+)?", text.split(", which")[0]))


@pytest.mark.parametrize(("name", "mean", "std"), ROWS)
def test_a_range_is_the_one_that_is_tried(name, mean, std):
    known = {"pixels less ImageNet's mean, divided by its std":
             "pixels less ImageNet's mean by its std"}  # fmt: skip
    units = RANGES[known.get(name, name)]
    assert np.allclose(numbers(mean), units.mean)
    assert np.allclose(numbers(std), units.std, rtol=1e-5)


def test_all_ranges_are_there():
    assert len(ROWS) == len([name for name in RANGES if "BGR" not in name]) == 4


def test_a_line_of_the_page_is_said():
    """A network for pixels in [-1, 1] that gets [0, 1]."""
    labels = np.repeat(np.arange(2), 32)
    pixels = np.tile((0.25 + 0.2 * labels)[:, None, None, None], (1, 2, 2, 1)).astype("float32")
    model = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    model.set_weights([np.tile([-1.0, 1.0], (4, 1)), np.array([-1.2, 1.2])])
    outputs = lambda images: np.asarray(model(images))  # noqa: E731
    found = weakness(outputs, pixels, labels, outputs(pixels), Preprocessing())
    assert found.cause == "right on 64 of 64 if it gets pixels in [-1, 1] (mean=[0.5], std=[0.5])"
    assert "not better than chance" in found.line
    assert found.cause.replace("64 of 64", "58 of 64").split(" (")[0] in PAGE
