"""`tracker=`: the finished run goes to a store, too."""

import sys

import pytest

# Its libraries use parts of others that are deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_run_and_a_finished_run_are_sent(command, small, tmp_path):
    client = pytest.importorskip("mlflow.tracking")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    store = ("tracker=mlflow", f"tracker.uri={uri}", "tracker.experiment=maps")
    for _ in range(2):  # the second one computes nothing
        done = command(*small, *store)
        assert done.status == 0
        assert "saliency_bench: tracked: experiment maps of MLflow, run " in done.err
    client = client.MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("maps").experiment_id])
    assert [run.info.run_name for run in runs] == ["run", "run"]
    assert runs[0].data.metrics == runs[1].data.metrics
    assert "retained/param_randomization/gradient" in runs[0].data.metrics


def test_a_store_that_is_not_there_loses_nothing(command, small, tmp_path):
    pytest.importorskip("mlflow")
    (tmp_path / "taken").write_text("a file")
    done = command(*small, "tracker=mlflow", f"tracker.uri=sqlite:///{tmp_path}/taken/mlflow.db")
    assert done.status == 2
    assert "the run could not be sent to MLflow" in done.err
    assert "Traceback" not in done.err
    assert command(*small).status == 0
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("tracker._target_=builtins.dict", "tracker must have log(results, folder); got {}"),
        ("tracker.mode=later", "tracker.mode must be offline or online; got 'later'"),
        ("tracker.projekt=x", "tracker"),
    ],
)
def test_a_tracker_that_is_none_is_refused(refused, small, asked, told):
    pytest.importorskip("wandb")
    chosen = ("+tracker={}",) if "_target_" in asked else ("tracker=wandb",)
    assert told in refused(*small, *chosen, f"+{asked}" if "+" in chosen[0] else asked)


def test_a_tracker_needs_its_library(refused, small, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert "pip install 'saliency-bench[mlflow]'" in refused(*small, "tracker=mlflow")
