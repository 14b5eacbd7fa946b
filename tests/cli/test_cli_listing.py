"""`python -m saliency_bench list`: a line for each file of conf/, and nothing heavy for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from saliency_bench.cli import listing, objects

CONF = Path(objects.config_dir())


@pytest.fixture
def listed(capsys):
    """Lines that a command line prints, by name; it must succeed."""

    def run(*arguments):
        assert listing.main(arguments) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        return dict(line.split(maxsplit=1) for line in captured.out.splitlines())

    return run


@pytest.mark.parametrize(("what", "group"), listing.GROUPS.items())
def test_every_file_has_a_line_that_says_what_it_is(listed, what, group):
    lines = listed(what)
    assert list(lines) == sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    assert all(len(line) > 10 for line in lines.values())


@pytest.mark.parametrize(
    ("what", "name", "line"),
    [
        (
            "explainers", "grad_cam",
            "Gradient-weighted class activation map (Selvaraju et al., 2017)",
        ),
        ("explainers", "smoothgrad", "Mean gradient of noisy copies (Smilkov et al., 2017)"),
        (
            "explainers",
            "random_frozen",
            "Control: Noise fixed per image: must fail where a map must change",
        ),
        ("metrics", "pointing_game",
         "Whether the highest pixel lies in the mask. Needs masks (Zhang et al., 2018)"),
        ("similarities", "cosine", "Cosine of the angle between the signed maps"),
        ("models", "saved", 'Your own model, saved by Keras 3 with model.save("name.keras")'),
        ("experiments", "param_randomization",
         "Some saliency maps hardly change when the network's weights are redrawn layer by layer "
         "(Adebayo et al., 2018)"),
        ("experiments", "task_swap", None),
    ],
)  # fmt: skip
def test_a_line_is_the_comment_of_the_file_with_the_papers_of_the_class(listed, what, name, line):
    found = listed(what)[name]
    if line is None:  # its title holds that of another paper
        assert found.endswith("(Yona and Greenfeld, 2021)")
    else:
        assert found == line


def test_a_folder_of_ones_own_is_listed_too(listed, tmp_path):
    path = tmp_path / "explainer" / "mine.yaml"
    path.parent.mkdir()
    path.write_text("mine:\n  _target_: saliency_bench.explainers.Gradient\n")
    assert "mine" in listed("explainers", "--config-dir", str(tmp_path))
    path.write_text("# Mine (Me, 2020).\nmine:\n  _target_: saliency_bench.explainers.Constant\n")
    assert listed("explainers", "--config-dir", str(tmp_path))["mine"] == "Mine (Me, 2020)"


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("", "WHAT must be one of explainers"),
        ("explainer", "nearest: explainers"),
        ("explainers --config-dir nowhere", "must name a folder; got 'nowhere'"),
        ("explainers more", "unrecognized arguments: more"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(capsys, line, rule):
    assert listing.main(line.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("saliency_bench.list: ")
    assert captured.err.count("\n") == 1
    assert rule in captured.err


def test_letters_that_the_output_cannot_encode_are_escaped():
    done = subprocess.run(
        [sys.executable, "-m", "saliency_bench", "list", "metrics"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert r"(B\xf6hle et al., 2021; Rao et al., 2022)" in done.stdout


def test_a_list_starts_neither_tensorflow_nor_hydra():
    code = (
        "import sys; from saliency_bench.cli.listing import main\n"
        "[main([what]) for what in sys.argv[1:]]\n"
        "print(*{'tensorflow', 'keras', 'hydra', 'pandas', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *listing.GROUPS], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == ""


def test_a_reader_who_has_had_enough_gets_no_message():
    command = [sys.executable, "-m", "saliency_bench", "list", "explainers"]
    reading, writing = os.pipe()
    os.close(reading)
    found = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (found.returncode, found.stderr) == (141, "")
