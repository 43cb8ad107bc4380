from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from gateway.emulator.messages import IMAGE_SERVICE, OPERATION_SERVICE, ResponseMessages
from gateway.emulator.model import Failure, Image, ImageStatus, Operation
from gateway.errors import Code

if TYPE_CHECKING:
    from gateway.schema import Schema

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
PACKAGE = "yandex.cloud.baremetal.v1alpha"
IMAGE = Image(
    id="ly5",
    folder_id="b1g",
    name="one",
    description="first",
    labels={"a": "b"},
    status=ImageStatus.READY,
    created_at=NOW,
    checksum="00ff",
)

RESULTS = [
    ("Create", {}, "CreateImageMetadata", None),
    ("Create", {"done": True, "image": IMAGE}, "CreateImageMetadata", f"{PACKAGE}.Image"),
    ("Update", {"done": True, "image": IMAGE}, "UpdateImageMetadata", f"{PACKAGE}.Image"),
    ("Delete", {"done": True}, "DeleteImageMetadata", "google.protobuf.Empty"),
]


def make_operation(method: str, **fields: Any) -> Operation:
    return Operation(
        id="ly6", method=method, description="", image_id="ly5", created_at=NOW, modified_at=NOW, **fields
    )


def test_every_field_of_an_image(schema: Schema) -> None:
    message: Any = ResponseMessages(schema).image(IMAGE)
    fields = {field.name: value for field, value in message.ListFields()}
    assert fields.pop("created_at").ToDatetime(tzinfo=UTC) == NOW
    assert dict(fields.pop("labels")) == {"a": "b"}
    assert fields == {
        "id": "ly5",
        "folder_id": "b1g",
        "name": "one",
        "description": "first",
        "checksum": "00ff",
        "status": message.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_name["READY"].number,
    }


def test_every_status_is_one_of_the_schema(schema: Schema) -> None:
    enum = schema.message(f"{PACKAGE}.Image").DESCRIPTOR.enum_types_by_name["Status"]
    assert {"STATUS_UNSPECIFIED", *ImageStatus} == {value.name for value in enum.values}


@pytest.mark.parametrize(("method", "fields", "metadata", "response"), RESULTS)
def test_operations_carry_the_promised_types(
    schema: Schema, method: str, fields: dict[str, Any], metadata: str, response: str | None
) -> None:
    message: Any = ResponseMessages(schema).operation(make_operation(f"{IMAGE_SERVICE}/{method}", **fields))
    about = schema.message(f"{PACKAGE}.{metadata}")()
    assert message.metadata.Unpack(about)
    assert about == schema.message(f"{PACKAGE}.{metadata}")(image_id="ly5")
    assert message.WhichOneof("result") == (None if response is None else "response")
    assert message.response.TypeName() == (response or "")


def test_a_failure(schema: Schema) -> None:
    failure = Failure(code=Code.CANCELLED, message="stopped")
    operation = make_operation(f"{IMAGE_SERVICE}/Create", done=True, failure=failure)
    message: Any = ResponseMessages(schema).operation(operation)
    assert (message.done, message.error.code, message.error.message) == (True, 1, "stopped")


def test_a_method_without_operation_types_is_a_mistake(schema: Schema) -> None:
    with pytest.raises(TypeError, match="starts no operation"):
        ResponseMessages(schema).operation(make_operation(f"{OPERATION_SERVICE}/Get"))
