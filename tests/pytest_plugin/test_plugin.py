"""The pytest plug-in, from within small test suites of a user's."""

import subprocess
import sys
from pathlib import Path

import pytest

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
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)

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
            "ink must pass param_randomization; its verdict: fail",
            "ink keeps 100 % * of its map, averaged over the cascade: it hardly depends on what *",
            "retained 1.00 * lies above the threshold 0.25 (3 draws, 8 images)",
            "  spearman_abs: fail, retained 1.00 *, threshold 0.25, floor 1.00",
            "report: *report.html",
            "figure: *.png",
        ]
    )
    shown = done.stdout.str()
    assert "Traceback" not in shown
    named = [line.split(": ")[1] for line in shown.splitlines() if line.startswith("figure: ")]
    named += [line.split(": ")[1] for line in shown.splitlines() if line.startswith("report: ")]
    assert all(Path(path).is_file() for path in named)


HOLDING = """
@pytest.mark.saliency(**quick)
@pytest.mark.parametrize("shape", ["a/b"])
def test_kept(saliency_gate, model, shape):
    saliency_gate.holds({explainer}, model, images, None)
    saliency_gate.holds({explainer}, model, images[:6], None, draws=4)
"""


def test_a_baseline_is_made_held_and_refreshed(suite, pytester):
    gradient = HOLDING.format(explainer="explainers.Gradient()")
    suite(gradient, "--saliency-update").assert_outcomes(passed=1)
    folder = pytester.path / "saliency_baselines" / "test_user"
    # A folder per test and parameter, and one per further call.
    names = {path.name for path in folder.iterdir()}
    assert names == {"test_kept[a_b]", "test_kept[a_b]-2"}
    before = {p: p.read_bytes() for p in folder.rglob("*.*")}
    suite(gradient).assert_outcomes(passed=1)
    assert {p: p.read_bytes() for p in folder.rglob("*.*")} == before
    done = suite(HOLDING.format(explainer="ink"))
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "REGRESSED: 1 of 1 rows (1 regressed)",
            "param_randomization, explainer, spearman_abs: regressed: pass -> fail, retained +*",
            "setting explainers.explainer: Gradient(*",
            "baseline: *saliency_baselines*; if this is meant: pytest --saliency-update",
        ]
    )


def test_without_a_baseline_it_says_how_to_make_one(suite):
    done = suite(HOLDING.format(explainer="ink"))
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["explainer has no baseline at *; make it: pytest --saliency-update"])


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
        ("dras=3", "settings must be similarities, of Options, or of a check that is named*'dras'"),
        ("checks.ParameterRandomization(), dras=3", "settings must be *; got dras"),
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
    saliency_gate.passes(explainers.Gradient(), model, images, None, nested=True, **quick)
"""
    ).assert_outcomes(passed=1)


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
