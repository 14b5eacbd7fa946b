"""Measure everything and write results/reference/benchmarks.md: `python -m benchmarks`."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

# As a run of the command line computes by default; set before TensorFlow is first used.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(2)

from benchmarks import cascade, explainers, kernels, training  # noqa: E402
from saliency_bench.store import write_atomic  # noqa: E402

PAGE = Path(__file__).parent.parent / "results" / "reference" / "benchmarks.md"

TEMPLATE = """# Speed

Ratios to a limit measured in the same process, in turn; medians. CPU seconds are those of the
process on all cores. Written by `make bench` ({machine}; TensorFlow {tensorflow},
Keras {keras}, NumPy {numpy}; one compute thread, as the command line's default).

M1: 28x28x1 CNN, 3.3 M weights. M2: MobileNet, alpha 0.5, 128x128x3.

## Explainers

The limit is (evaluations) x (one hand-written compiled gradient, for masking methods one forward
pass) in batches of {batch}.

{explainers}

## Cascade

One draw of the whole top-down cascade with the gradient on {images} images, scored by Spearman and
SSIM, proven and saved, over (stages + 1) compiled gradient batches.

{cascade}

## Scoring

Batched kernels, the reference prepared once, over SciPy and scikit-image map by map.

{kernels}

## Training

Whole epochs with progress, an order of our own and the accuracy in the end, over a bare `fit`.

{training}
"""


def table(rows: list[dict[str, object]]) -> str:
    """Rows as a Markdown table."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([_cell(row[c]) for c in columns] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Measure, print and write."""
    page = TEMPLATE.format(
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **{name: version(name) for name in ("tensorflow", "keras", "numpy")},
        batch=explainers.BATCH,
        images=cascade.IMAGES,
        explainers=table(explainers.rows()),
        cascade=table(cascade.rows()),
        kernels=table(kernels.rows()),
        training=table(training.rows()),
    )
    print(page)
    write_atomic(PAGE, page.encode())


if __name__ == "__main__":
    main()
