"""Whole runs in this process: what is written, said and gone on with."""

import errno
import importlib
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from saliency_bench import inference, models
from saliency_bench.protocols import ProofError
from saliency_bench.storage import store

pytestmark = pytest.mark.usefixtures("without_figures")

RUN = Path("run")


def scores(folder=RUN):
    return (folder / "scores.parquet").read_bytes()


def rows(explainer, folder=RUN):
    table = pd.read_parquet(folder / "scores.parquet")
    return table[table["explainer"] == explainer]


def is_finished(folder=RUN):
    return json.loads((folder / "run.json").read_text())["finished"]


def test_a_run_prints_the_verdicts_and_where_the_report_is(command, small):
    done = command(*small)
    assert (done.status, done.err) == (0, "")
    assert "gradient" in done.out
    assert "report: run/report.html" in done.out
    assert max(map(len, done.out.splitlines())) <= 110
    assert is_finished()


def test_a_finished_run_is_recognised_and_a_lost_table_made_anew(command, small, monkeypatch):
    first = command(*small)
    whole = scores()
    with monkeypatch.context() as patched:
        patched.setattr(models, "with_others", None)
        assert command(*small) == first
    (RUN / "scores.parquet").unlink()
    assert command(*small).status == 0
    assert scores() == whole


def test_a_run_folder_that_holds_another_request_is_taken_over(command, small):
    command(*small)
    (RUN / "figures").mkdir()
    (RUN / "figures" / "old.png").touch()
    assert command(*small, "seed=1").status == 0
    assert not (RUN / "figures").exists()
    again = scores()
    assert command(*small, "seed=1", "run_dir=fresh").status == 0
    assert again == scores(Path("fresh"))


def test_figures_that_were_there_before_any_run_are_left_alone(command, small):
    (RUN / "figures").mkdir(parents=True)
    (RUN / "figures" / "mine.png").touch()
    command(*small)
    assert (RUN / "figures" / "mine.png").exists()


def test_a_method_that_does_not_apply_is_a_row(command, small, networks):
    done = command(*small, f"model.path={networks}/mlp.keras", "explainer=[gradient,grad_cam]")
    assert done.status == 0
    for row in rows("grad_cam").itertuples():
        assert row.status == "not_applicable"
        assert "feature map" in row.condition
    assert len(rows("grad_cam")) == 2  # similarities


MINE = """
from dataclasses import dataclass
import keras
from saliency_bench.explainers import Gradient

def network(width=3):
    layers = [keras.Input((12, 12, 1)), keras.layers.Flatten(), keras.layers.Dense(width)]
    return keras.Sequential(layers)

@dataclass(frozen=True)
class Half(Gradient):
    def bind(self, model):
        whole = super().bind(model)
        return lambda images, targets, *, keys=None: whole(images, targets, keys=keys) / 2

@dataclass(frozen=True)
class Broken(Gradient):
    def bind(self, model):
        def bound(images, targets, *, keys=None):
            raise KeyError("[red]no such map")
        return bound
"""


@pytest.fixture
def own_module(tmp_path):
    (tmp_path / "cli_own_module.py").write_text(MINE)
    return "cli_own_module"


@pytest.fixture
def own_model(small, files, own_module):
    rest = [part for part in small if not part.startswith("model")]
    data = [f"dataset.path={files}/unlabelled.npz", "target=predicted"]
    return [*rest, *data, "model=function", f"model._target_={own_module}.network"]


def test_a_model_and_an_explainer_of_the_working_directory(command, own_model, own_module):
    half = f"+explainer.half._target_={own_module}.Half"
    assert command(*own_model, "+model.width=4", half).status == 0
    halves, wholes = rows("half"), rows("gradient")
    assert len(halves) == len(wholes) > 0
    # Half of a map has its ranks.
    pd.testing.assert_series_equal(halves["score"], wholes["score"], check_index=False)


def test_the_model_of_a_function_is_built_before_a_run_is_taken_as_finished(
    command, own_model, own_module, monkeypatch
):
    assert command(*own_model).status == 0
    monkeypatch.setattr(f"{own_module}.network", lambda: 1)
    assert "got int" in command(*own_model).err


def test_an_edited_explainer_is_run_again(command, small, own_module, tmp_path, monkeypatch):
    own = [*small, f"+explainer.mine._target_={own_module}.Half"]
    assert command(*own).status == 0
    kept = rows("mine")
    edited = MINE.replace("/ 2", "* images")
    (tmp_path / f"{own_module}.py").write_text(edited)
    monkeypatch.delitem(sys.modules, own_module)
    importlib.invalidate_caches()
    assert command(*own).status in (0, 1)
    assert not np.array_equal(rows("mine")["score"], kept["score"])
    assert command(*own, "run_dir=fresh").status in (0, 1)
    assert scores() == scores(Path("fresh"))


def test_an_edited_function_given_by_its_path_is_run_again(command, small, tmp_path, monkeypatch):
    source = tmp_path / "cli_own_function.py"
    mine = "+explainer.mine={_target_:hydra.utils.get_method,path:cli_own_function.maps}"
    found = []
    for power in (1, 22):
        source.write_text(f"def maps(model, images, targets):\n    return images ** {power}\n")
        monkeypatch.delitem(sys.modules, "cli_own_function", raising=False)
        importlib.invalidate_caches()
        assert command(*small, mine).status == 0
        found.append(rows("mine")["null"].to_numpy())
    assert not np.array_equal(*found)


