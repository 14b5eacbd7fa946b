"""Made-up runs: concluded from scores that are known, or told row by row in any size.

`made` concludes from tables of `helpers.evidence`, for who reads scores and verdicts. A `Recipe`
tells the summary and the verdicts themselves, so that what a report says is known beforehand.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.evidence import SIGNED, evidence, networks_of, scored
from saliency_bench.checks.data_randomization import DECLARED as LABELS_DECLARED
from saliency_bench.checks.data_randomization import TWINS
from saliency_bench.checks.param_randomization import DECLARED
from saliency_bench.protocols import NetworkName
from saliency_bench.results import TRAININGS, Examples, Results, files
from saliency_bench.results.conclude import conclude
from saliency_bench.storage.longtable import LongTable
from saliency_bench.storage.store import write_atomic

FACTS = {
    "command": "python -m saliency_bench run_dir=/home/ada/secret", "weights_hash": "w",
    "images_hash": "i", "targets_hash": "t", "seed": 0, "draws": 5, "target": "label",
    "explainers": {"mine": "Mine(samples=25)"}, "checks": {"redraw": "Redraw()"},
    "similarities": {SIGNED: "Spearman(absolute=False)"}, "versions": {"numpy": "2.4"},
    "source": "s", "not_applicable": {}, "failed": {},
}  # fmt: skip


def made(*tables: pd.DataFrame, facts: dict | None = None, **changes: object) -> Results:
    """Results of rows as `helpers.evidence.scored` makes them."""
    return conclude(evidence(*(tables or (noisy(0.02),)), **changes), FACTS | (facts or {}))


def noisy(level: float, explainer: str = "mine", *, seed: int = 0, **values: object):
    """Scores about a level, with effects of draws, of images and of neither."""
    rng = np.random.default_rng(seed)
    shape = (values.get("draws", 5), values.get("images", 12))
    effects = rng.normal(0, 0.02, (shape[0], 1)) + rng.normal(0, 0.02, shape[1])
    return scored(explainer, score=level + effects + rng.normal(0, 0.02, shape), **values)


def saved(results: Results, folder: Path) -> Path:
    """A run folder without figures and pages."""
    write_atomic(folder / "summary.csv", files.csv(results.summary))
    write_atomic(folder / "verdicts.csv", files.csv(results.verdicts))
    write_atomic(folder / "networks.csv", files.csv(results.networks))
    write_atomic(folder / "provenance.json", files.provenance(results))
    results.long_scores.save(folder / "scores.parquet")
    results.long_floors.save(folder / "floors.parquet")
    if len(results.reliability):
        write_atomic(folder / "reliability.csv", files.csv(results.reliability))
    if len(results.trainings):
        write_atomic(folder / "trainings.csv", files.csv(results.trainings))
    if results.examples is not None:
        write_atomic(folder / "examples.npz", files.examples(results.examples))
    return folder


TOLD = "parameter_randomization"
EXPLAINERS = (
    "gradient", "gradient_input", "integrated_gradients", "smoothgrad", "square_grad",
    "vargrad", "guided_backprop", "deconvnet", "grad_cam", "grad_cam_plus_plus",
    "guided_grad_cam", "ig_smoothgrad",
)  # fmt: skip
CONTROLS = {
    "edge_detector": "fail",
    "random_frozen": "fail",
    "weight_hash": "pass",
    "constant": "undefined",
}
SIMILARITIES = ("spearman_signed", "spearman_abs", "ssim", "hog")
SURVIVORS = {"guided_backprop", "deconvnet", "edge_detector", "random_frozen"}


@dataclass(frozen=True)
class Recipe:
    """Which run to make up; `side` and `channels` are of the example images."""

    explainers: tuple[str, ...] = EXPLAINERS
    similarities: tuple[str, ...] = SIMILARITIES
    stages: tuple[str, ...] = ("dense", "conv_3", "conv_2", "conv_1")
    controls: bool = True
    undefined: bool = False
    side: int = 28
    channels: int = 1
    check: str = TOLD

    def __call__(self) -> Results:
        rng = np.random.default_rng(7)
        names = [*self.explainers, *(CONTROLS if self.controls else ())]
        summary = pd.DataFrame(
            [row for n in names for s in self.similarities for row in self._summary(n, s, rng)]
        )
        verdicts = self._verdicts(names, summary)
        wrong = tuple(f"{n} is wrong" for n in verdicts.loc[~verdicts.ok, "explainer"])
        return Results(
            long_scores=LongTable.of(self._scores(names)),
            long_floors=LongTable.of(pd.DataFrame(
                [
                    dict(check=self.check, explainer=n, similarity=s, stage=1, draw=0, image=0,
                         floor=0.4)
                    for n in names for s in self.similarities
                ]
            )),
            networks=self._networks(rng),
            summary=summary,
            verdicts=verdicts,
            provenance={
                "command": "python -m saliency_bench +experiment=param_randomization",
                "seed": np.int64(3),
                "chance": 0.1,
                "expectations": {self.check: asdict(DECLARED)},
                "false_verdicts": "Expect 0.6 false verdicts among 12.",
                "versions": {"numpy": "2.4"},
                "not_a_number": float("nan"),
            },
            examples=self._examples(names, rng),
            problems=wrong,
        )  # fmt: skip

    def _summary(self, name: str, similarity: str, rng: np.random.Generator) -> list[dict]:
        depth = np.linspace(0, 1, len(self.stages) + 1)[1:]
        kept = 0.85 - 0.2 * depth if name in SURVIVORS else 0.7 * np.exp(-6 * depth)
        kept = kept + rng.normal(0, 0.02, kept.size)
        if self.undefined or name == "constant":
            kept = np.full(kept.size, np.nan)
        null = 0.05 if similarity.startswith("spearman") else 0.3
        rows = [(stage, value) for stage, value in enumerate(kept, start=1)]
        rows.append((-1, kept.mean()))
        judged = similarity in ("spearman_abs", self.similarities[0])
        limit = 0.15 if similarity == "spearman_signed" else 0.25
        return [
            {
                "schema_version": 1, "check": self.check, "explainer": name,
                "similarity": similarity, "stage": stage, "n_images": 64, "n_draws": 5,
                "undefined": 0, "mean": null + (1 - null) * value,
                "low": null + (1 - null) * value - 0.06, "high": null + (1 - null) * value + 0.06,
                "null": null, "ceiling": 1.0, "floor": null + 0.1, "repeatability": 1.0,
                "retained": value, "retained_low": value - 0.05, "retained_high": value + 0.05,
                "verdict": _verdict(value, limit) if stage == -1 and judged else "",
            }
            for stage, value in rows
        ]  # fmt: skip

    def _verdicts(self, names: list[str], summary: pd.DataFrame) -> pd.DataFrame:
        primary = self.similarities[0]
        area = summary[(summary.stage == -1) & (summary.similarity == primary)]
        rows = []
        for row in area.itertuples():
            control = CONTROLS.get(row.explainer, "") if self.controls else ""
            rows.append(
                {
                    "check": self.check, "explainer": row.explainer, "verdict": row.verdict,
                    "similarity": primary, "retained": row.retained,
                    "retained_low": row.retained_low, "retained_high": row.retained_high,
                    "reason": f"retained {row.retained:.2f}", "control": control,
                    "ok": control in ("", row.verdict),
                }
            )  # fmt: skip
        return pd.DataFrame(rows)

    def _scores(self, names: list[str]) -> pd.DataFrame:
        stages = [(0, "repeat", 0.0)]
        stages += [(i, c, i / len(self.stages)) for i, c in enumerate(self.stages, start=1)]
        return pd.DataFrame(
            [
                {
                    "check": self.check, "explainer": name, "similarity": similarity,
                    "stage": stage, "condition": condition, "depth": depth, "draw": 0,
                    "image": image, "target": 1, "score": 0.5, "null": 0.1, "ceiling": 1.0,
                    "status": "constant_reference" if name == "constant" else "ok",
                }
                for name in names for similarity in self.similarities
                for stage, condition, depth in stages for image in range(2)
            ]
        )  # fmt: skip

    def _networks(self, rng: np.random.Generator) -> pd.DataFrame:
        last = len(self.stages)
        places = [(stage, draw) for stage in range(last + 1) for draw in range(5 if stage else 1)]
        stages = np.array([stage for stage, _ in places])
        return networks_of(
            [
                (stage, stage / last, draw, 0.1 + 0.05 * rng.random() if stage else 0.98, 2 * stage)
                for stage, draw in places
            ],
            check=self.check,
            condition=np.array(["untouched", *self.stages])[stages],
            input_independent=[place == (last, 0) for place in places],
        )

    def _examples(self, names: list[str], rng: np.random.Generator) -> Examples:
        pixels = rng.random((2, self.side, self.side, self.channels), dtype=np.float32)
        ramp = np.linspace(0, 1, self.side, dtype=np.float32)
        pixels = 0.3 * pixels + 0.7 * np.outer(ramp, ramp)[None, :, :, None]
        maps = {name: self._maps(name, pixels, rng) for name in names}
        conditions = {0: "untouched", **dict(enumerate(self.stages, start=1))}
        titles = ("class 3", "a class with a rather long name")
        return Examples(pixels, titles, {self.check: maps}, {self.check: conditions})

    def _maps(
        self, name: str, pixels: np.ndarray, rng: np.random.Generator
    ) -> dict[int, np.ndarray]:
        noise = [
            rng.normal(size=pixels.shape).astype(np.float32) for _ in range(1 + len(self.stages))
        ]
        shares = np.linspace(0, 1, len(noise))
        maps = {
            i: (1 - s) * (pixels - 0.3) + s * n
            for i, (s, n) in enumerate(zip(shares, noise, strict=True))
        }
        if self.undefined or name == "constant":
            return {i: np.full_like(m, np.nan if i else 1.0) for i, m in maps.items()}
        return {i: np.abs(m) if "cam" in name else m for i, m in maps.items()}


def _verdict(value: float, limit: float) -> str:
    if np.isnan(value):
        return "undefined"
    if value - 0.05 > limit:
        return "fail"
    return "pass" if value + 0.05 < limit else "inconclusive"


TWIN_CHECK = "data_randomization"
NETWORKS = 3


def twins_of(levels: tuple[float, ...] = (1.0,), **settings: object) -> Results:
    """A run of a check with retrained twins at these levels of corruption."""
    lessons = [NetworkName("permuted", level).variant for level in levels]
    stages = ("twin, true labels", *lessons)
    results = Recipe(stages=stages, check=TWIN_CHECK, **settings)()
    depths = dict(enumerate((0.0, *levels), start=TWINS))
    networks, scores = (
        table.assign(depth=table["stage"].map(depths).fillna(0.0))
        for table in (results.networks, results.scores)
    )
    facts = {
        "checks": {TWIN_CHECK: "DataRandomization(labels='permuted', min_train_accuracy=0.95)"},
        "expectations": {TWIN_CHECK: asdict(replace(LABELS_DECLARED, learned=0.95))},
        "tested": {"chance": 0.25},
    }
    return replace(
        results, networks=networks, long_scores=LongTable.of(scores),
        summary=_anchored(results.summary, len(levels)),
        trainings=trainings_of(levels), provenance={**results.provenance, **facts},
    )  # fmt: skip


def _anchored(summary: pd.DataFrame, levels: int) -> pd.DataFrame:
    """Twins agree by 0.8 and are the ceiling of all stages; the last stage is what is judged."""
    summary = summary.copy()
    known = summary["mean"].notna()
    summary["ceiling"] = np.where(known, 0.8, np.nan)
    twins = known & (summary["stage"] == TWINS)
    summary.loc[twins, ["mean", "low", "high"]] = 0.8, 0.7, 0.9
    beyond = summary["mean"] - summary["null"]
    summary["retained"] = beyond / (summary["ceiling"] - summary["null"])
    kept = summary.columns.difference(["stage", "verdict"])
    last = summary.loc[summary["stage"] == TWINS + levels, kept]
    summary.loc[summary["stage"] == -1, kept] = last.to_numpy()
    return summary


def trainings_of(levels: tuple[float, ...] = (1.0,)) -> pd.DataFrame:
    """Networks of true labels that learn within 8 epochs, others within 30."""
    rng = np.random.default_rng(3)
    rows = []
    for level in (0.0, *levels):
        epochs = 8 + int(22 * level)
        for draw in range(NETWORKS):
            name = NetworkName("permuted" if level else "true", level, draw)
            gains = np.sort(rng.random(epochs))
            test = 0.97 - 0.87 * level + 0.01 * draw
            rows += [
                (str(name), *name, epoch, 2 - gain, 0.1 + 0.88 * gain, 0.99 - 0.01 * draw, test)
                for epoch, gain in enumerate(gains, start=1)
            ]
    return pd.DataFrame(rows, columns=list(TRAININGS))


def both_of(**settings: object) -> Results:
    """A run of parameter and of data randomization."""
    one, two = Recipe(**settings)(), twins_of(**settings)
    tables = ("scores", "floors", "networks", "summary", "verdicts")
    joined = {name: pd.concat([getattr(one, name), getattr(two, name)]) for name in tables}
    examples = Examples(
        one.examples.pixels, one.examples.titles,
        {**one.examples.maps, **two.examples.maps},
        {**one.examples.conditions, **two.examples.conditions},
    )  # fmt: skip
    joined |= {f"long_{name}": LongTable.of(joined.pop(name)) for name in tables[:2]}
    expectations = {**one.provenance["expectations"], **two.provenance["expectations"]}
    facts = {**two.provenance, "expectations": expectations}
    return replace(two, **joined, examples=examples, provenance=facts)
