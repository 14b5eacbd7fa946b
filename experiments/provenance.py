"""What made the evidence of a study."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any


def made_by(command: str) -> dict[str, Any]:
    """The command, and what it ran with."""
    libraries = ("saliency-bench", "tensorflow", "keras", "numpy")
    return {
        "command": command,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in libraries},
        "machine": platform.machine(),
    }
