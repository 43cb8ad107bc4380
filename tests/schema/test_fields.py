"""Facts about single fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.schema import (
    INTEGER_RANGES,
    entry_of,
    fits_parameter,
    is_64_bit,
    is_map,
    leaf_field,
    nested_message,
    other_members,
    value_field,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor


def _names(kinds: Descriptor, holds: Callable[[FieldDescriptor], object]) -> set[str]:
    return {field.name for field in kinds.fields if holds(field)}


def test_maps_differ_from_lists(kinds: Descriptor) -> None:
    assert _names(kinds, is_map) == {"numbers", "by_name", "flags"}


def test_the_fields_of_an_entry(kinds: Descriptor) -> None:
    assert [one.name for one in entry_of(kinds.fields_by_name["numbers"])] == ["key", "value"]
    with pytest.raises(TypeError, match=r"kinds\.Kinds\.text is not a map"):
        entry_of(kinds.fields_by_name["text"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", "kinds.Kinds.text"),
        ("inners", "kinds.Kinds.inners"),
        ("numbers", "kinds.Kinds.NumbersEntry.value"),
    ],
)
def test_the_field_of_a_value(kinds: Descriptor, name: str, value: str) -> None:
    assert value_field(kinds.fields_by_name[name]).full_name == value


def test_the_leaf_of_a_wrapper_is_inside_it(kinds: Descriptor) -> None:
    assert leaf_field(kinds.fields_by_name["wrapped"]).full_name == "google.protobuf.Int64Value.value"
    for name in ("text", "inner", "time"):
        assert leaf_field(kinds.fields_by_name[name]).name == name


def test_only_a_single_message_with_fields_of_its_own_is_nested(kinds: Descriptor) -> None:
    assert _names(kinds, nested_message) == {"inner", "c"}


def test_parameters_hold_scalars_lists_and_maps_of_them(kinds: Descriptor) -> None:
    assert _names(kinds, lambda field: not fits_parameter(field)) == {
        "inner",
        "inners",
        "by_name",
        "free",
        "any",
        "c",
    }


def test_64_bits(kinds: Descriptor) -> None:
    assert _names(kinds, is_64_bit) == {"large"}
    assert INTEGER_RANGES[kinds.fields_by_name["large"].cpp_type] == (0, 2**64 - 1)
    assert INTEGER_RANGES[kinds.fields_by_name["small"].cpp_type] == (-(2**31), 2**31 - 1)


@pytest.mark.parametrize(("name", "others"), [("a", ["b", "c"]), ("text", []), ("maybe", [])])
def test_other_members_of_a_oneof(kinds: Descriptor, name: str, others: list[str]) -> None:
    assert [one.name for one in other_members(kinds.fields_by_name[name])] == others
