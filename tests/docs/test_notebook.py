"""docs/from-model-to-gate.ipynb runs from a trained model to a gate that is shut."""

import importlib.util
import json
import os

import pytest
from helpers.guides import ROOT

PATH = ROOT / "docs" / "from-model-to-gate.ipynb"
MOST = 40_000
"""Most bytes of the stored notebook: it holds no picture."""


def told(book):
    """What the cells of a notebook printed."""
    outputs = [output for cell in book["cells"] for output in cell.get("outputs", [])]
    texts = [o["text"] if "text" in o else o["data"]["text/plain"] for o in outputs]
    return "\n".join("".join(text) for text in texts)


def verdicts(text):
    """What does not depend on the machine."""
    return [word for word in text.split() if word in ("pass", "fail", "regressed", "True")]


@pytest.fixture(scope="module")
def again(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("notebook", ROOT / "docs" / "notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join([str(ROOT)]))
        return module.kept(module.executed(tmp_path_factory.mktemp("notebook")))


def test_the_stored_notebook_is_small_and_has_no_error():
    book = json.loads(PATH.read_text(encoding="utf-8"))
    kinds = {o["output_type"] for cell in book["cells"] for o in cell.get("outputs", [])}
    assert kinds <= {"stream", "execute_result"}
    assert PATH.stat().st_size < MOST
    assert "\x1b" not in told(book)


@pytest.mark.slow
def test_it_finds_again_what_it_tells(again):
    stored = verdicts(told(json.loads(PATH.read_text(encoding="utf-8"))))
    assert verdicts(told(again)) == stored
    assert {"True", "pass", "fail", "regressed"} <= set(stored)
    assert "exit status 1" in told(again)
