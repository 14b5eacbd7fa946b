"""The laws applied to a case: a table, and an error for who wants one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from saliency_bench.properties.case import Case, restored, under_test
from saliency_bench.properties.laws import PROMISED, UNIVERSAL, Law, NotTestable, runs
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
        ValueError: if images or targets do not fit, or the explainer's settings the model.
    """
    with restored(model):
        case = Case.of(under_test(explainer), model, images, targets)
        table = pd.DataFrame(_rows(case), columns=COLUMNS)
    if raises:
        require(table)
    return table


def require(table: pd.DataFrame) -> None:
    """Raise `BrokenProperty`, with its name, if a property in a table is broken."""
    broken = table[table["status"] == BROKEN]
    if len(broken):
        told = [f"{row.property}: {row.reason}" for row in broken.itertuples()]
        raise BrokenProperty("; ".join(told))


Row = tuple[str, str, float, float, str]


def _rows(case: Case) -> list[Row]:
    rows: list[Row] = []
    for law in (*UNIVERSAL, *PROMISED):
        if rows and rows[0][1] == BROKEN:
            rows.append(_untested(law, NOT_TESTABLE, f"{runs.__name__} is broken"))
        elif law in UNIVERSAL or law.__name__ in case.promises:
            rows.append(_tested(law, case))
        else:
            rows.append(_untested(law, NOT_PROMISED, "the explainer does not promise it"))
    return rows


def _tested(law: Law, case: Case) -> Row:
    try:
        finding = law(case)
    except NotTestable as reason:
        return _untested(law, NOT_TESTABLE, str(reason))
    except NotApplicable:
        raise
    except Exception as error:  # an explainer of the user's may raise anything
        told = f"raised {type(error).__name__}: {error}"
        return law.__name__, BROKEN, float("inf"), 0.0, told
    status = HOLDS if finding.deviation <= finding.tolerance else BROKEN
    return law.__name__, status, finding.deviation, finding.tolerance, finding.reason


def _untested(law: Law, status: str, reason: str) -> Row:
    return law.__name__, status, float("nan"), float("nan"), reason
