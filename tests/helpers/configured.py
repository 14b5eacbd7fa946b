"""The explainers of conf/, with few samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from saliency_bench.cli import objects
from saliency_bench.cli.request import compose
from saliency_bench.protocols import Explainer

NAMES = sorted(path.stem for path in Path(objects.config_dir(), "explainer").glob("*.yaml"))

MANY = {"steps": 4, "samples": 8, "count": 4, "segments": 6}
"""Settings whose number only decides how exact a map is, and what is enough in a test."""


@cache
def configured() -> dict[str, Any]:
    """Every explainer of conf/, composed at once: it takes Hydra as long as one alone."""
    return objects.build_group(compose(f"explainer=[{','.join(NAMES)}]"), "explainer")


def cut(explainer: Any, own: Mapping[str, Any]) -> Any:
    """The explainer with few samples, and its base too.

    Args:
        explainer: of conf/.
        own: settings of this explainer alone.
    """
    changed = {}
    for field in dataclasses.fields(explainer):
        value = getattr(explainer, field.name)
        if dataclasses.is_dataclass(value) and isinstance(value, Explainer):
            changed[field.name] = cut(value, {})
        elif field.name in own or (field.name in MANY and value is not None):
            changed[field.name] = own.get(field.name, MANY.get(field.name))
    return dataclasses.replace(explainer, **changed)
