"""The resource that a request is about."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message

from gateway.audit.record import redact_request
from gateway.ledger.targets import find_target
from gateway.schema import Schema
from gateway.transcode import JsonWriter
from tests.signed import SIGNATURE, sign_link

API = "yandex.cloud.baremetal.v1alpha"
V2 = "yandex.cloud.baremetal.v2"


@pytest.mark.parametrize(
    ("message", "fields", "expected"),
    [
        (f"{API}.CreateImageRequest", {}, {}),
        (
            f"{API}.CreateImageRequest",
            {"folder_id": "f", "name": "n", "labels": {"b": "2", "a": "1"}, "uri": "https://x/"},
            {"folder_id": "f", "name": "n", "labels": {"a": "1", "b": "2"}},
        ),
        (f"{API}.DeleteImageRequest", {"image_id": "i"}, {"resource_id": "i"}),
        (f"{API}.UpdateImageRequest", {"image_id": "i", "name": "n"}, {"resource_id": "i", "name": "n"}),
        (f"{API}.ListImagesRequest", {"folder_id": "f"}, {"folder_id": "f"}),
        ("yandex.cloud.operation.CancelOperationRequest", {"operation_id": "o"}, {"operation_id": "o"}),
        (
            f"{V2}.CreateBootImageRequest",
            {"cloud_id": "c", "folder_id": "f", "boot_image": {"name": "n", "annotations": {"a": "1"}}},
            {"cloud_id": "c", "folder_id": "f", "name": "n", "labels": {"a": "1"}},
        ),
        (
            f"{V2}.CreateBootImageRequest",
            {"folder_id": "f", "boot_image": {"folder_id": "other", "name": "n"}},
            {"folder_id": "f", "name": "n"},
        ),
        (
            f"{V2}.UpdateBootImageRequest",
            {"boot_image": {"boot_image_id": "i", "folder_id": "f"}},
            {"folder_id": "f", "resource_id": "i"},
        ),
        (
            f"{V2}.DeleteBootImageRequest",
            {"boot_image_id": "i", "cloud_id": "c"},
            {"cloud_id": "c", "resource_id": "i"},
        ),
    ],
    ids=[
        "empty",
        "create",
        "delete",
        "update",
        "list",
        "cancel",
        "v2",
        "two folders",
        "v2 update",
        "v2 delete",
    ],
)
def test_the_target_of_a_request(
    schema: Schema, message: str, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    request = schema.message(message)(**fields)
    assert find_target(request, shown(request, schema)) == expected


def test_a_target_shows_no_secret(schema: Schema) -> None:
    link = sign_link("https://storage.yandexcloud.net/b/k")
    request = schema.message(f"{API}.CreateImageRequest")(name=link, folder_id=link, labels={link: link})
    assert SIGNATURE not in str(find_target(request, shown(request, schema)))


def test_fields_of_other_types_are_no_targets(schema: Schema) -> None:
    """A message has several IDs, or a field `labels` that is no map of texts."""
    image = schema.message(f"{API}.Image")(id="i", name="n", folder_id="f")
    assert find_target(image, shown(image, schema)) == {"folder_id": "f", "name": "n"}


def shown(request: Message, schema: Schema) -> dict[str, Any]:
    """Return the redacted JSON form of a request, as a record has it."""
    redacted, _ = redact_request(request, JsonWriter(schema.pool).to_tree)
    return redacted
