"""The laws applied to a case: a table, and an error for who wants one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from saliency_bench.explainers import Function
from saliency_bench.properties.case import Case
from saliency_bench.properties.laws import PROMISED, UNIVERSAL, Law, NotTestable
from saliency_bench.protocols import Explainer, Floats, Ints, NotApplicable

HOLDS, BROKEN = "holds", "broken"
NOT_PROMISED, NOT_TESTABLE = "not_promised", "not_testable"

COLUMNS = ["property", "status", "deviation", "tolerance", "reason"]


class BrokenProperty(AssertionError):
    """An explainer does not have a property; the message names it first."""


def check_explainer(
    explainer: Explainer | Callable[[Any, Floats, Ints], Floats],
    model: Any,
    images: Floats,
    targets: Ints,
    *,
    raises: bool = False,
) -> pd.DataFrame:
    """Does an explainer have the properties that all have, and those that it promises?

    The model comes back as it was. A few images are enough; each costs about ten maps.

    Args:
        explainer: or any callable `f(model, images, targets) -> maps`.
        model: any built Keras model.
        images: `[N, H, W, C]` float, model units; at least 2.
        targets: `[N]` int, the class to explain in each.
        raises: raise if a property is broken.

    Returns:
        A row per property: `property`, `status` (holds, broken, not_promised, not_testable),
        `deviation` and `tolerance` (of maps: in units of their largest value), `reason`.

    Raises:
        BrokenProperty: if one is broken and `raises`; the first is named first.
        NotApplicable: if the explainer cannot serve the model.
        ValueError: if images or targets do not fit.
    """
    own = explainer if isinstance(explainer, Explainer) else Function(explainer)
    case = Case.of(own, model, images, targets)
    if len(case.images) < 2:
        raise ValueError(f"images must be at least 2; got {len(case.images)}")
    rows = [_row(law, case, promised=True) for law in UNIVERSAL]
    rows += [_row(law, case, promised=law.__name__ in case.promises) for law in PROMISED]
    table = pd.DataFrame(rows, columns=COLUMNS)
    if raises:
        require(table)
    return table


def require(table: pd.DataFrame) -> None:
    """Raise `BrokenProperty`, with its name, if a property in a table is broken."""
    broken = table[table["status"] == BROKEN]
    if len(broken):
        told = [f"{row.property}: {row.reason}" for row in broken.itertuples()]
        raise BrokenProperty("; ".join(told))


def _row(law: Law, case: Case, *, promised: bool) -> tuple[str, str, float, float, str]:
    name, nothing = law.__name__, float("nan")
    if not promised:
        return name, NOT_PROMISED, nothing, nothing, "the explainer does not promise it"
    try:
        finding = law(case)
    except NotTestable as reason:
        return name, NOT_TESTABLE, nothing, nothing, str(reason)
    except NotApplicable:
        raise
    except Exception as error:  # an explainer of the user's may raise anything
        return name, BROKEN, float("inf"), 0.0, f"raised {type(error).__name__}: {error}"
    holds = finding.deviation <= finding.tolerance
    return name, HOLDS if holds else BROKEN, finding.deviation, finding.tolerance, finding.reason
