"""Wrong arguments are refused when a callback is made, in one line."""

import numpy as np
import pytest
from helpers.lazily import ExplanationCallback, Sanity, SanityCallback

from saliency_bench import explainers

GIVEN = {"gradient": explainers.Gradient()}
WRONG = [
    ({"every": 0}, "every must be a whole number of epochs, 1 or more; got 0"),
    ({"every": -2}, "every must be a whole number of epochs, 1 or more; got -2"),
    ({"every": 1.5}, r"every must be a whole number of epochs, 1 or more; got 1\.5"),
    ({"targets": np.array([0, 1])}, "targets must be 6 integers, one per image"),
    ({"targets": np.zeros(6)}, "targets must be 6 integers, one per image; got float64"),
    ({"images": np.zeros((6, 8, 8))}, r"images must be \[N, H, W, C\]"),
    ({"images": np.full((6, 8, 8, 1), np.nan)}, "images must be finite"),
    ({"explainers": {}}, "explainers must name at least one; got none"),
    ({"explainers": {"mine": 3}}, "mine must be an explainer or a function; got 3"),
    ({"explainers": 3}, "int must be an explainer or a function; got 3"),
    ({"explainers": {"g": explainers.Gradient}}, "g must be an explainer; got the class Gradient"),
    ({"log_dir": ""}, "log_dir must be a folder; got ''"),
    ({"log_dir": None}, "log_dir must be a folder; got None"),
]


@pytest.mark.parametrize("callback", [ExplanationCallback, SanityCallback])
@pytest.mark.parametrize(("wrong", "message"), WRONG, ids=[m[:40] for _, m in WRONG])
def test_wrong_arguments(callback, wrong, message, images, targets, tmp_path):
    usual = {"explainers": GIVEN, "images": images, "targets": targets, "log_dir": tmp_path}
    with pytest.raises(ValueError, match=message) as refusal:
        callback(**usual | wrong)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("callback", [ExplanationCallback, SanityCallback])
def test_a_folder_that_cannot_be_written_to(callback, images, targets, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match="log_dir must be a folder to write to") as refusal:
            callback(GIVEN, images, targets, folder)
        assert "\n" not in str(refusal.value)


def test_nothing_is_left_in_a_folder_that_can_be(images, targets, tmp_path):
    ExplanationCallback(GIVEN, images, targets, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_null_needs_two_images(images, targets, tmp_path):
    with pytest.raises(ValueError, match="images must be at least 2"):
        SanityCallback(GIVEN, images[:1], targets[:1], tmp_path)


def test_settings_of_the_comparison():
    with pytest.raises(ValueError, match="draws must be at least 1; got 0"):
        Sanity(draws=0)
    with pytest.raises(ValueError, match="similarities must name at least one; got none"):
        Sanity({})