def test_the_accuracies_are_in_the_provenance(command, small, files):
    command(*small)
    facts = json.loads((RUN / "provenance.json").read_text())
    networks = pd.read_csv(RUN / "networks.csv")
    assert facts["accuracy"] == networks["accuracy"][networks["stage"] == 0].mean()
    redrawn = networks["accuracy"][networks["depth"] == 1].mean()
    assert facts["accuracy_destroyed"] == {"param_randomization": pytest.approx(redrawn)}
    command(*small, f"dataset.path={files}/unlabelled.npz", "target=predicted")
    facts = json.loads((RUN / "provenance.json").read_text())
    assert facts["accuracy"] is facts["accuracy_destroyed"] is None


def test_an_explainer_whose_settings_do_not_fit_the_images_is_refused(command, small):
    refused = command(*small, "explainer=[gradient,occlusion]", "explainer.occlusion.patch=99")
    assert refused.status == 2
    assert "12x12; got 99" in refused.err


def test_an_explainer_that_raises_is_a_row_and_tried_again(command, small, own_module):
    broken = f"+explainer.broken._target_={own_module}.Broken"
    done = command(*small, broken)
    assert done.status == 1
    assert set(rows("broken")["status"]) == {"error"}
    assert set(rows("broken")["condition"]) == {"KeyError: '[red]no such map'"}
    assert (rows("gradient")["status"] == "ok").all()
    assert not is_finished()


def test_a_control_with_another_verdict_makes_the_run_fail(command, small, monkeypatch):
    monkeypatch.setattr(inference, "problems", lambda _: ("weight_hash failed",))
    done = command(*small)
    assert done.status == 1
    assert "weight_hash failed" in done.out
    assert command(*small).status == 1


def test_another_verdict_than_was_expected_is_told(command, small):
    verdict = "+expected.gradient.spearman_signed"
    assert command(*small, f"{verdict}=pass").status == 0
    done = command(*small, f"{verdict}=fail")
    assert done.status == 1
    assert "gradient was expected to be fail on spearman_signed; it is pass" in done.err
    done = command(*small, "+expected.gradient=not_applicable")
    assert done.status == 1
    assert "gradient was expected not to apply" in done.err


def test_a_full_disk_loses_nothing(command, small, monkeypatch):
    writing, written = store.write_atomic, []

    def limited(path, content):
        if path.suffix == ".npz" and len(written) == 9:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        writing(path, content)
        written.extend([path] if path.suffix == ".npz" else [])

    with monkeypatch.context() as patched:
        patched.setattr(store, "write_atomic", limited)
        done = command(*small)
    assert (done.status, done.out) == (2, "")
    assert "No space left on device" in done.err
    assert "to go on: python -m saliency_bench" in done.err
    assert done.err.count("\n") == 1
    kept = {path: path.read_bytes() for path in written}
    assert len(kept) == 9
    assert command(*small).status == 0
    assert kept == {path: path.read_bytes() for path in written}
    assert command(*small, "run_dir=whole").status == 0
    assert scores() == scores(Path("whole"))


def test_a_job_of_a_sweep_is_the_run_of_its_settings(command, own_model):
    # In one process; Keras numbers the layers that have no name.
    assert command("-m", *own_model, "seed=0,1").status == 0
    assert scores(RUN / "0") != scores(RUN / "1")
    assert command(*own_model, "seed=1", "run_dir=alone").status == 0
    assert scores(RUN / "1") == scores(Path("alone"))


def test_a_sweep_goes_on_after_a_job_that_is_refused(command, small, files):
    done = command("-m", *small, f"dataset.path={files}/nan.npz,{files}/good.npz")
    assert done.status == 2
    assert "got nan" in done.err
    assert "Traceback" not in done.err
    assert is_finished(RUN / "1")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
@pytest.mark.parametrize("flags", [[], ["-m"]], ids=["run", "sweep"])
def test_a_signal_ends_the_command_with_how_to_go_on(
    command, small, monkeypatch, number, status, flags
):
    started = []

    def interrupted(*_, **__):
        started.append(number)
        os.kill(os.getpid(), number)

    monkeypatch.setattr("saliency_bench.study.run.run_study", interrupted)
    handler = signal.getsignal(number)
    done = command(*flags, *small)
    assert (done.status, done.out, started) == (status, "", [number])
    assert done.err.count("\n") == 1
    assert done.err.startswith("saliency_bench: interrupted; to go on: python -m saliency_bench")
    assert done.err.endswith(" run_dir=run\n")
    assert signal.getsignal(number) is handler


def test_a_change_that_cannot_be_proven_makes_the_run_fail(command, small, monkeypatch):
    def unproven(*_, **__):
        raise ProofError("the weights did not come back")

    monkeypatch.setattr("saliency_bench.study.run.run_study", unproven)
    done = command(*small)
    assert (done.status, done.out) == (1, "")
    assert done.err == "saliency_bench: the weights did not come back\n"


def test_fewer_images_than_asked_for_are_told(command, small):
    done = command(*small, "n_images=9")
    assert done.status == 0
    assert done.err == "saliency_bench: n_images=9, but good has 8\n"


def test_a_folders_name_is_no_markup(command, small):
    assert "report: [red]run/report.html" in command(*small, "run_dir='[red]run'").out


def test_images_without_labels(command, small, files):
    done = command(*small, f"dataset.path={files}/unlabelled.npz", "target=predicted")
    assert done.status == 0
