"""`python -m saliency_bench`."""

import os
import shlex
import signal
import sys
from types import FrameType


def _end(number: int, frame: FrameType | None) -> None:
    """End at once: while modules are imported, nothing has begun."""
    command = shlex.join(["python", "-m", "saliency_bench", *sys.argv[1:]])
    print(f"saliency_bench: interrupted; to go on: {command}", file=sys.stderr, flush=True)
    os._exit(128 + number)


def _main() -> int:
    signals = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) != signal.SIG_IGN]
    for number in signals:
        signal.signal(number, _end)
    from saliency_bench.cli.main import main

    status = main()
    for number in signals:  # all is done; only the interpreter's end is left
        signal.signal(number, signal.SIG_IGN)
    return status


if __name__ == "__main__":
    sys.exit(_main())
