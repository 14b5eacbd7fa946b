"""What the pages of docs/ show works as it stands."""

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest
from helpers import guides as pages
from helpers.guides import PAGES, ROOT, named
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser

from saliency_bench.cli import main, objects

ELSEWHERE = {
    "README.md": "tests/test_readme.py",
    "docs/callbacks.md": "tests/callbacks/test_callbacks_docs.py",
    "docs/gate.md": "tests/pytest_plugin/test_gate_docs.py",
    "docs/python.md": "tests/test_docs_python.py",
    "docs/metrics.md": "tests/metrics/test_metric_docs.py",
}
"""Pages whose Python is run by a test of their own, which asks for its results as well."""

SMALL = ["n_images=16", "batch_size=16", "cores=1", "report.images=false"]
"""Makes a run of a page smaller."""

RANKS = "similarity=[spearman_signed,spearman_abs]"
"""Likewise, where the page chooses none."""

TINY = ["model.filters=[4,8]", "model.units=16", "model.training.epochs=4"]
"""Makes the network of a page's run smaller."""

WITH_CODE = [page for page in PAGES if {"python", "code"} & {b.kind for b in pages.blocks(page)}]
WITH_RUNS = [page for page in PAGES if page.parent.name == "own"]
TOLD = {
    f"{named(page)} {' '.join(command)}": (page, *pages.arguments(command))
    for page in PAGES
    if page not in WITH_RUNS
    for command in pages.commands(page)
    if pages.arguments(command)
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory from which modules can be imported, and are forgotten later."""
    known = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize(
    "page", [page for page in WITH_CODE if named(page) not in ELSEWHERE], ids=named
)
def test_python_runs_in_the_order_of_the_page(page, place, without_figures):
    pages.write_files(page, place)
    names = {"__name__": "page"}
    done = 0
    for block in pages.blocks(page):
        if block.kind in ("python", "code") and not block.title:
            lines = "\n" * (block.line - 1) + block.text  # so that errors name the page's lines
            exec(compile(lines, named(page), "exec"), names)
            done += 1
        elif Path(block.title).name.startswith("test_"):
            assert pytest.main(["-q", "-p", "no:cacheprovider", block.title]) == 0
            done += 1
    assert done > 0


@pytest.mark.parametrize("page", ELSEWHERE)
def test_what_is_run_elsewhere_is(page):
    assert (ROOT / page) in WITH_CODE
    assert Path(page).name in (ROOT / ELSEWHERE[page]).read_text()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Trained networks, which the runs of several pages share."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("page", WITH_RUNS, ids=named)
def test_the_commands_of_a_page_run(
    page, place, cache, in_this_process, without_figures, monkeypatch, capsys
):
    pages.write_files(page, place)
    (place / "results").mkdir()
    (place / "results" / "cache").symlink_to(cache)
    done = 0
    for block in pages.blocks(page):
        if block.kind == "sh":
            for line in block.text.splitlines():
                _require(line, monkeypatch, capsys)
                done += 1
    assert done > 0


def _require(line, monkeypatch, capsys):
    """A command ends with 0, or as its comment says: `# exit 2: words of its message`."""
    (command,) = pages.words(line)
    name, rest = pages.arguments(command)
    if name == "run":
        tiny = TINY if "model=small_cnn" in rest else []
        ranks = [] if "similarity=" in " ".join(rest) else [RANKS]
        argv = ["saliency_bench", *rest, *SMALL, *tiny, *ranks]
        monkeypatch.setattr(sys, "argv", argv)
        status = main.main()
    else:
        status = import_module(f"saliency_bench.{name}.command").main(rest)
    shown = capsys.readouterr()
    expected = re.search(r"  # exit (\d): (.*)$", line)
    assert status == (int(expected[1]) if expected else 0), (line, shown)
    assert not expected or expected[2] in shown.err, (line, shown)


@pytest.mark.parametrize("told", TOLD)
def test_a_command_is_understood(told, place, monkeypatch):
    page, name, rest = TOLD[told]
    pages.write_files(page, place)
    if name in ("explain", "report", "compare"):
        assert import_module(f"saliency_bench.{name}.command")._parser().parse_args(rest)
        return
    if name == "list":
        groups = {path.name for path in (ROOT / "conf").iterdir()}
        assert re.sub("ies$", "y", rest[0]).rstrip("s") in groups
        return
    assert name in ("run", "properties")
    for job in jobs(rest):
        with initialize_config_dir(objects.config_dir(), version_base="1.3"):
            config = compose("config", overrides=job, return_hydra_config=True)
            monkeypatch.setattr(HydraConfig.instance(), "cfg", config)
            parts = {group: objects.build_group(config, group) for group in objects.PICK_MANY}
        assert parts["check"] or parts["metric"]


def jobs(rest):
    """The overrides of each job of a run, without launchers, which need not be installed."""
    overrides = [word for word in rest if not word.startswith(("-m", "--multirun", "hydra"))]
    while "--config-dir" in overrides:
        at = overrides.index("--config-dir")
        folder = Path(overrides[at + 1])
        base = folder if folder.is_dir() else ROOT / folder
        overrides[at : at + 2] = [f"hydra.searchpath=[file://{base.resolve()}]"]
    if not {"-m", "--multirun"} & set(rest):
        return [overrides]
    parsed = OverridesParser.create().parse_overrides(overrides)
    return [job for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]


def test_every_page_is_looked_at():
    assert {"README.md", "docs/gate.md", "docs/own/explainer.md"} <= set(map(named, PAGES))
    assert len(TOLD) > 40


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), target


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
