import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.evidence import EXPECTED, evidence, networks_of

from saliency_bench.compare import freeze
from saliency_bench.report import command
from saliency_bench.results import merge
from saliency_bench.results.conclude import conclude
from saliency_bench.results.read import read
from saliency_bench.storage.longtable import LongTable

pytestmark = pytest.mark.usefixtures("without_figures")

CHECK, SIGNED = "param_randomization", "spearman_signed"
IMAGES = 20
FACTS = {
    "command": "python -m saliency_bench", "weights_hash": "w", "images_hash": "i",
    "targets_hash": "t", "seed": 0, "target": "label", "batch_size": 32, "versions": {"numpy": "2"},
    "source": "s", "dataset": "digits", "model": "cnn", "n_images": IMAGES, "doses": {},
}  # fmt: skip
KEPT = {"keeps": 0.9, "changes": 0.0, "half": 0.5}


def scores(name, draws):
    """Every draw is the same wherever it is computed."""
    rows = []
    for stage, draw in [(0, 0), *((stage, draw) for stage in (1, 2) for draw in draws)]:
        random = np.random.default_rng([draw, stage, len(name)])
        score = np.ones(IMAGES) if stage == 0 else KEPT[name] + random.normal(0, 0.02, IMAGES)
        part = {"stage": stage, "draw": draw, "image": np.arange(IMAGES), "score": score}
        rows.append(pd.DataFrame(part))
    named = {"check": CHECK, "explainer": name, "similarity": SIGNED, "condition": "c"}
    numbers = {"depth": 1.0, "target": 0, "null": 0.0, "ceiling": 1.0, "status": "ok"}
    return pd.concat(rows, ignore_index=True).assign(**named, **numbers)


def made(*names, draws=range(3), **facts):
    table = pd.concat([scores(name, draws) for name in names])
    places = [(0, 0), *((stage, draw) for stage in (1, 2) for draw in draws)]
    networks = networks_of(
        [(stage, stage / 2, draw, np.nan, 1) for stage, draw in places],
        check=CHECK,
        condition="c",
        destroyed=False,
    )
    columns = ["check", "explainer", "similarity", "stage", "draw", "image", "floor"]
    found = evidence(
        table,
        floors=table[table["draw"] > 0].assign(floor=0.1)[columns],
        networks=networks,
        expectations={CHECK: EXPECTED},
        thresholds={SIGNED: 0.15},
        chance=None,
    )
    return conclude(found, {**FACTS, "explainers": dict.fromkeys(names, "E()"), **facts})


@pytest.fixture
def stored(tmp_path):
    def store(name, *args, **settings):
        made(*args, **settings).report(tmp_path / name)
        return tmp_path / name

    return store


def run(*arguments):
    return command.main([str(argument) for argument in arguments])


def test_runs_of_one_study_become_what_one_run_of_all_would_be(stored, tmp_path):
    parts = stored("a", "keeps"), stored("b", "changes", draws=range(2)), stored("c", "changes")
    assert run(*parts, "--out", tmp_path / "all") == 0
    found, whole = read(tmp_path / "all"), made("keeps", "changes")
    for name in ("summary", "verdicts", "networks"):
        one, all_at_once = (
            getattr(results, name).drop(columns="schema_version", errors="ignore")
            for results in (found, whole)
        )
        assert one.to_csv(index=False) == all_at_once.to_csv(index=False)
    pd.testing.assert_frame_equal(found.scores, whole.scores, check_dtype=False, check_like=True)
    assert len(found.provenance["commands"]) == 3
    assert found.provenance["explainers"] == {"keeps": "E()", "changes": "E()"}


