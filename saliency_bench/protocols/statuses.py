"""The words that tables, verdicts and commands share, each defined once."""

from __future__ import annotations

from enum import IntEnum

SCHEMA_VERSION = 2
"""Version of every file a run writes; a reader refuses another one."""

STATUSES = ("ok", "constant_reference", "died", "nan")
"""What can become of a pair of maps: compared; the reference is constant in the similarity's eyes;
the map vanished under the change; one of them is not finite."""

OK, CONSTANT, DIED, NAN = range(len(STATUSES))
"""Places in `STATUSES`."""

NOT_APPLICABLE = "not_applicable"

FAILURES = (NOT_APPLICABLE, "error")
"""What can become of an explainer as a whole, in place of its pairs."""

VERDICTS = ("pass", "fail", "inconclusive", "undefined")
"""What can be said of an explainer."""


class Exit(IntEnum):
    """Exit statuses of every command."""

    FINISHED = 0
    FAILED = 1
    REFUSED = 2
    INTERRUPTED = 130
    TERMINATED = 143
