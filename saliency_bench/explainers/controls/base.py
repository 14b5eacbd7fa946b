"""What all controls share."""

from __future__ import annotations

from typing import ClassVar

from saliency_bench.explainers.base import Method


class Control(Method):
    """An explainer whose verdict is known beforehand: each check names the expected one."""

    papers: ClassVar[tuple[str, ...]] = ()
    signed: ClassVar[bool] = False
    class_specific: ClassVar[bool] = False
    uses_gradients: ClassVar[bool] = False
    thread_safe: ClassVar[bool] = True