def test_runs_that_disagree_where_they_overlap_are_refused(stored, tmp_path, capsys):
    first, second = stored("first", "keeps"), made("keeps", "changes")
    frame = second.scores
    frame.loc[frame.query("explainer == 'keeps' and stage == 2").index[7], "score"] += 1e-12
    replace(second, long_scores=LongTable.of(frame)).report(tmp_path / "second")
    assert run(first, tmp_path / "second", "--out", tmp_path / "all") == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    for word in ("must agree", "first", "second", "keeps", "stage 2, draw 0, image 7", "score"):
        assert word in line
    assert not (tmp_path / "all" / "scores.parquet").exists()


def test_studies_stand_beside_one_another_in_one_table(stored, tmp_path):
    runs = [stored(f"seed{seed}", "half", seed=seed, weights_hash=f"w{seed}") for seed in (3, 4)]
    assert run(*runs, "--out", tmp_path / "all") == 0
    verdicts = pd.read_csv(tmp_path / "all" / "verdicts.csv")
    assert verdicts["study"].tolist() == ["seed=3", "seed=4"]
    assert (tmp_path / "all" / "seed=3" / "report.md").exists()
    summary = pd.read_csv(tmp_path / "all" / "summary.csv")
    assert set(summary["study"]) == {"seed=3", "seed=4"}
    reliability = pd.read_csv(tmp_path / "all" / "reliability.csv")
    assert reliability["study"].tolist() == ["seed=3", "seed=4"]


def test_one_run_is_reported_again_in_its_place(stored):
    folder = stored("a", "keeps", "changes")
    before = (folder / "scores.parquet").read_bytes()
    wanted = (folder / "summary.csv").read_bytes()
    for name in ("summary.csv", "report.md"):
        (folder / name).write_text("schema_version\n1\n")
    assert run(folder) == 0
    assert (folder / "summary.csv").read_bytes() == wanted
    assert (folder / "report.md").read_text().startswith("# Saliency sanity report")
    assert (folder / "scores.parquet").read_bytes() == before


@pytest.mark.parametrize("name", ["scores.parquet", "provenance.json", "networks.csv"])
def test_a_folder_that_holds_no_whole_run_is_one_line(stored, capsys, name):
    folder = stored("a", "keeps")
    (folder / name).write_bytes((folder / name).read_bytes()[:50])
    assert run(folder, "--out", folder / "new") == 2
    said = capsys.readouterr().err
    assert said.startswith("saliency_bench.report: ")
    assert said.count("\n") == 1


def test_a_run_of_an_older_version_is_refused_in_words(stored, capsys):
    folder = stored("a", "keeps")
    text = (folder / "provenance.json").read_text().replace('"signed"', '"was"')
    (folder / "provenance.json").write_text(text)
    assert run(folder) == 2
    assert "older version" in capsys.readouterr().err


def test_baselines_have_no_command_and_are_merged_all_the_same(stored, tmp_path):
    baselines = [tmp_path / f"baseline_{name}" for name in ("keeps", "changes")]
    for folder in baselines:
        freeze(stored(folder.name.rpartition("_")[2], folder.name.rpartition("_")[2]), folder)
    assert run(*baselines, "--out", tmp_path / "all") == 0
    found = read(tmp_path / "all")
    assert set(found.verdicts["explainer"]) == {"keeps", "changes"}


@pytest.mark.parametrize("place", ["nowhere", "file", "folder"])
def test_what_is_no_run_folder_is_one_line(tmp_path, capsys, place):
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "provenance.json").mkdir(parents=True)
    assert run(tmp_path / place) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"{tmp_path / place} must hold a finished run; " in told
    assert "provenance.json" in told


def test_studies_without_a_telling_fact_are_numbered():
    assert merge._names([{"seed": 1}, {"seed": 1}]) == ["study=0", "study=1"]
    assert merge._names([{"seed": 1}]) == ["study"]


def test_it_starts_no_tensorflow(stored):
    folder = stored("a", "keeps")
    code = (
        "import sys; from saliency_bench.report.command import main; "
        "status = main(sys.argv[1:]); print('tensorflow' in sys.modules, file=sys.stderr); "
        "sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True
    )
    assert done.stderr.endswith("False\n")
