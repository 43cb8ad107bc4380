"""Texts that know which of their parts are field paths."""

from __future__ import annotations

from gateway.errors import FieldName, field_text, rename_fields


def test_only_names_are_renamed() -> None:
    text = field_text("a_b: ", FieldName("a_b"), ' is "a_b"')
    assert text == 'a_b: a_b is "a_b"'
    assert rename_fields(text, str.upper) == 'a_b: A_B is "a_b"'


def test_a_text_in_a_text_keeps_its_names_and_so_does_a_renamed_one() -> None:
    inner = field_text("x ", FieldName("a"))
    text = field_text(FieldName("b"), "; ", inner, "; ", inner)
    longer = rename_fields(text, lambda name: f"in.{name}")
    assert longer == "in.b; x in.a; x in.a"
    assert rename_fields(longer, str.upper) == "IN.B; x IN.A; x IN.A"


def test_a_text_without_names_is_an_ordinary_one() -> None:
    assert type(field_text("a", "b")) is str
    assert rename_fields("a", str.upper) == "a"
