"""Write the table of docs/networks.md: `python docs/zoo.py` (`make zoo-table`).

Every explainer of conf/ is bound to the networks of the tests' zoo; one that cannot serve a network
is refused when it is bound.
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


def main() -> None:
    """Try all, and write the page."""
    reasons: dict[str, dict[str, str]] = {name: {} for name in NAMES}
    for family in zoo.FAMILIES:
        model = zoo.make("plain", family)
        for name in NAMES:
            reasons[name][family] = reason(name, model)
        keras.backend.clear_session()
        print(family, flush=True)
    page = zoo_table.PAGE.read_text(encoding="utf-8")
    zoo_table.PAGE.write_text(written(page, "zoo", zoo_table.rendered(reasons)))


if __name__ == "__main__":
    main()
