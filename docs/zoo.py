"""Write the table of docs/networks.md: `python docs/zoo.py [FAMILY...]` (`make zoo-table`).

Every explainer of conf/ is bound to the networks of the tests' zoo; one that cannot serve a network
is refused when it is bound. With families named, only their columns are made anew.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import keras
from gallery import written
from helpers import zoo, zoo_table
from helpers.configured import NAMES

from saliency_bench.protocols import NotApplicable


def reason(name: str, model: object) -> str:
    """Why an explainer does not run on a model; empty if it does."""
    try:
        zoo.explainer(name).bind(model)
    except NotApplicable as refusal:
        return zoo_table.without_layer(refusal.reason)
    return ""


def main(families: list[str]) -> None:
    """Try the families, all of them if none is named, and write the page after each."""
    reasons = zoo_table.documented()
    for family in families or zoo.FAMILIES:
        model = zoo.make("plain", family)
        found = {name: reason(name, model) for name in NAMES}
        reasons = {
            name: {
                each: found[name] if each == family else reasons.get(name, {}).get(each, "?")
                for each in zoo.FAMILIES
            }
            for name in NAMES
        }
        page = zoo_table.PAGE.read_text(encoding="utf-8")
        zoo_table.PAGE.write_text(written(page, "zoo", zoo_table.rendered(reasons)))
        keras.backend.clear_session()
        print(family, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
