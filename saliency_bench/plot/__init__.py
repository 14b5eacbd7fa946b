"""Pictures of maps: over an image, or a grid of them. What the colours leave out is written in."""

from saliency_bench.plot.canvas import KINDS, save
from saliency_bench.plot.grids import grid
from saliency_bench.plot.overlays import OPACITY, overlay
from saliency_bench.plot.scales import Scale, scale

__all__ = ["KINDS", "OPACITY", "Scale", "grid", "overlay", "save", "scale"]
