"""All axioms of one explainer: a table, and an error if one is broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from saliency_bench.properties.axioms import (
    CLAIMED,
    NEED_FINITE,
    UNIVERSAL,
    Axiom,
    finite,
    runs,
)
from saliency_bench.properties.findings import NotTestable
from saliency_bench.properties.subject import TestedExplainer, as_explainer, restored
from saliency_bench.protocols import Explainer, Floats, Ints, NotApplicable, interrupts

HOLDS, BROKEN = "holds", "broken"
NOT_CLAIMED, NOT_TESTABLE = "not_claimed", "not_testable"

COLUMNS = ["property", "status", "deviation", "tolerance", "reason"]


class BrokenProperty(AssertionError):
    """An explainer violates an axiom; the message begins with its name."""


def check_explainer(
    explainer: Explainer | Callable[[Any, Floats, Ints], Floats],
    model: Any,
    images: Floats,
    targets: Ints,
    *,
    raises: bool = False,
) -> pd.DataFrame:
    """Test the axioms of every explainer, and those that this one claims.

    The model is unchanged afterwards. A few images are enough; each costs about ten maps.

    Args:
        explainer: what is tested; any callable `f(model, images, targets) -> maps` is one.
        model: any built Keras model.
        images: `[N, H, W, C]` float, model units; at least 2.
        targets: `[N]` int, the class to explain in each image.
        raises: whether a broken property raises an error.

    Returns:
        A row per property: `property`, `status` (holds, broken, not_claimed, not_testable),
        `deviation` and `tolerance` (of maps: relative to their largest value), `reason`.

    Raises:
        BrokenProperty: if `raises` and a property is broken; the message names all broken ones.
        NotApplicable: if the explainer cannot serve the model.
        ValueError: if images, targets or the explainer's settings do not fit the model.
    """
    with restored(model):
        subject = TestedExplainer.of(as_explainer(explainer), model, images, targets)
        table = pd.DataFrame(_rows(subject), columns=COLUMNS)
    if raises:
        require(table)
    return table


def require(table: pd.DataFrame) -> None:
    """Check a table of `check_explainer`.

    Raises:
        BrokenProperty: if a property is broken; the message names it.
    """
    broken = table[table["status"] == BROKEN]
    if len(broken):
        reasons = [f"{row.property}: {row.reason}" for row in broken.itertuples()]
        raise BrokenProperty("; ".join(reasons))


Row = tuple[str, str, float, float, str]


def _rows(subject: TestedExplainer) -> list[Row]:
    rows: list[Row] = []
    broken: set[str] = set()
    for axiom in (*UNIVERSAL, *CLAIMED):
        needed = [runs, finite] if axiom in NEED_FINITE else [runs]
        lacking = [other.__name__ for other in needed if other.__name__ in broken]
        if axiom not in UNIVERSAL and axiom.__name__ not in subject.axioms:
            row = _row_without_test(axiom, NOT_CLAIMED, "the explainer does not claim it")
        elif lacking:
            row = _row_without_test(axiom, NOT_TESTABLE, f"{lacking[0]} is broken")
        else:
            row = _test(axiom, subject)
        broken |= {row[0]} if row[1] == BROKEN else set()
        rows.append(row)
    return rows


def _test(axiom: Axiom, subject: TestedExplainer) -> Row:
    try:
        finding = axiom(subject)
    except NotTestable as error:
        return _row_without_test(axiom, NOT_TESTABLE, str(error))
    except NotApplicable:
        raise
    except Exception as error:  # a user's explainer may raise anything
        interrupts.ask()
        reason = f"raised {type(error).__name__}: {' '.join(str(error).split())}"
        return axiom.__name__, BROKEN, float("inf"), 0.0, reason
    status = HOLDS if finding.deviation <= finding.tolerance else BROKEN
    return axiom.__name__, status, finding.deviation, finding.tolerance, finding.reason


def _row_without_test(axiom: Axiom, status: str, reason: str) -> Row:
    return axiom.__name__, status, float("nan"), float("nan"), reason
