"""What is kept of the leaderboard: tables over all networks, figures, and what was run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from experiments.leaderboard import figure
from experiments.leaderboard.networks import explainers
from experiments.provenance import made_by

TABLES = ("verdicts.csv", "quality.csv")
"""Tables of a run that are kept, those of all runs as one."""

PAGES = ("leaderboard.html", "leaderboard.md")
"""What the report over all runs is, from its folder."""

_SINGLE = re.compile(r"<p>Reports of the single studies:.*?</p>\n", re.DOTALL)
"""Links to what is not kept."""


def write(finished: Iterable[Path], board: Path, kept: Path) -> None:
    """Write what is kept, beside the costs, which are there already.

    Args:
        finished: folders of runs, each `NETWORK/RUN`.
        board: the folder of the report over all of them.
        kept: where to.
    """
    finished = list(finished)
    for page in PAGES:
        text = (board / page).read_text(encoding="utf-8")
        (kept / page).write_text(_SINGLE.sub("", text), encoding="utf-8")
    tables = {name: _all(finished, name) for name in TABLES}
    for name, table in tables.items():
        table.round(4).to_csv(kept / name, index=False)
    costs = pd.read_csv(kept / "costs.csv")
    verdicts, quality = (tables[name] for name in TABLES)
    names = list(explainers())
    for name, made in (
        ("verdicts", figure.verdicts(verdicts, names)),
        ("metrics", figure.metrics(quality, names)),
        ("costs", figure.costs(quality, verdicts, costs)),
    ):
        (kept / f"{name}.png").write_bytes(made)
    facts = {
        **made_by("python -m experiments.leaderboard"),
        "runs": {f"{path.parent.name}/{path.name}": _size(path) for path in finished},
    }
    (kept / "provenance.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _all(finished: Iterable[Path], name: str) -> pd.DataFrame:
    """One table of all runs, which says whose each row is."""
    found = []
    for folder in finished:
        if (folder / name).exists():
            own = pd.read_csv(folder / name).drop(columns="schema_version")
            own.insert(0, "network", folder.parent.name)
            found.append(own)
    return pd.concat(found, ignore_index=True)


def _size(folder: Path) -> dict[str, object]:
    facts = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    return {name: facts[name] for name in ("n_images", "draws", "valid", "accuracy", "git")}
