"""Structural similarity of two maps (Wang et al., 2004)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from saliency_bench.protocols import Floats, NotApplicable
from saliency_bench.similarities.prepared import PreparedMaps, check_threshold, scores
from saliency_bench.similarities.reduce import check_maps, chunks, planes, unit_peak, varies

K1, K2 = 0.01, 0.03
"""Constants, as shares of the data range, that keep the quotients stable (Wang et al., 2004)."""


@dataclass(frozen=True)
class Moments(PreparedMaps):
    """Normalised maps with their mean and variance in every window that lies within the map.

    Attributes:
        values: `[N, H, W]` the normalised maps.
        mean: `[N, H - window + 1, W - window + 1]` the local means.
        variance: of the same shape, the local sample variances.
    """

    values: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


@dataclass(frozen=True)
class SSIM:
    """Mean structural similarity over all square windows that lie within the map.

    Equal to `skimage.metrics.structural_similarity(a, b, win_size=window, data_range=data_range)`
    of the normalised maps: uniform windows, sample covariance. Compare a score with a null:
    unrelated heavy-tailed or smooth maps score far above 0, and so does a map with its own
    negative, because local means and covariances change their sign together.

    Attributes:
        window: side of the window in pixels, odd.
        normalize: "second_moment" divides each map by its root mean square (RMS) and leaves
            constant maps undefined (Binder et al., 2023); None does not change maps.
        data_range: the range that scales the constants of SSIM, in units of the normalised map. The
            default of 1 is one RMS of the map; with `normalize=None` it must be the range of your
            maps.
        absolute: whether `|m|` is summed over the channels instead of `m`.
        threshold: largest `retained` that passes; None: no verdict.
    """

    papers: ClassVar[tuple[str, ...]] = ("wang2004", "binder2023")

    window: int = 7
    normalize: Literal["second_moment"] | None = "second_moment"
    data_range: float = 1.0
    absolute: bool = False
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.window < 3 or self.window % 2 == 0:
            raise ValueError(f"window must be odd and at least 3; got {self.window}")
        if self.normalize not in ("second_moment", None):
            raise ValueError(f"normalize must be 'second_moment' or None; got {self.normalize!r}")
        if not 0 < self.data_range < np.inf:
            raise ValueError(f"data_range must be positive and finite; got {self.data_range}")
        check_threshold(self.threshold)

    def prepare(self, maps: Floats) -> Moments:
        """Normalised maps `[N, H, W, C']` with their local means and variances.

        Raises:
            NotApplicable: if a map is smaller than the window.
        """
        check_maps(maps)
        n, height, width, _ = maps.shape
        if min(height, width) < self.window:
            raise NotApplicable(
                f"SSIM needs maps of at least {self.window}x{self.window} pixels; "
                f"got {height}x{width}"
            )
        values = np.empty((n, height, width))
        mean, variance = np.empty((2, n, height - self.window + 1, width - self.window + 1))
        for part in chunks(n, height * width):
            own = values[part] = self._normalize(planes(maps[part], absolute=self.absolute))
            mean[part] = self._local_mean(own)
            variance[part] = self._covariance(own, own, mean[part] ** 2)
        return Moments(~np.isnan(values[:, 0, 0]), values, mean, variance)

    def compare(self, reference: Moments, changed: Moments) -> NDArray[np.float64]:
        """`[N]` mean SSIM in [-1, 1], NaN where either map is undefined."""
        result = np.empty(len(reference.values))
        for part in chunks(len(result), reference.values[:1].size):
            a, b = reference.take(part), changed.take(part)
            result[part] = self._similarity(a, b).mean(axis=(1, 2))
        return result

    def __call__(self, maps: Floats, others: Floats) -> NDArray[np.float64]:
        """`[N]` scores of two arrays of maps `[N, H, W, C']` of equal shape."""
        return scores(self, maps, others)

    def _normalize(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values if self.normalize is None else unit_second_moment(values)

    def _similarity(self, a: Moments, b: Moments) -> NDArray[np.float64]:
        c1, c2 = (K1 * self.data_range) ** 2, (K2 * self.data_range) ** 2
        means = a.mean * b.mean
        covariance = self._covariance(a.values, b.values, means)
        shared = (2 * means + c1) * (2 * covariance + c2)
        return shared / ((a.mean**2 + b.mean**2 + c1) * (a.variance + b.variance + c2))

    def _covariance(
        self, a: NDArray[np.float64], b: NDArray[np.float64], means: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Sample covariance of two planes in every window.

        Args:
            a: `[N, H, W]`.
            b: `[N, H, W]`.
            means: the product of their local means.
        """
        pixels = self.window**2
        covariance = self._local_mean(a * b)
        covariance -= means
        covariance *= pixels / (pixels - 1)
        return covariance

    def _local_mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = running_sum(values.swapaxes(1, 2), self.window).swapaxes(1, 2)
        total = running_sum(columns, self.window)
        total /= self.window**2
        return total


def running_sum(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Sums of every `width` neighbours on the last axis; wide sums are made of narrow ones.

    A difference of cumulative sums would lose precision behind one large value.
    """
    if width == 1:
        return values
    half, count = width // 2, values.shape[-1] - width + 1
    narrow = running_sum(values, half)
    total = narrow[..., :count] + narrow[..., half : half + count]
    if width % 2 == 1:
        total += values[..., width - 1 :]
    return total


def unit_second_moment(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide planes `[N, H, W]` by their RMS; a constant plane becomes NaN."""
    scaled = unit_peak(values)
    rms = np.sqrt(np.einsum("nhw,nhw->n", scaled, scaled) / scaled[0].size)
    scaled /= np.where(varies(values), rms, np.nan)[:, None, None]
    return scaled
