"""A run that is read back is the run that was computed."""

import numpy as np
import pandas as pd
import pytest

import saliency_bench as sb
from saliency_bench import explainers as ex
from saliency_bench.report.text import markdown
from saliency_bench.results import files

TABLES = ("scores", "floors", "networks", "summary", "verdicts", "trainings", "reliability")


def broken(model, images, targets):
    raise RuntimeError("no luck")


@pytest.fixture(scope="module", params=["labels", "predicted"])
def run(request, tmp_path_factory):
    """A run with rows of every kind, and its folder."""
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((10, 10, 1)), *layers])
    images = np.random.default_rng(0).standard_normal((8, 10, 10, 1)).astype(np.float32)
    folder = tmp_path_factory.mktemp("run")
    explainers = {
        "gradient": ex.Gradient(),
        "refuses": ex.GuidedBackprop(),
        "broken": broken,
        'lines, and "quotes"': lambda model, images, targets: images,
    }
    targets = np.arange(8) % 3 if request.param == "labels" else None
    options = sb.Options(draws=3, run_dir=folder)
    return sb.evaluate(model, images, targets, explainers=explainers, options=options), folder


@pytest.fixture(scope="module")
def loaded(run):
    return sb.Results.load(str(run[1]))


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_its_bits_and_types(run, loaded, name):
    pd.testing.assert_frame_equal(getattr(loaded, name), getattr(run[0], name), check_exact=True)


def test_the_rest_is_equal_too(run, loaded):
    computed = run[0]
    for name in ("problems", "guards", "valid"):
        assert getattr(loaded, name) == getattr(computed, name)
    assert repr(loaded) == repr(computed)
    assert loaded.provenance == files.plain(computed.provenance)
    np.testing.assert_array_equal(loaded.examples.pixels, computed.examples.pixels)
    assert loaded.examples.titles == computed.examples.titles
    assert loaded.examples.conditions == computed.examples.conditions
    for check, explainers in computed.examples.maps.items():
        for explainer, stages in explainers.items():
            for stage, maps in stages.items():
                found = loaded.examples.maps[check][explainer][stage]
                np.testing.assert_array_equal(found, maps)


def test_it_reports_as_the_computed_one(run, loaded, tmp_path):
    assert markdown.text(loaded, []) == markdown.text(run[0], [])
    run[0].report(tmp_path / "computed")
    loaded.report(tmp_path / "loaded")
    texts = [
        {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.suffix in {".csv", ".json", ".md", ".tex", ".html"}
        }
        for folder in (tmp_path / "computed", tmp_path / "loaded")
    ]
    assert texts[0] == texts[1]


def test_a_report_is_read_back_too(run, tmp_path):
    run[0].report(tmp_path)
    pd.testing.assert_frame_equal(sb.Results.load(tmp_path).verdicts, run[0].verdicts)


def test_a_folder_without_a_run_is_refused_in_one_line(tmp_path):
    for place in (tmp_path, tmp_path / "none", str(tmp_path)):
        with pytest.raises(ValueError, match="must hold a finished run; it has no") as told:
            sb.Results.load(place)
        assert "\n" not in str(told.value)
