"""The facts about an operation, of whatever types its metadata and its response are."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, message_factory
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ledger.operation_facts import find_operations, has_secret, is_operation, read_operation
from gateway.redaction import redact_value
from gateway.schema import Schema, load_schema

OPERATION = "yandex.cloud.operation.Operation"
API = "yandex.cloud.baremetal.v1alpha"
SERVICES = [f"{API}.ImageService", "yandex.cloud.operation.OperationService"]
SCHEMA = load_schema(SERVICES)
SECRET = "Bearer t1.9euelZrPz.c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


def make(schema: Schema, response: Any = None, **fields: Any) -> Any:
    operation: Any = schema.message(OPERATION)(id="op-1", **fields)
    operation.metadata.Pack(schema.message(f"{API}.CreateImageMetadata")(image_id="image-1"))
    if response is not None:
        operation.done = True
        operation.response.Pack(response)
    return operation


def image(schema: Schema, **fields: Any) -> Any:
    return schema.message(f"{API}.Image")(**fields)


def test_a_running_operation(schema: Schema) -> None:
    facts = read_operation(make(schema)).to_json()
    assert facts == {"id": "op-1", "done": False, "resource_id": "image-1"}


def test_a_done_operation(schema: Schema) -> None:
    made = image(schema, id="image-1", name="n", status=2, checksum="sum", description="d")
    facts = read_operation(make(schema, made)).to_json()
    assert facts == {
        "id": "op-1",
        "done": True,
        "code": "OK",
        "resource_id": "image-1",
        "resource": {"id": "image-1", "name": "n", "status": made.Status.Name(2), "checksum": "sum"},
    }


def test_a_done_operation_of_v2(schema: Schema) -> None:
    made = schema.message("yandex.cloud.baremetal.v2.BootImage")(
        boot_image_id="image-1", cloud_id="c", folder_id="f", name="n", state=2, checksum="sum"
    )
    operation = make(schema, made)
    metadata = schema.message("yandex.cloud.baremetal.v2.CreateBootImageMetadata")
    operation.metadata.Pack(metadata(boot_image_id="image-1"))
    facts = read_operation(operation)
    assert facts.resource_id == "image-1"
    assert facts.resource == {"id": "image-1", "name": "n", "status": "READY", "checksum": "sum"}


def test_a_failed_operation(schema: Schema) -> None:
    operation = make(schema, done=True)
    operation.error.code, operation.error.message = 5, f"no {SECRET}" + " x" * 5000
    facts = read_operation(operation).to_json()
    assert (facts["code"], len(facts["error"])) == ("NOT_FOUND", 1000)
    assert SECRET not in facts["error"]
    operation.error.code = 77
    assert read_operation(operation).code == "UNKNOWN"


def test_an_error_before_the_end_is_no_outcome(schema: Schema) -> None:
    operation = make(schema)
    operation.error.code = 5
    assert read_operation(operation).to_json() == {"id": "op-1", "done": False, "resource_id": "image-1"}


@pytest.mark.parametrize(("url", "value"), [("a/unknown.Type", b"x"), (f"a/{API}.Image", b"\xff"), ("", b"")])
def test_a_response_that_cannot_be_read(schema: Schema, url: str, value: bytes) -> None:
    operation = make(schema, done=True)
    operation.response.type_url, operation.response.value = url, value
    operation.metadata.CopyFrom(operation.response)
    assert read_operation(operation).to_json() == {"id": "op-1", "done": True, "code": "OK"}
    assert has_secret(operation) is bool(value)


def test_an_unknown_status_is_shown_as_a_number(schema: Schema) -> None:
    assert read_operation(make(schema, image(schema, status=99))).resource == {"status": "99"}


def test_fields_of_other_types_are_not_taken_for_texts() -> None:
    """An ID may be a number, and a field `status` or `name` may be repeated."""
    file = descriptor_pb2.FileDescriptorProto(name="other.proto", package="other", syntax="proto3")
    message = file.message_type.add(name="Meta")
    kinds = [("disk_id", 3, 1), ("id", 3, 1), ("name", 9, 3), ("status", 5, 3), ("checksum", 12, 1)]
    for number, (name, kind, label) in enumerate(kinds, start=1):
        message.field.add(name=name, number=number, type=kind, label=label)
    own = load_schema(SERVICES)
    own.pool.AddSerializedFile(file.SerializeToString())
    meta: Any = message_factory.GetMessageClass(own.pool.FindMessageTypeByName("other.Meta"))
    given = meta(disk_id=5, id=7, name=["a"], status=[1], checksum=b"x")
    operation = make(own, given)
    operation.metadata.Pack(given)
    assert read_operation(operation).to_json() == {"id": "op-1", "done": True, "code": "OK"}


def test_which_messages_are_operations(schema: Schema) -> None:
    assert is_operation(make(schema))
    assert not is_operation(image(schema))


def test_the_operations_in_a_response(schema: Schema) -> None:
    one, two = make(schema), make(schema)
    listed = schema.message(f"{API}.ListImageOperationsResponse")(operations=[one, two])
    assert list(find_operations(listed)) == [one, two]
    assert list(find_operations(one)) == [one]
    assert list(find_operations(image(schema))) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"description": SECRET},
        {"labels": {"a": SECRET}},
        {"labels": {SECRET: "a"}},
        {"labels": {"password": "x"}},
        {"labels": {"x": "a" * 64}},
        {"name": "https:/host?sig=1"},
    ],
    ids=["text", "value", "key", "name", "digits", "link"],
)
def test_an_operation_with_a_secret(schema: Schema, fields: dict[str, Any]) -> None:
    assert has_secret(make(schema, image(schema, **fields)))


@pytest.mark.parametrize(
    "secret",
    [{"api_key": "x"}, {"data": [b"a", SECRET.encode()]}, {"tokens": {3: "x"}}, {"sizes": {3: SECRET}}],
    ids=["name", "bytes", "name of a map", "value of a map"],
)
def test_secrets_in_fields_of_other_types(secret: dict[str, Any]) -> None:
    file = descriptor_pb2.FileDescriptorProto(name="secrets.proto", package="secrets", syntax="proto3")
    message = file.message_type.add(name="Made")
    fields = [("api_key", 9, 1), ("data", 12, 3), ("size", 3, 3), ("tokens", 11, 3), ("sizes", 11, 3)]
    for number, (name, kind, label) in enumerate(fields, start=1):
        field = message.field.add(name=name, number=number, type=kind, label=label)
        if kind == field.TYPE_MESSAGE:
            entry = message.nested_type.add(name=f"{name.capitalize()}Entry", options={"map_entry": True})
            entry.field.add(name="key", number=1, type=3, label=1)
            entry.field.add(name="value", number=2, type=9, label=1)
            field.type_name = f".secrets.Made.{entry.name}"
    own = load_schema(SERVICES)
    own.pool.AddSerializedFile(file.SerializeToString())
    made: Any = message_factory.GetMessageClass(own.pool.FindMessageTypeByName("secrets.Made"))
    assert not has_secret(make(own, made(data=[b"a", b"\xff", b""], size=[3], sizes={3: "x"})))
    assert has_secret(make(own, made(**secret)))


def test_an_operation_without_a_secret(schema: Schema) -> None:
    made = image(schema, id="i", name="n", description="d", labels={"env": "dev"}, checksum="a" * 32)
    assert not has_secret(make(schema, made, description="Create image", created_by="aje0"))


_TEXTS = st.lists(
    st.sampled_from(["a", " ", "https://h/", "?sig=1", "password", "=x1", "Bearer ", SECRET, "0" * 40, "\n"]),
    max_size=3,
).map("".join)


@settings(deadline=None, derandomize=True, max_examples=500)
@given(
    st.fixed_dictionaries({"name": _TEXTS, "description": _TEXTS, "labels": st.dictionaries(_TEXTS, _TEXTS)})
)
def test_whatever_redaction_would_remove_is_a_secret(fields: dict[str, Any]) -> None:
    if redact_value(fields) != fields:
        assert has_secret(make(SCHEMA, image(SCHEMA, **fields)))
    elif "https://" not in str(fields):
        assert not has_secret(make(SCHEMA, image(SCHEMA, **fields)))
