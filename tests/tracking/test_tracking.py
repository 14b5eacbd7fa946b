"""A run in a local MLflow store, and in an offline run of Weights & Biases."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from helpers.runs import made, noisy

from saliency_bench.tracking import MLflow, Tracker, WeightsAndBiases, tracker

# Their libraries use parts of others that are deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def results():
    return made(noisy(0.02), noisy(0.9, "edges"))


@pytest.fixture(scope="module")
def report(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "first run"
    results.report(folder)
    return folder


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The address of an empty MLflow store, and a client that reads it."""
    client = pytest.importorskip("mlflow.tracking")
    monkeypatch.chdir(tmp_path)  # artifacts lie in the working directory
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    return uri, client.MlflowClient(tracking_uri=uri)


def tree(client, run, place=None):
    """All artifacts of a run."""
    for item in client.list_artifacts(run, place):
        if item.is_dir:
            yield from tree(client, run, item.path)
        else:
            yield item.path


def test_numbers_are_those_of_the_tables(results):
    numbers = tracker.numbers(results)
    assert all(map(math.isfinite, numbers.values()))
    row = results.verdicts.set_index("explainer").loc["edges"]
    place = f"{row['check']}/edges"
    assert numbers[f"retained/{place}"] == row["retained"]
    assert numbers[f"retained_low/{place}"] == row["retained_low"]
    assert numbers[f"retained_high/{place}"] == row["retained_high"]
    assert numbers[f"fails/{row['check']}"] == 1  # edges
    assert numbers["valid"] == results.valid


def test_what_has_no_number_has_none_in_the_store(results):
    gone = results.verdicts.copy()
    gone.loc[gone["explainer"] == "edges", "retained"] = math.nan
    assert not [
        n
        for n in tracker.numbers(replace(results, verdicts=gone))
        if n.startswith("retained/") and n.endswith("edges")
    ]


def test_metrics_are_numbers_too(results):
    quality = pd.DataFrame(
        [
            {"explainer": "edges", "metric": "deletion", "mean": 0.5, "gain": 0.25,
             "gain_low": 0.125, "gain_high": 0.375},
            {"explainer": "edges", "metric": "gini", "mean": 0.75, "gain": math.nan,
             "gain_low": math.nan, "gain_high": math.nan},
        ]
    )  # fmt: skip
    numbers = tracker.numbers(replace(results, quality=quality))
    assert numbers["mean/deletion/edges"] == 0.5
    assert numbers["gain/deletion/edges"] == 0.25
    assert numbers["gain_low/deletion/edges"] == 0.125
    assert numbers["mean/gini/edges"] == 0.75
    assert "gain/gini/edges" not in numbers


def test_a_run_of_mlflow_holds_all_of_it(results, report, store):
    uri, client = store
    said = MLflow(uri=uri, experiment="maps").log(results, report)
    (run,) = client.search_runs([client.get_experiment_by_name("maps").experiment_id])
    assert said == f"experiment maps of MLflow, run {run.info.run_id}"
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "first run"
    assert run.data.metrics == pytest.approx(tracker.numbers(results), abs=0)
    assert run.data.params == tracker.settings(results)
    assert run.data.tags["saliency_bench.state"] == tracker.state(results)
    kept = set(tree(client, run.info.run_id))
    assert kept == {"verdicts.json"} | {
        f"{place}/{path.name}" if place else path.name for path, place in tracker.files(report)
    }
    assert {"report.html", "verdicts.csv", "provenance.json"} <= kept
    page = client.download_artifacts(run.info.run_id, "report.html")
    assert Path(page).read_bytes() == (report / "report.html").read_bytes()
    table = json.loads(
        Path(client.download_artifacts(run.info.run_id, "verdicts.json")).read_text()
    )
    assert table["columns"] == [*tracker.verdicts(results).columns]
    assert [row[table["columns"].index("explainer")] for row in table["data"]] == [
        *results.verdicts["explainer"]
    ]


def test_each_run_is_one_of_its_experiment(results, report, store):
    uri, client = store
    for name in ("one", "two"):
        MLflow(uri=uri, run=name).log(results, report)
    found = client.search_runs([client.get_experiment_by_name("saliency_bench").experiment_id])
    assert {run.info.run_name for run in found} == {"one", "two"}


def test_names_that_mlflow_forbids_are_written_otherwise(results, report, store):
    uri, client = store
    names = {"mine": "ours (ä)", "edges": "edges"}
    other = results.verdicts.replace({"explainer": names})
    MLflow(uri=uri).log(replace(results, verdicts=other), report)
    (run,) = client.search_runs([client.get_experiment_by_name("saliency_bench").experiment_id])
    check = other["check"].iloc[0]
    assert f"retained/{check}/ours ___" in run.data.metrics


def test_without_a_folder_a_report_is_written_for_the_store(results, store):
    uri, client = store
    MLflow(uri=uri).log(results)
    (run,) = client.search_runs([client.get_experiment_by_name("saliency_bench").experiment_id])
    assert "report.html" in {item.path for item in client.list_artifacts(run.info.run_id)}


def test_a_store_that_cannot_be_reached_is_one_line(results, report, tmp_path):
    pytest.importorskip("mlflow")
    nowhere = MLflow(uri=f"sqlite:///{tmp_path}/no/such/folder/mlflow.db")
    (tmp_path / "no").write_text("a file")
    with pytest.raises(
        ValueError, match=r"^the run could not be sent to MLflow: .*complete"
    ) as told:
        nowhere.log(results, report)
    assert "\n" not in str(told.value)


def test_an_offline_run_of_wandb_holds_all_of_it(results, report, tmp_path, monkeypatch):
    kind, told = pytest.importorskip("wandb").Run, {}
    finish = kind.finish

    def finished(run, **settings):
        told["summary"], told["config"] = dict(run.summary), run.config.as_dict()
        finish(run, **settings)

    monkeypatch.setattr(kind, "finish", finished)
    said = WeightsAndBiases(folder=str(tmp_path / "kept")).log(results, report)
    (run,) = (tmp_path / "kept" / "wandb").glob("offline-run-*")
    assert said == f"{run} (to upload it: wandb sync {run})"
    (file,) = run.glob("files/media/table/verdicts*.json")
    table = json.loads(file.read_text())
    assert table["columns"] == [*tracker.verdicts(results).columns]
    assert len(table["data"]) == len(results.verdicts)
    (page,) = run.glob("files/media/html/report*.html")
    assert page.read_text() == (report / "report.html").read_text()
    for path, place in tracker.files(report):
        kept = run / "files" / place / path.name
        assert not kept.is_symlink()
        assert kept.read_bytes() == path.read_bytes()
    drawn = [*run.glob("files/media/images/figures/*.png")]
    assert len(drawn) == len(tracker.figures(report)) > 0
    numbers = tracker.numbers(results)
    assert {name: told["summary"][name] for name in numbers} == numbers
    assert told["config"] == tracker.settings(results)


@pytest.mark.parametrize("kind", [MLflow, WeightsAndBiases])
def test_a_tracker_is_one_and_needs_its_library(kind, monkeypatch):
    pytest.importorskip("mlflow")
    pytest.importorskip("wandb")
    assert isinstance(kind(), Tracker)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match=r"is not installed: pip install 'saliency-bench\[\w+\]'"):
        kind()


def test_a_mode_that_there_is_not():
    pytest.importorskip("wandb")
    with pytest.raises(ValueError, match="mode must be offline or online; got 'later'"):
        WeightsAndBiases(mode="later")
