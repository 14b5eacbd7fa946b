"""`python -m saliency_bench.compare`: exit statuses, files, one line for what is unusable."""

import json
import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from helpers.runs import made, noisy, saved

from saliency_bench.compare import command
from saliency_bench.compare.command import main
from saliency_bench.storage.longtable import LongTable


@pytest.fixture
def worse(tmp_path):
    return saved(made(noisy(0.4)), tmp_path / "worse")


def test_same_regressed_and_frozen(run, worse, tmp_path, capsys):
    baseline = tmp_path / "baseline"
    assert main([str(baseline), str(run), "--freeze"]) == 0
    assert capsys.readouterr().out == f"baseline: {baseline}\n"
    assert main([str(baseline), str(run)]) == 0
    told = capsys.readouterr().out
    assert "gave the same scores again" in told
    assert told.endswith("SAME (1 same)\n")
    assert main([str(baseline), str(worse)]) == 1
    told = capsys.readouterr().out
    assert "mine" in told
    assert "pass 0.0" in told
    assert "fail 0.4" in told
    assert told.endswith("REGRESSED: 1 of 1 rows (1 regressed)\n")


def test_changes_can_be_allowed(run, tmp_path, capsys):
    other = saved(made(noisy(0.02, seed=1)), tmp_path / "other")
    assert main([str(run), str(other)]) == 1
    assert "% of the scores differ" in capsys.readouterr().out
    assert main([str(run), str(other), "--allow-changes"]) == 0


def test_junit_for_a_ci_service(run, worse, tmp_path):
    out = tmp_path / "out" / "gate.xml"
    assert main([str(run), str(worse), "--junit", str(out)]) == 1
    suites = ElementTree.parse(out).getroot().findall("testsuite")
    counts = [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in suites]
    assert counts == [("run", "1", "0"), ("redraw", "1", "1")]
    (failure,) = ElementTree.parse(out).getroot().iter("failure")
    assert failure.get("message").startswith("regressed: pass -> fail, retained +0.38")
    main([str(run), str(run), "--junit", str(out)])
    assert not list(ElementTree.parse(out).getroot().iter("failure"))


