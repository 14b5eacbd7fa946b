"""How long the steps of a run take."""

from __future__ import annotations

from collections import Counter


class Pace:
    """How long steps take, by kind; the first of each kind is not counted, as it may compile."""

    def __init__(self) -> None:
        self._begun = Counter[str]()
        self._timed = Counter[str]()
        self._seconds: dict[str, float] = {}
        self._current, self._since = "", 0.0

    def begin(self, kind: str, now: float) -> None:
        """A step of a kind begins, and the one before it ends."""
        before = self._current
        if self._begun[before] > 1:
            self._timed[before] += 1
            self._seconds[before] = self._seconds.get(before, 0.0) + now - self._since
        self._begun[kind] += 1
        self._current, self._since = kind, now

    def left(self, steps: int) -> float | None:
        """Seconds that more steps take, kinds alternating; None until each kind was timed."""
        if not self._timed or self._timed.keys() != self._begun.keys():
            return None
        means = [self._seconds[kind] / count for kind, count in self._timed.items()]
        return steps * sum(means) / len(means)
