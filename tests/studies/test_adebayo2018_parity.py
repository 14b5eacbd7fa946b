"""What is kept beside the notebooks of 2018."""

import numpy as np
import pandas as pd
import pytest
import yaml

from experiments.adebayo2018_parity import __main__ as parity


def scores(values, **columns):
    """Scores `[draw, image]` of one explainer and stage."""
    draws, images = np.indices(np.shape(values))
    rows = {"explainer": "gradient", "stage": 1, "condition": "logits", **columns}
    rows = {"similarity": "spearman_abs", **rows}
    return pd.DataFrame(
        {"draw": draws.ravel(), "image": images.ravel(), "score": np.ravel(values), **rows}
    )


def test_means_and_deviations_by_hand():
    (row,) = parity.means(scores([[0.1, 0.3], [0.2, 0.6]]))
    assert (row["explainer"], row["stage"], row["condition"]) == ("gradient", 1, "logits")
    assert row["mean"] == pytest.approx(0.3)
    assert row["image_std"] == pytest.approx((0.1 + 0.2) / 2)  # of two numbers: half their distance
    assert row["draw_std"] == pytest.approx(0.2 / np.sqrt(2))  # of .2 and .4
    assert row["undefined"] == 0


def test_pairs_without_a_score_are_counted_and_left_out():
    (row,) = parity.means(scores([[0.1, np.nan], [0.2, 0.6]]))
    assert row["mean"] == pytest.approx(0.3)
    assert row["image_std"] == pytest.approx((0.0 + 0.2) / 2)
    assert row["undefined"] == 0.25


def test_only_magnitudes_of_redrawn_networks_count():
    noise = [
        scores([[9.0]], stage=0, condition="repeat"),
        scores([[9.0]], similarity="spearman_signed"),
    ]
    wanted = [scores([[0.5]]), scores([[0.25]], stage=2, condition="fc1")]
    rows = list(parity.means(pd.concat([*noise, *wanted])))
    assert {row["condition"]: row["mean"] for row in rows} == {"logits": 0.5, "fc1": 0.25}


@pytest.mark.parametrize("model", ["cnn", "mlp"])
def test_the_presets_ask_for_what_the_notebook_shows(model):
    base, preset = (
        yaml.safe_load((parity.HERE / f"experiment/adebayo2018_parity_{name}.yaml").read_text())
        for name in ("base", model)
    )
    (asked,) = (of for default in base["defaults"] for of in default.values() if "gradient" in of)
    missing = {name for name, of in preset["expected"].items() if of == "not_applicable"}
    notebooks = pd.read_csv(parity.HERE / "notebooks.csv")
    shown = notebooks[notebooks["model"] == model].groupby("explainer")["stage"].apply(list)
    assert set(shown.index) == set(asked) - missing
    assert all(stages == [1, 2, 3, 4] for stages in shown)


def test_the_presets_are_run_as_they_are_and_each_run_has_a_folder():
    for name, preset in parity.PRESETS.items():
        assert parity.folder(name).name == preset
        arguments = parity.VARIANTS[name].arguments(parity.folder(name))
        assert arguments == [f"+experiment={preset}"]
    places = [parity.folder(name) for name in parity.VARIANTS]
    assert len(set(places)) == len(places)


def test_an_unknown_run_is_named(capsys):
    assert parity.main(["nope"]) == 2
    line = capsys.readouterr().err
    assert line.startswith("a run must be one of cnn, mlp, epochs_10")
    assert line.endswith("got nope\n")
