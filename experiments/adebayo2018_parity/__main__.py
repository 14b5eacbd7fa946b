"""Our means beside those of the notebooks of 2018, and the same with one factor changed at a time.

`python -m experiments.adebayo2018_parity` takes about half an hour on two cores, keeps its runs in
results/studies, goes on with those that are there, and writes
results/reference/adebayo2018_parity/means.csv. It needs the data of the study adebayo2018 and what
`fifty_epochs.py` writes. Names choose some of the runs: `... cnn mlp`. Exit status 1: at the full
length, a mean lies more than one standard deviation from the notebook's.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from saliency_bench.results import Results

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RUNS = ROOT / "results" / "studies"
EVIDENCE = ROOT / "results" / "reference" / "adebayo2018_parity"
PRESETS = {"cnn": "adebayo2018_parity_cnn", "mlp": "adebayo2018_parity_mlp"}

PLACES = ("explainer", "stage", "condition")
"""What a mean is of."""

FEW = ("~explainer.ig_smoothgrad", "~explainer.integrated_gradients", "report.images=false")
"""What makes the runs with a changed factor short: most of the time is these explainers'."""

SHARED = "adebayo2018_parity_base"
"""What the presets share; a network from a file is explained under it."""

CONV2 = tuple(f"explainer.{name}.layer=conv2" for name in ("grad_cam", "guided_grad_cam"))


@dataclass(frozen=True)
class Variant:
    """A run of one network.

    Attributes:
        model: `cnn` or `mlp`, whose notebook it is compared with.
        trained: by `fifty_epochs.py`, under this name; empty: by the preset, which is run as it is.
        overrides: what is changed in the command.
        redrawn_as: settings of the network from whose first weights it is redrawn.
    """

    model: str = "cnn"
    trained: str = ""
    overrides: tuple[str, ...] = ()
    redrawn_as: tuple[tuple[str, Any], ...] = ()

    def arguments(self, file: Path) -> list[str]:
        """What the command runs, with the network in `file` if the preset does not train it."""
        if not self.trained:
            return [f"+experiment={PRESETS[self.model]}"]
        layers = CONV2 if self.model == "cnn" else ()
        saved = ("model=saved", f"model.path={file}")
        return [f"+experiment={SHARED}", *FEW, *layers, *saved, *self.overrides]


VARIANTS = {
    "cnn": Variant(),
    "mlp": Variant("mlp"),
    "epochs_10": Variant(trained="epochs_10"),
    "epochs_50": Variant(trained="epochs_50"),
    "epochs_50_seed_1": Variant(trained="epochs_50_seed_1"),
    "epochs_50_no_penalty": Variant(trained="epochs_50_no_penalty"),
    "epochs_50_learning_rate_1e-3": Variant(trained="epochs_50_learning_rate_1e-3"),
    "epochs_50_bias_0": Variant(trained="epochs_50", redrawn_as=(("bias", 0.0),)),
    "epochs_50_glorot": Variant(
        trained="epochs_50", redrawn_as=(("initializer", "glorot_uniform"),)
    ),
    "epochs_50_label": Variant(trained="epochs_50", overrides=("target=label",)),
    "epochs_50_images_64": Variant(
        trained="epochs_50", overrides=("n_images=64", "~explainer.smoothgrad")
    ),
    "epochs_50_pooled_map": Variant(
        trained="epochs_50", overrides=tuple(of.replace("conv2", "pool2") for of in CONV2)
    ),
    "mlp_epochs_50": Variant("mlp", trained="mlp_epochs_50"),
}
"""The runs by name: the presets, the full length, and what changes one thing of `epochs_50`."""


def folder(name: str) -> Path:
    """Where a run is kept: those of the presets where `python -m experiments` keeps them."""
    return RUNS / PRESETS[name] if name in PRESETS else RUNS / "adebayo2018_parity" / name


