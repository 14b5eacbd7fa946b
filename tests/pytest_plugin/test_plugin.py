"""The pytest plug-in, from within small test suites of a user's."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from saliency_bench.compare.gate import folder_name

SUITE = """
import keras
import numpy as np
import pytest
from saliency_bench import checks, explainers, similarities

images = np.random.default_rng(0).normal(size=(8, 12, 12, 1)).astype("float32")
quick = dict(draws=3, similarities={"spearman_abs": similarities.Spearman()})

@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten()]
    return keras.Sequential([keras.Input((12, 12, 1)), *layers, keras.layers.Dense(3)])

def ink(model, images, targets):
    return abs(images)
"""


@pytest.fixture
def suite(pytester):
    """Runs a user's tests; what they print is looked at."""

    def run(tests, *arguments):
        pytester.makepyfile(test_user=SUITE + tests)
        # The last one collects the garbage of the outer run again and again.
        without = ("-p", "no:cacheprovider", "-p", "no:unraisableexception")
        return pytester.runpytest_inprocess(*without, *arguments)

    return run


PASSING = """
def test_gradient(saliency_gate, model):
    results = saliency_gate.passes(explainers.Gradient(), model, images, None, **quick)
    assert results.valid
"""


def test_an_explainer_that_passes(suite):
    suite(PASSING).assert_outcomes(passed=1)


def test_one_that_fails_shows_its_numbers_and_where_the_figures_lie(suite, pytester):
    done = suite(
        """
def test_ink(saliency_gate, model):
    saliency_gate.passes(ink, model, images, None, "param_randomization", name="ink", **quick)
""",
        f"--basetemp={pytester.path / 'kept'}",
    )
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            ">*saliency_gate.passes(ink, model, *",
            "E   *ink must pass param_randomization; its verdict: fail",
            "E   *ink keeps 100 % * of its map, averaged over the cascade: "
            "so much of the map does not depend *",
            "E   *retained 1.00 * lies above the threshold 0.25 (3 draws, 8 images)",
            "E   *spearman_abs: fail, retained 1.00 *, threshold 0.25, floor 1.00",
            "E   *report: *report.html",
            "E   *figure: *.png",
        ]
    )
    shown = done.stdout.str()
    assert "Traceback" not in shown
    named = re.findall(r"^E +(?:figure|report): (.*)$", shown, re.MULTILINE)
    assert len(named) > 2
    assert all(Path(path).is_file() for path in named)


HOLDING = """
@pytest.mark.saliency(**quick)
@pytest.mark.parametrize("shape", ["a/b"])
def test_kept(saliency_gate, model, shape):
    saliency_gate.holds({explainer}, model, images, None)
    saliency_gate.holds({explainer}, model, images[:6], None, name="few", draws=4)
"""


def test_a_baseline_is_made_held_and_refreshed(suite, pytester):
    gradient = HOLDING.format(explainer="explainers.Gradient()")
    suite(gradient, "--saliency-update").assert_outcomes(passed=1)
    folder = pytester.path / "saliency_baselines" / "test_user"
    (test,) = folder.iterdir()
    assert test.name.startswith("test_kept[a_b]-")  # not that of the parameter "a_b"
    names = {path.name for path in test.iterdir()}
    assert names == {"param_randomization-explainer", "param_randomization-few"}
    before = {p: p.read_bytes() for p in folder.rglob("*.*")}
    suite(gradient).assert_outcomes(passed=1)
    assert {p: p.read_bytes() for p in folder.rglob("*.*")} == before
    done = suite(HOLDING.format(explainer="ink"))
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "E   *REGRESSED: 1 of 1 rows (1 regressed)",
            "E   *explainer, spearman_abs: regressed: pass -> fail, retained +*",
            "E   *setting explainers.explainer: Gradient(*",
            "E   *baseline: *baselines*; if the change is intended: pytest --saliency-update",
        ]
    )


def test_without_a_baseline_it_says_how_to_make_one(suite):
    done = suite(HOLDING.format(explainer="ink"))
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["E   *explainer has no baseline at *; make it: *--saliency-update"])


def test_what_passes_holds_its_baseline_too(suite, pytester):
    suite(PASSING, "--saliency-update").assert_outcomes(passed=1)
    assert (pytester.path / "saliency_baselines" / "test_user" / "test_gradient").is_dir()
    changed = PASSING.replace("Gradient()", "GradientInput()")
    suite(changed).assert_outcomes(failed=1)


def test_the_marker_chooses_and_is_known(suite):
    done = suite(
        PASSING + "\ndef test_other():\n    pass\n", "--strict-markers", "-m", "not saliency"
    )
    done.assert_outcomes(passed=1, deselected=1)
    suite("", "--markers").stdout.fnmatch_lines(["@pytest.mark.saliency(?*?settings): *"])


@pytest.mark.parametrize(
    ("call", "line"),
    [
        ('"nothing"', "check must be one of param_randomization, data_randomization, or a check*"),
        ("dras=3", "settings must be tolerance, similarities, or fields of Options or of *'dras'"),
        ("checks.ParameterRandomization(), dras=3", "settings must be *; got dras"),
        ("tolerance=1", r"tolerance must lie in [[]0, 1); got 1"),
        ("draws=0", "draws must be at least 1; got 0"),
        (
            '"data_randomization"',
            "it needs labels of the images to explain, *",
        ),
    ],
)
def test_what_does_not_fit_is_told(suite, call, line):
    done = suite(
        "\ndef test_it(saliency_gate, model):\n"
        f"    saliency_gate.passes(explainers.Gradient(), model, images, None, {call})\n"
    )
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines([f"E *: {line}"])


def test_a_check_with_settings_of_its_own(suite):
    suite(
        """
def test_it(saliency_gate, model):
    check = checks.ParameterRandomization(policy="permute")
    saliency_gate.passes(explainers.Gradient(), model, images, None, check, **quick)
    named = dict(name="nested", nested=True)
    saliency_gate.passes(explainers.Gradient(), model, images, None, **named, **quick)
"""
    ).assert_outcomes(passed=1)


def test_two_calls_with_one_name_are_refused(suite):
    done = suite(
        """
def test_it(saliency_gate, model):
    for _ in range(2):
        saliency_gate.passes(explainers.Gradient(), model, images, None, **quick)
"""
    )
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["E *name must be unique among a test's calls*'explainer' twice"])


def test_settings_of_the_marker_have_names(suite):
    done = suite("@pytest.mark.saliency(3)\ndef test_it(saliency_gate):\n    pass\n")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["E *the marker saliency takes settings by name; got 3"])


def test_no_two_tests_share_a_folder():
    names = ["a/b", "a_b", "a b", "A.test", "A_test", "x" * 300, "x" * 301, "é", "C:"]
    folders = [folder_name(name) for name in names]
    assert len(set(folders)) == len(names)
    assert all(len(folder) < 100 for folder in folders)
    assert folder_name("test_it[case-1]") == "test_it[case-1]"


def test_it_is_loaded_with_pytest_and_brings_nothing_heavy(tmp_path):
    program = "import pytest, sys; pytest.main(['--help']); print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path
    )
    told, imported = done.stdout.split("\n")[:-2], set(done.stdout.split("\n")[-2].split())
    assert any("--saliency-update" in line for line in told), done.stderr
    ours = {name for name in imported if name.startswith("saliency_bench.")}
    assert ours == {"saliency_bench.pytest_plugin"}
    assert not imported & {"tensorflow", "keras", "numpy", "pandas", "scipy", "matplotlib"}
