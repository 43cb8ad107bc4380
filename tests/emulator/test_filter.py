from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.emulator.filter import FIELDS, FilterCondition, FilterError, Relation, parse_filter

if TYPE_CHECKING:
    from collections.abc import Callable

EQUALS, CONTAINS = Relation

READ = [
    ("", []),
    ("   ", []),
    ('name = "a"', [("name", EQUALS, "a")]),
    ("name='a'", [("name", EQUALS, "a")]),
    ('id : "fd8"', [("id", CONTAINS, "fd8")]),
    ('name = ""', [("name", EQUALS, "")]),
    (""" name = "it's" """, [("name", EQUALS, "it's")]),
    ("""name = 'say "a"'""", [("name", EQUALS, 'say "a"')]),
    ('name : "a b AND c"', [("name", CONTAINS, "a b AND c")]),
    ("name = \"a\" AND id : 'b'", [("name", EQUALS, "a"), ("id", CONTAINS, "b")]),
    ('name="a"AND id="b"', [("name", EQUALS, "a"), ("id", EQUALS, "b")]),
    (r'name = "\"\'\\\?"', [("name", EQUALS, "\"'\\?")]),
    (r'name = "\a\b\f\n\r\t\v"', [("name", EQUALS, "\a\b\f\n\r\t\v")]),
    (r'name = "\0\12\101\377"', [("name", EQUALS, "\0\nA\xff")]),
    (r'name = "\477"', [("name", EQUALS, "'7")]),
    (r'name = "\x41\xag"', [("name", EQUALS, "A\ng")]),
    (r'name = "\u0436\U0001F4BF"', [("name", EQUALS, "ж💿")]),
]

REFUSED = [
    ("name", "expected = or : at position 5, found the end"),
    ("name !", "expected = or : at position 6, found '!'"),
    ("name != 'a'", "expected = or : at position 6, found '!'"),
    ("name = a", "expected a value in quotes at position 8, found 'a'"),
    ("name =", "expected a value in quotes at position 7, found the end"),
    ("status = 'READY'", "expected id or name at position 1, found 'status'"),
    ("= 'a'", "expected id or name at position 1, found '='"),
    ("name = 'a", "the quote opened at position 8 is not closed"),
    ("name = 'a\"", "the quote opened at position 8 is not closed"),
    ("name = 'a\\", "unknown escape at position 10"),
    ("name = 'a' OR id = 'b'", "expected AND at position 12, found 'OR'"),
    ("name = 'a' and id = 'b'", "expected AND at position 12, found 'and'"),
    ("name = 'a' 'b'", 'expected AND at position 12, found "\'"'),
    ("name = 'a' AND", "expected id or name at position 15, found the end"),
    ("AND name = 'a'", "expected id or name at position 1, found 'AND'"),
    (r"name = '\q'", "unknown escape at position 9"),
    (r"name = '\x'", "unknown escape at position 9"),
    (r"name = '\u12'", "unknown escape at position 9"),
    (r"name = '\ud800'", "unknown escape at position 9"),
    (r"name = 'a\U00110000'", "unknown escape at position 10"),
]

MET = [
    (EQUALS, "abc", "abc", True),
    (EQUALS, "abc", "abcd", False),
    (CONTAINS, "bc", "abcd", True),
    (CONTAINS, "bd", "abcd", False),
    (CONTAINS, "", "abcd", True),
]


@pytest.mark.parametrize(("text", "conditions"), READ)
def test_reads(text: str, conditions: list[tuple[str, Relation, str]]) -> None:
    assert [(one.field, one.relation, one.value) for one in parse_filter(text)] == conditions


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refuses_with_the_position(text: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(("relation", "value", "actual", "met"), MET)
def test_condition_accepts(relation: Relation, value: str, actual: str, *, met: bool) -> None:
    assert FilterCondition(field="name", relation=relation, value=value).accepts(actual) is met


SIMPLE = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v"}
SIMPLE |= {sign: sign for sign in "\\\"'?"}

WAYS: list[Callable[[str], str | None]] = [
    lambda sign: None if sign in "\\\"'" else sign,
    lambda sign: f"\\{SIMPLE[sign]}" if sign in SIMPLE else None,
    lambda sign: f"\\{ord(sign):03o}" if ord(sign) < 0o400 else None,
    lambda sign: f"\\x{ord(sign):02x}" if ord(sign) < 0x100 else None,
    lambda sign: f"\\u{ord(sign):04X}" if ord(sign) < 0x10000 else None,
    lambda sign: f"\\U{ord(sign):08x}",
]

conditions = st.builds(
    FilterCondition,
    field=st.sampled_from(FIELDS),
    relation=st.sampled_from(Relation),
    value=st.text(st.one_of(st.sampled_from(sorted(SIMPLE)), st.characters(exclude_categories=["Cs"]))),
)
spaces = st.sampled_from(["", " ", "\t ", "\n"])


@st.composite
def printed(draw: st.DrawFn, condition: FilterCondition) -> str:
    """Print a condition in one of the many ways that mean the same."""
    signs = []
    for sign in condition.value:
        ways = [text for way in WAYS if (text := way(sign)) is not None]
        signs.append(draw(st.sampled_from(ways)))
    quote = draw(st.sampled_from("\"'"))
    parts = [condition.field, condition.relation.value, quote + "".join(signs) + quote]
    return "".join(draw(spaces) + part for part in parts) + draw(spaces)


@given(st.data(), st.lists(conditions, max_size=4))
def test_reads_what_was_printed(data: st.DataObject, expected: list[FilterCondition]) -> None:
    text = "AND ".join(data.draw(printed(condition)) for condition in expected)
    assert parse_filter(text) == tuple(expected)


@given(st.text(st.sampled_from("namid =:\"'\\xuU0AND")))
def test_reads_or_refuses_but_never_breaks(text: str) -> None:
    try:
        parse_filter(text)
    except FilterError as error:
        assert "position" in str(error)  # noqa: PT017 - text that can be read is as good
