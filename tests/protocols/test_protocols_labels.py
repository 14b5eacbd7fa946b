"""Names of classes."""

import pytest

from saliency_bench.protocols.labels import class_name


@pytest.mark.parametrize(
    ("target", "classes", "name"),
    [
        (1, ("cat", "dog"), "class 1 (dog)"),
        (1, ("0", "1"), "class 1"),
        (1, (), "class 1"),
        (5, ("cat", "dog"), "class 5"),
    ],
)
def test_a_class_is_its_number_and_its_name_where_that_says_more(target, classes, name):
    assert class_name(target, classes) == name
