"""Texts of well-known types, compared with the parsers of the protobuf library."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.transcode.well_known import (
    fill_list,
    fill_struct,
    fill_value,
    parse_duration,
    parse_mask,
    parse_time,
)


@pytest.mark.parametrize(
    "text",
    [
        "1970-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999Z",
        "2024-02-29T12:00:00.5+03:00",
        "2026-01-31T23:59:59.123456-11:30",
        "1969-12-31T23:59:59.9Z",
    ],
)
def test_times(text: str) -> None:
    expected = Timestamp()
    expected.FromJsonString(text)
    assert Timestamp(**parse_time(text) or {}) == expected
    assert parse_time(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-02-30T00:00:00Z",
        "2026-01-31T00:00:60Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31t00:00:00z",
        "2026-01-31T00:00:00",
        "2026-01-31T00:00:00.1234567890Z",
        "2026-01-31T00:00:00+24:00",
        "0001-01-01T00:00:00+01:00",
        "９999-12-31T00:00:00Z",
        "2026-01-31T00:00:00Z\n",
    ],
)
def test_no_times(text: str) -> None:
    assert parse_time(text) is None


@pytest.mark.parametrize("text", ["0s", "1.5s", "-1.000000001s", "315576000000s", "-0.5s", "3s"])
def test_durations(text: str) -> None:
    expected = Duration()
    expected.FromJsonString(text)
    assert Duration(**parse_duration(text) or {}) == expected
    assert parse_duration(text) is not None


@pytest.mark.parametrize(
    "text", ["", "s", "1", "+1s", "1_0s", "1.s", ".5s", "1.1234567890s", "315576000001s"]
)
def test_no_durations(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize("text", ["", "name", "name,description", "pageCount,inner.pageCount"])
def test_field_masks(text: str) -> None:
    expected = FieldMask()
    expected.FromJsonString(text)
    assert FieldMask(**parse_mask(text) or {}) == expected


@pytest.mark.parametrize("text", [",", "a,", "a..b", "page_count", "a b", "имя"])
def test_no_field_masks(text: str) -> None:
    assert parse_mask(text) is None


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(_JSON)
def test_json_of_any_form(value: Any) -> None:
    message = Value()
    fill_value(message, value)
    assert _json_of(message) == value


def _json_of(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "null_value":
            return None
        case "struct_value":
            return {name: _json_of(one) for name, one in value.struct_value.fields.items()}
        case "list_value":
            return [_json_of(one) for one in value.list_value.values]
        case kind:
            return getattr(value, str(kind))


def test_objects_and_arrays() -> None:
    struct, array = Struct(), ListValue()
    fill_struct(struct, {"a": 1.0, "b": {}})
    fill_list(array, ["x", None, []])
    assert struct.fields["a"].number_value == 1
    assert struct.fields["b"].WhichOneof("kind") == "struct_value"
    assert [one.WhichOneof("kind") for one in array.values] == ["string_value", "null_value", "list_value"]
