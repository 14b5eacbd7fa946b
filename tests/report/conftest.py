"""Made-up runs of any size, so that what a report says can be known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from saliency_bench.results import Examples, Results

CHECK = "parameter_randomization"
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
    check: str = CHECK

    def __call__(self) -> Results:
        rng = np.random.default_rng(7)
        names = [*self.explainers, *(CONTROLS if self.controls else ())]
        summary = pd.DataFrame(
            [row for n in names for s in self.similarities for row in self._summary(n, s, rng)]
        )
        verdicts = self._verdicts(names, summary)
        wrong = tuple(f"{n} is wrong" for n in verdicts.loc[~verdicts.ok, "explainer"])
        return Results(
            scores=self._scores(names),
            floors=pd.DataFrame(
                [
                    dict(check=self.check, explainer=n, similarity=s, stage=1, draw=0, image=0,
                         floor=0.4)
                    for n in names for s in self.similarities
                ]
            ),
            networks=self._networks(rng),
            summary=summary,
            verdicts=verdicts,
            provenance={
                "command": "python -m saliency_bench +experiment=param_randomization",
                "seed": np.int64(3),
                "chance": 0.1,
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
        conditions = enumerate(("untouched", *self.stages))
        return pd.DataFrame(
            [
                {
                    "check": self.check, "stage": stage, "condition": condition, "draw": draw,
                    "depth": stage / len(self.stages),
                    "accuracy": 0.98 if stage == 0 else 0.1 + 0.05 * rng.random(),
                    "input_independent": stage == len(self.stages) and draw == 0,
                    "variables_changed": 2 * stage, "variables_exempt": 0,
                }
                for stage, condition in conditions for draw in range(1 if stage == 0 else 5)
            ]
        )  # fmt: skip

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


@pytest.fixture(scope="session")
def make_results() -> Callable[..., Results]:
    return lambda **settings: Recipe(**settings)()


@pytest.fixture(scope="session")
def small() -> Results:
    """Two explainers, the controls, two similarities, four stages."""
    return Recipe(explainers=("gradient", "guided_backprop"), similarities=SIMILARITIES[:2])()
