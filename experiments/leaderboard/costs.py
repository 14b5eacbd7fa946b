"""What each explainer costs on the digits CNN: evaluations of the network, and time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

IMAGES = 8


def write_costs(path: Path, explainers: Mapping[str, Any]) -> None:
    """Write a table: evaluations for an image, and CPU seconds over those of the gradient.

    Args:
        path: of the table.
        explainers: by name.
    """
    from saliency_bench import network
    from saliency_bench.models import CNN
    from saliency_bench.protocols import NotApplicable

    images = np.random.default_rng(0).random((IMAGES, 28, 28, 1)).astype(np.float32)
    targets = np.arange(IMAGES) % 10
    # Costs depend on the architecture, not on what it has learned.
    model = CNN().network(images.shape[1:], 10, seed=0)
    rows = []
    for name, explainer in explainers.items():
        try:
            bound = explainer.bind(model)
        except NotApplicable:
            continue
        bound(images, targets)  # compiles
        with network.counting() as evaluations:
            start = time.process_time()
            bound(images, targets)
            seconds = time.process_time() - start
        rows.append((name, evaluations.rows / IMAGES, seconds))
    table = pd.DataFrame(rows, columns=["explainer", "evaluations", "seconds"])
    gradient = float(table.loc[table["explainer"] == "gradient", "seconds"].iloc[0])
    table["gradients"] = table.pop("seconds") / gradient
    path.parent.mkdir(parents=True, exist_ok=True)
    table.round(2).to_csv(path, index=False)
