"""One who is told what a run is doing."""

from dataclasses import dataclass, field


@dataclass
class Listener:
    """Keeps what it is told.

    Attributes:
        lines: those that were to stay.
        steps: what was about to be done.
    """

    lines: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def start(self, total, *, at_most=False):
        self.total = total

    def step(self, what, kind=""):
        self.steps.append(what)

    def skip(self, count):
        pass

    def done(self):
        pass

    def tell(self, line):
        self.lines.append(line)
