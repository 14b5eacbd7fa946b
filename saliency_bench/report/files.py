"""The bytes of every table a report writes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from saliency_bench.protocols import SCHEMA_VERSION
from saliency_bench.results import Results


def csv(table: pd.DataFrame) -> bytes:
    """`table` as csv, the schema's version as its first column."""
    return _versioned(table).to_csv(index=False).encode()


def provenance(results: Results) -> bytes:
    """What decided the numbers, and whether they may be used, as strict json."""
    facts = {
        **results.provenance,
        "schema_version": SCHEMA_VERSION,
        "valid": results.valid,
        "problems": list(results.problems),
        "guards": list(results.guards),
    }
    # Json has no NaN; the detour over text turns those at any depth into null.
    plain = json.loads(json.dumps(facts, default=_plain), parse_constant=lambda _: None)
    return (json.dumps(plain, indent=2, sort_keys=True) + "\n").encode()


def _versioned(table: pd.DataFrame) -> pd.DataFrame:
    rest = table.drop(columns="schema_version", errors="ignore")
    rest.insert(0, "schema_version", SCHEMA_VERSION)
    return rest


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
