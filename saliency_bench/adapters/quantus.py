"""Functions in the style of Quantus: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from saliency_bench.adapters.base import Adapter, Explain
from saliency_bench.storage.fingerprint import describe


@dataclass(frozen=True)
class QuantusStyle(Adapter):
    """A function in the style of Quantus: `explain_func(model, inputs, targets, **settings)`.

    Whether it draws random numbers is not known; it must seed them itself.

    Attributes:
        function: takes and returns NumPy arrays; the model that it receives ends in logits.
        settings: keyword arguments of the function.
        output: what is explained.
    """

    axioms: ClassVar[frozenset[str]] = Adapter.axioms - {"noise"}

    function: Callable[..., Any]

    def __repr__(self) -> str:
        """By the function's name and content, not its address."""
        return (
            f"QuantusStyle({describe(self.function)}, settings={dict(self.settings)}, "
            f"output={self.output!r})"
        )

    def explain(self, scores: Any) -> Explain:
        """The function with its model and settings."""
        return lambda images, targets: self.function(scores, images, targets, **self.settings)