def main(names: list[str]) -> int:
    """Run what is missing and keep the means; returns the exit status."""
    if unknown := set(names) - VARIANTS.keys():
        print(f"a run must be one of {', '.join(VARIANTS)}; got {unknown.pop()}", file=sys.stderr)
        return 2
    for name in names or VARIANTS:
        _run(name)
    ran = [name for name in VARIANTS if (folder(name) / "scores.parquet").exists()]
    table = pd.concat([_beside_notebook(name) for name in ran], ignore_index=True)
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(EVIDENCE / "means.csv", index=False)
    print(table.round(3).to_string(index=False))
    full = table[table["run"].isin(["epochs_50", "mlp_epochs_50"])]
    return int((full["apart"].abs() > 1).any())


def _run(name: str) -> None:
    """Start or resume a run, whatever its verdicts."""
    variant, file = VARIANTS[name], Path(f"{folder(name)}.keras")
    if variant.trained and not file.exists():
        _save_network(variant, file)
    # Relative to the working directory below: a run records its command.
    settings, run_dir = HERE.relative_to(ROOT), folder(name).relative_to(ROOT)
    command = [
        *(sys.executable, "-m", "saliency_bench", "--config-dir", str(settings)),
        *(f"run_dir={run_dir}", *variant.arguments(file.relative_to(ROOT))),
    ]
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{name} could not be run")


def _save_network(variant: Variant, file: Path) -> None:
    """Write trained weights, in layers with the initialisers that are asked for."""
    from saliency_bench.cli import objects, request

    weights = _trained_elsewhere(variant.trained)
    preset = f"+experiment={PRESETS[variant.model]}"
    config = request.compose(preset, f"hydra.searchpath=[file://{HERE}]")
    settings = replace(objects.build(config.model, "model"), **dict(variant.redrawn_as))
    network = settings.network((28, 28, 1), 10, seed=0)
    network.set_weights(weights)
    file.parent.mkdir(parents=True, exist_ok=True)
    network.save(file)


def _trained_elsewhere(name: str) -> list[NDArray[np.float32]]:
    """Weights that `fifty_epochs.py` has written into the folder of the runs."""
    weights: dict[int, NDArray[np.float32]] = {}
    for file in sorted((RUNS / "adebayo2018_parity").glob(f"{name}.*.npz")):
        with np.load(file) as arrays:
            weights |= {int(place): arrays[place] for place in arrays.files}
    if not weights:
        raise SystemExit(f"{name} needs what fifty_epochs.py writes; see README.md")
    return [weights[place] for place in sorted(weights)]


def _beside_notebook(name: str) -> pd.DataFrame:
    """The means of a run, with the notebook's."""
    model = VARIANTS[name].model
    notebooks = pd.read_csv(HERE / "notebooks.csv").rename(
        columns={"mean": "notebook_mean", "std": "notebook_std"}
    )
    own = notebooks[notebooks["model"] == model]
    scores = Results.load(folder(name)).scores
    table = pd.DataFrame(means(scores)).merge(own, on=list(PLACES))
    apart = (table["mean"] - table["notebook_mean"]) / table["notebook_std"]
    table = table.assign(run=name, apart=apart)
    return table[["model", "run", *(column for column in table if column not in ("model", "run"))]]


def means(scores: pd.DataFrame) -> Iterator[dict[str, object]]:
    """The mean of each explainer and stage by magnitude.

    A notebook shows the mean and the standard deviation over its images of one redraw. `image_std`
    is the mean of the latter over our redraws; `draw_std` is by how much the mean over the images
    differs between redraws. Pairs without a score are left out of all of them.

    Args:
        scores: of a run.
    """
    redrawn = scores[(scores["similarity"] == "spearman_abs") & (scores["stage"] > 0)]
    for place, rows in redrawn.groupby(list(PLACES), sort=False, observed=True):
        by_draw = rows.groupby("draw")["score"]
        yield {
            **dict(zip(PLACES, place, strict=True)),
            "mean": rows["score"].mean(),
            "image_std": by_draw.std(ddof=0).mean(),
            "draw_std": by_draw.mean().std(ddof=1),
            "undefined": rows["score"].isna().mean(),
        }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
