"""Schemas of values: scalars, enums and the well-known types."""

from __future__ import annotations

import re

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FieldOptions
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.openapi.keywords import Empty
from gateway.openapi.values import special_form, textual_schema


def test_messages_with_a_json_form_of_their_own() -> None:
    assert special_form("google.protobuf.Timestamp") == {"type": "string", "format": "date-time"}
    assert special_form("google.protobuf.Struct") == {"type": "object", "additionalProperties": True}
    assert special_form("google.protobuf.Value") == {}
    assert special_form("yandex.cloud.operation.Operation") is None


@pytest.mark.parametrize(
    "value", [Duration(seconds=1, nanos=500_000_000), Duration(seconds=-3), Duration()], ids=str
)
def test_every_duration_fits_its_pattern(value: Duration) -> None:
    form = special_form("google.protobuf.Duration")
    assert form is not None
    assert re.fullmatch(form["pattern"], value.ToJsonString())


@pytest.mark.parametrize(
    ("message", "name", "kind"),
    [
        (Value, "string_value", "string"),
        (Value, "bool_value", "boolean"),
        (Timestamp, "nanos", "integer"),
    ],
)
def test_scalars(message: type, name: str, kind: str) -> None:
    field = message.DESCRIPTOR.fields_by_name[name]  # type: ignore[attr-defined]
    assert textual_schema(field, None, Empty.ALLOWED, is_text=False)["type"] == kind


def test_large_integers_are_texts() -> None:
    field = Timestamp.DESCRIPTOR.fields_by_name["seconds"]
    schema = textual_schema(field, None, Empty.ALLOWED, is_text=False)
    assert (schema["type"], schema["format"]) == ("string", "int64")
    assert re.fullmatch(schema["pattern"], "-9223372036854775808")
    assert not re.fullmatch(schema["pattern"], "1.5")


def test_enums_have_their_names() -> None:
    field = FieldDescriptorProto.DESCRIPTOR.fields_by_name["label"]
    schema = textual_schema(field, None, Empty.ALLOWED, is_text=False)
    assert "LABEL_REPEATED" in schema["enum"]
    assert FieldOptions.DESCRIPTOR.full_name == "google.protobuf.FieldOptions"
