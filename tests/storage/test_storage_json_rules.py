"""Rules for values from JSON: what keeps them, and the line that names what does not."""

import json

import pytest

from saliency_bench.storage import json_rules as rules
from saliency_bench.storage.store import read_json, write_json

DEEP = json.loads(100 * "[" + 100 * "]")
PERSON = rules.record({"name": rules.text}, {"age": rules.optional(rules.whole)}, None)
PEOPLE = rules.mapping_of(rules.list_of(PERSON))


@pytest.mark.parametrize(
    ("rule", "kept", "broken"),
    [
        (rules.text, ["", "x"], [None, 1, ["x"]]),
        (rules.flag, [True, False], [0, "true", None]),
        (rules.number, [0, -1.5, 10**30], [True, "1", float("inf"), float("nan"), 10**400]),
        (rules.share, [0, 0.5, 1], [-0.1, 1.1, True]),
        (rules.whole, [0, 7], [-1, 1.0, True, 2**63]),
        (rules.one_of("a", "b"), ["a"], ["c", ["a"], None]),
        (rules.optional(rules.whole), [None, 3], ["3"]),
        (rules.list_of(rules.text), [[], ["x"]], ["x", {}, [1]]),
        (rules.tuple_of(rules.text, rules.whole), [["x", 1]], [[], ["x"], ["x", "1"], "x1"]),
        (rules.mapping_of(rules.flag), [{}, {"x": True}], [[], {"x": 1}]),
        (PERSON, [{"name": "x"}, {"name": "x", "age": None}], [{}, {"name": "x", "of": 1}, []]),
        (rules.plain, [None, 1, [[[[]]]]], [DEEP, {"x": DEEP}]),
    ],
)
def test_what_keeps_a_rule_and_what_breaks_it(rule, kept, broken):
    for value in kept:
        rule("it", value)
    for value in broken:
        with pytest.raises(ValueError, match=r"^it.* (must be|is an entry)") as told:
            rule("it", value)
        assert "\n" not in str(told.value)
        assert len(str(told.value)) < 200


def test_the_line_names_the_place_and_the_value():
    with pytest.raises(
        ValueError, match=r"^all\.x\[1\]\.age must be a whole number from 0 on; got"
    ):
        PEOPLE("all", {"x": [{"name": "a"}, {"name": "b", "age": -3}]})
    with pytest.raises(ValueError, match=r"^x\[0\]\.name must be given; it is missing$"):
        PEOPLE("", {"x": [{}]})


def test_a_file_is_named_before_the_place(tmp_path):
    write_json(tmp_path / "f.json", {"x": [{"name": 1}]})
    rule = rules.record({"x": rules.list_of(PERSON)}, {})
    with pytest.raises(ValueError, match=r"f\.json must hold .*: x\[0\]\.name must be text; got 1"):
        read_json(tmp_path / "f.json", rule)


@pytest.mark.parametrize("content", [99_999 * "[", '{"a":' * 50_000, "\xff", "9" * 9999])
def test_json_that_no_reader_reads_is_one_line(tmp_path, content):
    (tmp_path / "f.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=r"f\.json must hold JSON") as told:
        read_json(tmp_path / "f.json")
    assert "\n" not in str(told.value)
