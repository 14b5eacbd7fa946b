"""Constants that tables, verdicts and commands share, each defined once."""

from __future__ import annotations

from enum import IntEnum

SCHEMA_VERSION = 2
"""Schema version of every file of a run; readers refuse any other version."""

STATUSES = ("ok", "constant_reference", "died", "nan")
"""Status of a pair of maps: compared; the reference is constant to the similarity; the map vanished
under the change; one of the maps is not finite."""

OK, CONSTANT, DIED, NAN = range(len(STATUSES))
"""Indices into `STATUSES`."""

NOT_APPLICABLE = "not_applicable"

FAILURES = (NOT_APPLICABLE, "error")
"""Status of an explainer that has no pairs at all."""

VERDICTS = ("pass", "fail", "inconclusive", "undefined")
"""The verdicts that an explainer can get."""


class Exit(IntEnum):
    """Exit statuses of every command."""

    FINISHED = 0
    FAILED = 1
    REFUSED = 2
    INTERRUPTED = 130
    TERMINATED = 143
