"""Command lines as nobody should write them: keys, options and values drawn from all there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from saliency_bench.cli import objects, request

CONF = Path(objects.config_dir())
ONE = ("dataset", "model")
MANY = objects.PICK_MANY
TOP = sorted(request.Schema.__dataclass_fields__)
NUMBERS = ("seed", "n_images", "batch_size", "draws", "threads", "cores", "workers")

PLACES = (
    *(
        "none",
        "with space",
        "Schöne Übung",
        "🐈",
        "file",
        "file/inside",
        "folder",
        "broken",
        "loop",
    ),
    *(".", "..", "/", "~", "/dev/null", "nul\\x00", "two\\nlines", "x" * 5000, "a/" * 3000),
    *("images.npz", "net.keras", "weights.h5"),
)
"""Paths; `files` makes what of them is there."""


def files(folder: Path) -> None:
    """Something under most of the names in `PLACES`, and never what is asked for."""
    for name in ("with space", "folder"):
        (folder / name).mkdir()
    for name in ("file", "🐈", "images.npz", "net.keras", "weights.h5"):
        (folder / name).write_bytes(b"not what it should be")
    (folder / "Schöne Übung").mkdir()
    (folder / "Schöne Übung" / "photo.png").write_bytes(b"not a photo")
    (folder / "broken").symlink_to(folder / "nowhere")
    (folder / "loop").symlink_to(folder / "loop")


def _options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def _settings_of(node: Any, before: str) -> list[str]:
    """The dotted names of all that can be set in a node."""
    if not isinstance(node, dict):
        return [before]
    return [before, *(name for key in node for name in _settings_of(node[key], f"{before}.{key}"))]


def _node(group: str, option: str) -> Any:
    return yaml.safe_load((CONF / group / f"{option}.yaml").read_text())


def _settings(group: str) -> list[str]:
    """Of all options of a group: those of options not chosen are leftovers."""
    nodes = [_node(group, option) for option in _options(group)]
    return sorted({name for node in nodes for name in _settings_of(node, group)})


SETTINGS = {group: _settings(group) for group in (*ONE, *MANY)}

_INTEGERS = (-1, 0, 1, 2, 3, 7, 2**31, 2**63, 2**64, -(2**63), 10**30, 10**400)
_REALS = ("nan", "inf", "-inf", "1e-320", "1e400", "0.5", "-0.0", "0x1F", "1_000", "1e3")
_WORDS = ("null", "true", "false", "???", "", "''", "label", "predicted", "logit", "../../x", "%s")
_SIGNS = ("[[", "{", "\\", "'", '"', "=", "a=b", "a,b", "@", "$", "__import__('os')", "it's")
_SYNTAX = (*_SIGNS, "${seed}", "${nope}", "${", "${oc.env:NOPE}", "[" * 2000 + "]" * 2000)

_numbers = st.one_of(
    st.sampled_from(_INTEGERS), st.sampled_from(_REALS), st.integers(), st.floats()
)
_texts = st.one_of(
    st.sampled_from([*_WORDS, *_SYNTAX]),
    st.text(max_size=12),
    st.text(alphabet="ab 0.,:=[]{}()'\"\\$~+-\n\t", max_size=12),
)
_paths = st.sampled_from(PLACES).map(lambda path: f"'{path}'")
_scalars = st.one_of(_numbers, _texts, _paths).map(str)
_lists = st.lists(_scalars, max_size=3).map(lambda values: f"[{','.join(values)}]")
_mappings = st.dictionaries(
    st.sampled_from(["a", "_target_", "samples", "1"]), _scalars, max_size=3
)
_values = st.one_of(
    _scalars,
    _lists,
    _mappings.map(lambda pairs: "{" + ",".join(f"{k}:{v}" for k, v in pairs.items()) + "}"),
)
_signs = st.sampled_from(["", "", "", "", "+", "++", "~"])


def _set(keys: st.SearchStrategy[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    return st.builds("{}{}={}".format, _signs, keys, values)


@st.composite
def _chosen(draw: st.DrawFn) -> str:
    group = draw(st.sampled_from([*ONE, *MANY]))
    names = [*_options(group), "nope", "../config", "", "/etc/passwd", "schöne 🐈"]
    if group in ONE:
        return f"{group}={draw(st.sampled_from(names))}"
    return f"{group}=[{','.join(draw(st.lists(st.sampled_from(names), max_size=4)))}]"


@st.composite
def _filled(draw: st.DrawFn) -> str:
    """A setting of something, mostly of what is there, sometimes a letter wrong."""
    group = draw(st.sampled_from([*ONE, *MANY]))
    name = draw(st.sampled_from(SETTINGS[group]))
    return name + draw(st.sampled_from(["", "", "", "", "s", ".x", "._target_"]))


_OURS = ("explainers.Gradient", "explainers.SmoothGrad", "datasets.Npz", "nope")
_THEIRS = ("collections.Counter", "builtins.dict", "fractions.Fraction", "json.loads", "math.pi")
_NO_NAMES = ("math", "nope", "nope.nope", "", "3", "null", "a..b", ".", "[1]")
_targets = st.sampled_from([*(f"saliency_bench.{name}" for name in _OURS), *_THEIRS, *_NO_NAMES])
_experiments = st.sampled_from([*_options("experiment"), "nope", "null", "[sanity,calibration]"])

OVERRIDES = st.one_of(
    _set(st.sampled_from(NUMBERS), st.one_of(_numbers.map(str), _values)),
    _set(st.sampled_from([*TOP, "sed", "Seed", "hydra.run.dir", "hydra"]), _values),
    _set(_filled(), _values),
    _set(_filled(), _values),
    _chosen(),
    _chosen(),
    st.builds("{}{}.path={}".format, st.sampled_from(["", "+"]), st.sampled_from(ONE), _paths),
    st.builds("+explainer.mine._target_={}".format, _targets),
    st.builds("{}._target_={}".format, st.sampled_from(ONE), _targets),
    st.builds("+experiment={}".format, _experiments),
    _set(st.text(max_size=8), _values),
    st.text(max_size=12),
)
"""One word of a command line."""


@st.composite
def _own_settings(draw: st.DrawFn) -> list[str]:
    """An option and values for its settings."""
    group = draw(st.sampled_from([*ONE, *MANY, *MANY]))
    option = draw(st.sampled_from(_options(group)))
    names = _settings_of(_node(group, option), group)
    chosen = f"{group}={option}" if group in ONE else f"{group}=[{option}]"
    pairs = st.tuples(st.sampled_from(names), _values)
    return [chosen, *("=".join(pair) for pair in draw(st.lists(pairs, max_size=3)))]


LINES = st.one_of(
    st.lists(OVERRIDES, min_size=1, max_size=3),
    _own_settings(),
    _own_settings(),
    # A file or folder that is not as it should be, of the right kind of thing.
    st.builds(
        lambda choice, key, path: [choice, f"{key}={path}"],
        st.sampled_from(["dataset=npz", "dataset=image_folder"]),
        st.sampled_from(["dataset.path", "dataset.train_path"]),
        _paths,
    ),
    st.builds(lambda path: ["model=saved", f"model.path={path}"], _paths),
    st.builds(lambda path: ["model=application", f"model.weights={path}"], _paths),
)
