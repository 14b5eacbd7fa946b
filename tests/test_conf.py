"""The vocabulary in conf/ and the presets of the studies: a new file is tested by existing."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.utils import get_object

from saliency_bench import checks, datasets, explainers, metrics, models, similarities, tracking
from saliency_bench.cli import expected, objects
from saliency_bench.cli.request import Schema
from saliency_bench.explainers import CONTROLS
from saliency_bench.protocols import Measuring, papers

CONF = Path(objects.config_dir())
STUDIES = CONF.parent / "experiments"
GROUPS = {
    "check": checks,
    "explainer": explainers,
    "similarity": similarities,
    "metric": metrics,
    "dataset": datasets,
    "model": models,
    "tracker": tracking,
}
OPTIONS = [path for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]
PRESETS = [*CONF.glob("experiment/*.yaml"), *STUDIES.glob("*/experiment/*.yaml")]
VERBS = {
    "check": "conditions",
    "explainer": "bind",
    "similarity": "compare",
    "metric": "bind",
    "dataset": "load",
    "model": "load",
    "tracker": "log",
}
"""What a thing of a group can do."""

CODE = {"Function"}
"""Classes that take code, which no YAML can hold."""


def name(path):
    return f"{path.parent.name}/{path.stem}"


def opening(path):
    """The comment a file opens with, without the package directive."""
    lines = path.read_text(encoding="utf-8").splitlines()
    count = next(i for i, line in enumerate([*lines, ""]) if not line.startswith("#"))
    return [line for line in lines[:count] if not line.startswith("# @package")]


def node(path):
    """An option's settings."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content[path.stem] if path.parent.name in objects.PICK_MANY else content


def target(path):
    """The class an option describes; None where the user says which."""
    where = node(path)["_target_"]
    return None if where == "???" else get_object(where)


def composed(*overrides, folder=None):
    searched = [] if folder is None else [f"hydra.searchpath=[file://{folder}]"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=[*overrides, *searched])


@pytest.mark.parametrize("path", OPTIONS, ids=name)
def test_an_option_opens_with_what_it_is_and_holds_its_own_key(path):
    assert opening(path)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.parent.name in objects.PICK_MANY:
        assert list(content) == [path.stem]


