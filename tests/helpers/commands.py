"""The real command in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any


def start(folder: Path, *arguments: str, **settings: Any) -> subprocess.Popen[str]:
    """`python -m saliency_bench` in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "saliency_bench", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )
