"""How many processors this process may use."""

from __future__ import annotations

import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux says how much of its processors a container may use."""


def available() -> int:
    """Number of cores that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = QUOTA.read_text().split()
        allowed = max(1, int(quota) // int(period))
    except (OSError, ValueError):  # another system, or "max": no quota
        return count or 1
    return min(count or 1, allowed)
