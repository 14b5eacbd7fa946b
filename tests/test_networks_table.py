"""The table of docs/networks.md names every explainer and every family of the zoo."""

from helpers.configured import NAMES
from helpers.zoo import FAMILIES
from helpers.zoo_table import PAGE, documented, rendered


def test_it_names_every_explainer_and_every_family():
    table = documented()
    assert list(table) == NAMES
    assert all(list(row) == list(FAMILIES) for row in table.values())


def test_every_reason_is_short():
    reasons = [reason for row in documented().values() for reason in row.values() if reason]
    assert reasons
    assert all(len(reason) < 300 for reason in reasons)


def test_what_is_written_is_what_is_read():
    assert rendered(documented()) in PAGE.read_text(encoding="utf-8")
