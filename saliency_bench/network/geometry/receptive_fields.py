"""Receptive fields: where in the picture the positions along each axis of a tensor lie."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isclose

ROWS, COLUMNS = "rows", "columns"


@dataclass(frozen=True)
class Line:
    """Positions along the rows or the columns of the picture; unit: pixels.

    Position i sees `field` pixels from `start + i * stride` on. What was cut off before, outside of
    `low` to `high`, it does not see.

    Attributes:
        direction: `ROWS` or `COLUMNS`.
        size: number of positions.
        start: first pixel that position 0 sees; it may lie in a padding.
        stride: distance of two neighbours.
        field: width of a receptive field.
        low: no pixel before this one is seen.
        high: nor this one and those behind it.
        cut: pixels by which slices moved the first and the last position inwards.
    """

    direction: str
    size: int
    start: float
    stride: float
    field: float
    low: float
    high: float
    cut: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def pixels(cls, direction: str, size: int) -> Line:
        """The rows or columns of the picture itself."""
        return cls(direction, size, 0.0, 1.0, 1.0, 0.0, float(size))

    @classmethod
    def tiles(cls, direction: str, size: int, pixels: int) -> Line:
        """The rows or columns of tiles, side by side, that cover the picture."""
        width = pixels / size
        return cls(direction, size, 0.0, width, width, 0.0, float(pixels))

    @property
    def stop(self) -> float:
        """The end of the last position's receptive field."""
        return self.start + self.stride * (self.size - 1) + self.field

    @property
    def centre(self) -> float:
        """The centre of position 0's receptive field."""
        return self.start + self.field / 2

    def seen(self) -> Line:
        """The same positions; `low` and `high` are what they see together."""
        return replace(self, low=max(self.low, self.start), high=min(self.high, self.stop))

    def part(self, first: int, size: int, step: int = 1) -> Line:
        """Some of the positions, each `step`-th from `first` on."""
        start = self.start + first * self.stride
        behind = self.size - 1 - first - (size - 1) * step
        cut = self.cut[0] + first * self.stride, self.cut[1] + behind * self.stride
        return replace(self, start=start, size=size, stride=self.stride * step, cut=cut).seen()

    def padded(self, before: int, size: int) -> Line:
        """With more positions: `before` of them in front, `size` altogether."""
        return replace(self.seen(), start=self.start - before * self.stride, size=size)

    def window(self, width: int, stride: int, before: int, size: int) -> Line:
        """Positions of a sliding window.

        Args:
            width: of the window, in positions of this line.
            stride: of the window, in positions.
            before: padding in front.
            size: number of windows.
        """
        return replace(
            self.padded(before, size),
            stride=self.stride * stride,
            field=self.field + self.stride * (width - 1),
        )

    def resampled(self, first: float, step: float, width: float, size: int) -> Line:
        """Positions between these ones.

        Args:
            first: where the new position 0 lies, in positions of this line.
            step: distance of two new positions.
            width: how many neighbours a new position reads, beyond the nearest.
            size: number of new positions.
        """
        field = self.field + self.stride * width
        start = self.centre + first * self.stride - field / 2
        return replace(self.seen(), start=start, stride=self.stride * step, field=field, size=size)

    def divided(self, parts: int, size: int) -> Line:
        """The positions of which windows of `parts` neighbours, side by side, were made."""
        stride = self.stride / parts
        return replace(self, stride=stride, field=self.field - stride * (parts - 1), size=size)

    def united(self) -> Line:
        """One position that sees all."""
        extent = self.stop - self.start
        return replace(self.seen(), size=1, stride=extent, field=extent)

    def continued(self, other: Line) -> Line | None:
        """These positions and, behind them, those of another line; None if they do not continue."""
        alike = (self.direction, self.stride, self.field)
        end = self.start + self.stride * self.size
        if alike != (other.direction, other.stride, other.field) or not isclose(end, other.start):
            return None
        low, high = min(self.low, other.low), max(self.high, other.high)
        cut, size = (self.cut[0], other.cut[1]), self.size + other.size
        return replace(self, size=size, low=low, high=high, cut=cut)

    def beside(self, other: Line) -> Line | None:
        """Positions that see what both lines see; None if they lie a stride or more apart."""
        alike = (self.direction, self.size) == (other.direction, other.size)
        drift = abs(self.stride - other.stride) * self.size
        apart = abs(self.centre - other.centre)
        if not alike or (self.size > 1 and max(drift, apart) >= self.stride):
            return None
        start = min(self.start, other.start)
        end = max(self.start + self.field, other.start + other.field)
        low, high = min(self.low, other.low), max(self.high, other.high)
        cut = min(self.cut[0], other.cut[0]), min(self.cut[1], other.cut[1])
        return replace(self, start=start, field=end - start, low=low, high=high, cut=cut)