def test_markdown_for_people_with_hostile_names_made_harmless(tmp_path, capsys):
    name = "<b>|`x`[a](b)\x1b"
    run = saved(made(noisy(0.02, name)), tmp_path / "run")
    out, junit = tmp_path / "gate.md", tmp_path / "gate.xml"
    told = [str(run), str(run), "--markdown", str(out), "--junit", str(junit)]
    assert main(told) == 0
    text = out.read_text()
    assert text.startswith("**SAME (1 same)**\n")
    assert "### redraw" in text
    assert "&lt;b&gt;\\|\\`x\\`\\[a](b)" in text
    (case,) = ElementTree.parse(junit).getroot().iterfind("testsuite[@name='redraw']/testcase")
    assert case.get("classname") == rf"redraw.{name[:-1]}\x1b"
    told = capsys.readouterr().out
    assert r"<b>|`x`[a](b)\x1b" in told
    assert "\x1b" not in told + text + junit.read_text()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere", "{run}"], "nowhere must hold a finished run; it has no provenance.json"),
        (["{run}", "nowhere"], "nowhere must hold a finished run; it has no provenance.json"),
        (["{run}", "{run}", "--tolerance", "2"], "tolerance must lie in [0, 1); got 2.0"),
        (
            ["{run}", "{run}", "--checks", "nothing"],
            "checks must be of the baseline: ['redraw']; got ['nothing']",
        ),
        (["{run}", "gopher://x/y"], "run_dir must be a folder, or an address"),
    ],
)
def test_what_is_unusable_gets_one_line_and_2(arguments, line, run, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main([argument.format(run=run) for argument in arguments]) == 2
    told = capsys.readouterr().err
    assert told.startswith("saliency_bench.compare: ")
    assert told.count("\n") == 1
    assert line in told


@pytest.mark.parametrize("name", ["scores.parquet", "provenance.json"])
def test_a_damaged_file_gets_one_line_and_2(name, run, worse, capsys):
    path = worse / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert main([str(run), str(worse)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert str(worse) in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("expectations", None), ("expectations", {"redraw": {"strange": 1}}), ("controls", None),
        ("problems", None), ("thresholds", {"spearman_signed": "high"}), ("signed", {}),
        ("expectations", {"redraw": {"expects": "zzz", "guards": []}}), ("chance", "often"),
    ],
)  # fmt: skip
def test_facts_that_make_no_sense_get_one_line_and_2(name, value, run, worse, capsys):
    facts = json.loads((worse / "provenance.json").read_text())
    (worse / "provenance.json").write_text(json.dumps({**facts, name: value}))
    for sides in ((run, worse), (worse, run)):
        assert main([str(side) for side in sides]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_fault_of_ours_does_not_read_as_a_regression(run, capsys, monkeypatch):
    def broken(*_, **__):
        raise KeyError("lost\nfor good")

    monkeypatch.setattr(command, "compare", broken)
    assert main([str(run), str(run)]) == 2
    assert capsys.readouterr().err == "saliency_bench.compare: KeyError: 'lost\\nfor good'\n"


def test_columns_that_are_not_there_get_one_line_and_2(run, worse, capsys):
    table = LongTable(worse / "scores.parquet").frame().drop(columns="status")
    LongTable.of(table).save(worse / "scores.parquet")
    assert main([str(run), str(worse)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert str(worse) in told


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--freeze", "--junit", "x"], "--freeze compares nothing; leave out --junit"),
        (["--freeze", "--tolerance", "0.2"], "--freeze compares nothing; leave out --tolerance"),
        (["--markdown", ""], "--markdown must name a file; got an empty name"),
    ],
)
def test_options_that_would_do_nothing_are_refused(arguments, line, run, capsys):
    assert main([str(run), str(run), *arguments]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"saliency_bench.compare: {line}")
    assert told.count("\n") == 1


def test_in_a_narrow_terminal_a_row_is_a_line_and_nothing_is_cut(run, worse, capsys, monkeypatch):
    monkeypatch.setattr(command, "WIDTH", 60)
    assert main([str(run), str(worse)]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "redraw | mine | spearman_signed | pass 0.02 [" in told
    assert "| regressed" in told


def test_what_repeats_is_not_said_beside_scores_that_moved(run, worse, capsys):
    main([str(run), str(worse)])
    assert "the same scores again" not in capsys.readouterr().out


def test_a_link_stays_one_and_a_pipe_is_written_to(run, tmp_path):
    (tmp_path / "real.md").touch()
    (tmp_path / "link.md").symlink_to(tmp_path / "real.md")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    told = ["--markdown", str(tmp_path / "link.md"), "--junit", str(tmp_path / "pipe")]
    assert main([str(run), str(run), *told]) == 0
    assert (tmp_path / "link.md").is_symlink()
    assert (tmp_path / "real.md").read_text().startswith("**SAME")
    assert os.read(reader, 5) == b"<?xml"
    os.close(reader)


def test_letters_that_a_terminal_does_not_have(tmp_path):
    run = saved(made(noisy(0.02, "é")), tmp_path / "run")
    done = subprocess.run(
        [sys.executable, "-m", "saliency_bench.compare", str(run), str(run)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0, done.stderr
    assert b"\\xe9" in done.stdout


def test_a_report_that_cannot_be_written_gets_one_line_and_2(run, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main([str(run), str(run), "--junit", str(tmp_path / "file" / "gate.xml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["one"], "required: RUN"), (["one", "two", "--foo"], "--foo"), (["--tolerance", "x"], "'x'")],
)
def test_what_is_written_wrong_is_told_in_a_line(arguments, words, capsys):
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert words in told.err


def test_the_help_is_no_error(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "--tolerance" in capsys.readouterr().out


def test_as_a_command_it_starts_neither_tensorflow_nor_a_plotting_library(run):
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "saliency_bench.compare", str(run), str(run)],
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in told.stderr.splitlines()}
    assert not imported & {"tensorflow", "keras", "matplotlib", "skimage", "hydra"}
    assert "pandas" in imported
