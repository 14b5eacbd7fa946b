"""docs/metrics.md: its metric of one's own runs, and it names every metric of conf/."""

import re
from pathlib import Path

import keras
import numpy as np

from saliency_bench import Options, evaluate

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "metrics.md").read_text()


def test_the_page_names_every_metric():
    named = set(re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE))
    assert named >= {path.stem for path in (ROOT / "conf" / "metric").glob("*.yaml")}


def test_a_metric_of_ones_own_needs_nothing_but_a_class():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    names: dict = {}
    exec(code, names)
    layers = [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    images = np.random.default_rng(0).random((8, 6, 6, 1)).astype(np.float32)
    results = evaluate(
        keras.Sequential(layers), images, explainers="gradient", checks=(),
        metrics={"mine": names["TopHalf"]()}, options=Options(cores=1),
    )  # fmt: skip
    row = results.quality.set_index("explainer").loc["constant"]
    assert (row["mean"], row["chance"], row["verdict"]) == (0.5, 0.5, "not better")