@pytest.mark.parametrize("path", [p for p in OPTIONS if target(p)], ids=name)
def test_an_option_states_every_default(path):
    """So that `key=value` finds it; another value than the class's says so beside it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    stated = node(path)
    for field in (f for f in dataclasses.fields(target(path)) if f.init):
        assert field.name in stated, f"{field.name} is left out"
        default = field.default_factory() if callable(field.default_factory) else field.default
        if default is dataclasses.MISSING or dataclasses.is_dataclass(default):
            continue
        if isinstance(default, tuple):
            default = list(default)
        line = next(line for line in lines if line.strip().startswith(f"{field.name}:"))
        assert stated[field.name] == default or "#" in line


@pytest.mark.parametrize("path", OPTIONS, ids=name)
def test_an_option_is_built(path):
    group, option = path.parent.name, path.stem
    gaps = [key for key, value in node(path).items() if value == "???"]
    needed = [f"{group}.{key}=builtins.dict" for key in gaps]
    config = composed(f"{group}={option}", *needed)
    if group in objects.PICK_MANY:
        built = objects.build_group(config, group)
        assert list(built) == [option]
        assert isinstance(built[option], target(path))
    else:
        assert isinstance(objects.build(config[group], group), target(path) or dict)


@pytest.mark.parametrize("group", GROUPS)
def test_every_class_has_an_option(group):
    described = {target(path) for path in OPTIONS if path.parent.name == group} - {None}
    exported = [getattr(GROUPS[group], entry) for entry in GROUPS[group].__all__]
    assert [thing for thing in described if thing not in exported] == []
    offered = [
        thing
        for thing in exported
        if dataclasses.is_dataclass(thing) and hasattr(thing, VERBS[group])
    ]
    assert [
        thing for thing in offered if thing not in described and thing.__name__ not in CODE
    ] == []


@pytest.mark.parametrize("path", sorted((CONF / "explainer").glob("*.yaml")), ids=name)
def test_our_explainers_may_be_called_by_several_threads(path):
    assert objects.build_group(composed(f"explainer=[{path.stem}]"), "explainer")[
        path.stem
    ].thread_safe


CITING = ("explainer", "similarity", "metric", "check")
"""Groups whose classes name the papers behind them."""

CITATION = re.compile(r"([A-ZÀ-Þ][\w-]+(?: et al\.| and [A-ZÀ-Þ][\w-]+)?),? \(?((?:19|20)\d\d)\b")


def built(path):
    config = composed(f"{path.parent.name}=[{path.stem}]")
    return objects.build_group(config, path.parent.name)[path.stem]


@pytest.mark.parametrize("path", [p for p in OPTIONS if p.parent.name in CITING], ids=name)
def test_a_class_names_its_papers_or_says_that_it_has_none(path):
    """Also those that the comment of its file cites: `papers` empty means ours, or any textbook."""
    thing = built(path)
    kind = type(thing).__name__
    own = getattr(thing, "papers", None)
    assert own is not None, f"{kind} needs `papers: ClassVar[tuple[str, ...]]`; () if it is ours"
    unknown = set(own) - papers.papers().keys()
    assert not unknown, f"{kind}.papers names {unknown}; they need entries in protocols/papers.bib"
    cited = {f"{who}, {year}" for who, year in CITATION.findall(plain_comment(path))}
    known = {papers.papers()[key].short for key in papers.keys_of(thing)}
    assert cited <= known, f"{kind}.papers lacks what its file cites: {cited - known}"


def plain_comment(path):
    return " ".join(line.lstrip("# ") for line in opening(path)).replace(" & ", " and ")


@pytest.mark.parametrize("control", CONTROLS)
def test_every_control_is_an_option(control):
    assert target(CONF / "explainer" / f"{control}.yaml") is CONTROLS[control]


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_opens_with_claim_source_expectation_and_command(path):
    comment = "\n".join(opening(path))
    words = ["Source:", "Expected:", "Run: python -m saliency_bench"]
    if not path.stem.endswith("_base"):
        words += ["Claim:", f"+experiment={path.stem}"]
    assert [word for word in words if word not in comment] == []


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_is_built(path):
    config = composed(f"+experiment={path.stem}", folder=path.parent.parent)
    for group in objects.PICK_MANY:
        chosen = objects.build_group(config, group)
        assert list(chosen) == list(config[group]), "settings of what the preset does not choose"
    stated = [config.expected[name] for name in config.expected if name in config.check]
    for by_explainer in stated or [config.expected]:
        assert by_explainer.keys() <= config.explainer.keys()
        verdicts = [of for of in by_explainer.values() if of != expected.NOT_APPLICABLE]
        own = objects.build_group(config, "check").values()
        measures = {
            name for check in own if isinstance(check, Measuring) for name in check.measures()
        }
        known = config.similarity.keys() | measures
        assert {similarity for of in verdicts for similarity in of} <= known
    expected.check(config.expected, config.check)
    objects.build(config.dataset, "dataset")
    assert objects.holds_settings(config.model, "model")
    objects.build(config.model, "model")


@pytest.mark.parametrize("path", sorted(CONF.glob("experiment/*.yaml")), ids=lambda path: path.stem)
@pytest.mark.parametrize("model", ["cnn", "mlp"])
def test_a_preset_takes_another_network(path, model):
    """A preset chooses a network; it does not change the settings of one that it assumes."""
    config = composed(f"+experiment={path.stem}", f"model={model}")
    assert isinstance(objects.build(config.model, "model"), target(CONF / f"model/{model}.yaml"))


def test_nothing_in_the_vocabulary_starts_tensorflow():
    code = (
        "import sys; from hydra import compose, initialize_config_dir as at\n"
        "from saliency_bench.cli import objects, request\n"
        "with at(objects.config_dir(), version_base='1.3'):\n"
        "    config = compose('config', overrides=sys.argv[1:])\n"
        "[objects.build_group(config, group) for group in objects.PICK_MANY]\n"
        "print({'tensorflow', 'keras', 'torch'} & set(sys.modules))"
    )
    chosen = [
        f"{group}=[{','.join(path.stem for path in OPTIONS if path.parent.name == group)}]"
        for group in objects.PICK_MANY
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *chosen], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_the_help_page_names_every_top_level_key():
    page = (CONF / "config.yaml").read_text(encoding="utf-8")
    plain = {f.name for f in dataclasses.fields(Schema)} - GROUPS.keys()
    assert [key for key in plain if not re.search(rf"  {key}[.=]", page)] == []
