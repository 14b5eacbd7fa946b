"""Tables of scores that are known, and what is concluded from them."""

from dataclasses import replace

import numpy as np
import pandas as pd

from saliency_bench.inference import Evidence, judge, summarize
from saliency_bench.protocols import Ceiling, Expectation, Words
from saliency_bench.storage.longtable import LongTable

STAGES, DRAWS, IMAGES = 2, 5, 12
CHECK = "redraw"
SIGNED, ABSOLUTE = "spearman_signed", "spearman_abs"


def scored(explainer="mine", similarity=SIGNED, *, images=IMAGES, draws=DRAWS, **values):
    """Rows of one case; `score` and `status` broadcast against `[L, D, I]`."""
    usual = {"score": 0.02, "null": 0.0, "ceiling": 1.0, "repeat": 1.0, "status": "ok"}
    score, null, ceiling, repeat, status = (usual | values).values()
    shape = (STAGES, draws, images)
    stage, draw, image = (index.ravel() for index in np.indices(shape))
    status = np.broadcast_to(status, shape).ravel()
    score = np.where(status == "ok", np.broadcast_to(score, shape).ravel(), np.nan)
    changed = {"stage": stage + 1, "condition": "block", "depth": (stage + 1) / STAGES}
    changed |= {"draw": draw, "image": image, "score": score, "ceiling": ceiling, "status": status}
    blank = "constant_reference" if set(status) == {"constant_reference"} else "ok"
    untouched = {"stage": 0, "condition": "repeat", "depth": 0.0, "draw": 0}
    untouched |= {"image": np.arange(images), "ceiling": 1.0, "status": blank}
    untouched |= {"score": repeat if blank == "ok" else np.nan}
    rows = pd.concat([pd.DataFrame(untouched), pd.DataFrame(changed)], ignore_index=True)
    return rows.assign(check=CHECK, explainer=explainer, similarity=similarity, target=0, null=null)


def networks_of(rows, **columns):
    """Networks of rows of stage, depth, draw, accuracy and number of variables changed."""
    table = pd.DataFrame(rows, columns=["stage", "depth", "draw", "accuracy", "variables_changed"])
    usual = {"check": CHECK, "condition": "", "destroyed": table["depth"] >= 1}
    usual |= {"input_independent": False, "variables_exempt": 0}
    return table.assign(**usual | columns)


def networks(*, accuracy=0.9, redrawn=0.1, changed=4):
    rows = [(0, 0.0, 0, accuracy, 0)]
    rows += [(1, 0.5, draw, redrawn, changed) for draw in range(DRAWS)]
    rows += [(2, 1.0, draw, redrawn, changed) for draw in range(DRAWS)]
    return networks_of(rows)


FLOORS = pd.DataFrame(
    columns=["check", "explainer", "similarity", "stage", "draw", "image", "floor"]
)
WORDS = Words(
    breaks="something is broken",
    passes="the map depends on it",
    fails="so much of the map does not depend on it",
    kept="of its map",
    destroyed="destroyed network",
)
EXPECTED = Expectation(
    WORDS,
    controls={
        "EdgeDetector": "fail", "RandomFrozen": "fail", "CentrePrior": "fail",
        "WeightHash": "pass", "Constant": "undefined", "RandomFresh": "undefined",
    },
)  # fmt: skip
"""What a check may say of itself."""

MEASURED = replace(
    EXPECTED,
    words=replace(WORDS, draws="networks of a kind", destroyed="network trained on random labels"),
    ceiling=Ceiling(stage=1, name="twins"),
    learned=0.95,
)
"""The same of one whose first stage measures the ceilings."""

TWINS = {CHECK: MEASURED}


def floored(*floors, similarity=SIGNED):
    """Floors of one case, one number per stage."""
    table = pd.DataFrame({"stage": [1, 2], "draw": 0, "image": 0, "floor": floors})
    return table.assign(check=CHECK, explainer="mine", similarity=similarity)


def evidence(*tables, **changes):
    scores = pd.concat(tables or (changes.pop("scores", scored()),), ignore_index=True)
    signed = dict.fromkeys(scores["explainer"].unique(), True)
    lines = {SIGNED: 0.15, ABSOLUTE: 0.25, "ssim": None}
    floors = LongTable.of(changes.pop("floors", FLOORS))
    expectations = changes.pop("expectations", {CHECK: EXPECTED})
    usual = Evidence(
        LongTable.of(scores), floors, networks(), expectations, signed, lines, chance=0.1
    )
    return replace(usual, **changes)


def verdicts(*tables, **changes):
    found = evidence(*tables, **changes)
    return judge(found, summarize(found))


def verdict(*tables, **changes):
    return verdicts(*tables, **changes).iloc[0]
