"""Pictures of maps: one over an image, or a grid; text states what the colours do not show."""

from saliency_bench.plot.canvas import KINDS, save
from saliency_bench.plot.grids import grid
from saliency_bench.plot.overlays import OPACITY, overlay
from saliency_bench.plot.scales import Scale, scale

__all__ = ["KINDS", "OPACITY", "Scale", "grid", "overlay", "save", "scale"]
