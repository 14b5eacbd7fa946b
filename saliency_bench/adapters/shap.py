"""SHAP: expected gradients against background images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from saliency_bench.adapters.base import Adapter, Explain, library
from saliency_bench.protocols import NotApplicable


@dataclass(frozen=True)
class SHAP(Adapter):
    """`shap.GradientExplainer`: expected gradients against background images.

    Attributes:
        background: path of an .npz file with images `x` `[B, H, W, C]` in model units.
        method: `GradientExplainer`, the only one that serves images and any model.
        settings: keyword arguments of `shap_values`, such as `nsamples`.
        seed: of the samples.
        output: what is explained.
    """

    REFUSED: ClassVar[dict[str, str]] = {
        "DeepExplainer": "needs the model's operations, which a model that ends in logits hides; "
        "use explainers.DeepLIFT",
        "KernelExplainer": "treats each pixel as a column of a table; use explainers.KernelSHAP",
    }
    """Explainers that are refused, and why."""

    background: str
    method: str = "GradientExplainer"
    seed: int = field(default=0, kw_only=True)

    @property
    def library_seed(self) -> int | None:
        """The seed."""
        return self.seed

    def explain(self, scores: Any) -> Explain:
        """The library's explainer, which draws its samples from NumPy's global state."""
        self._require_supported()
        shap = library("shap", "shap")
        background = _read_images(self.background, scores.input_shape)
        explainer = shap.GradientExplainer(scores, background)

        def explain(images: NDArray[np.float32], targets: NDArray[np.int64]) -> Any:
            # It seeds itself with `rseed`, which is therefore drawn from the seeded global state.
            seed = int(np.random.randint(2**31))  # noqa: NPY002
            values = np.asarray(explainer.shap_values(images, rseed=seed, **self.settings))
            return np.stack([v[..., t] for v, t in zip(values, targets, strict=True)])

        return explain

    def _require_supported(self) -> None:
        if self.method in self.REFUSED:
            raise NotApplicable(f"shap's {self.method} {self.REFUSED[self.method]}")
        if self.method != "GradientExplainer":
            raise ValueError(f"method must be GradientExplainer; got {self.method!r}")


def _read_images(path: str, shape: tuple[int | None, ...]) -> NDArray[np.float32]:
    if not Path(path).is_file():
        raise ValueError(f"background must be an .npz file with images x; got {path!r}")
    with np.load(path, allow_pickle=False) as arrays:
        images = np.asarray(arrays["x"], np.float32) if "x" in arrays else np.zeros(0, np.float32)
    if images.ndim != 4 or images.shape[1:] != shape[1:]:
        raise ValueError(f"background must hold x of shape {('B', *shape[1:])}; got {images.shape}")
    return images
