"""The resource that a request is about."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.ledger.targets import find_target
from gateway.schema import Schema
from tests.signed import SIGNATURE, sign_link

API = "yandex.cloud.baremetal.v1alpha"


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
    ],
    ids=["empty", "create", "delete", "update", "list", "cancel"],
)
def test_the_target_of_a_request(
    schema: Schema, message: str, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert find_target(schema.message(message)(**fields)).to_json() == expected


def test_a_target_shows_no_secret(schema: Schema) -> None:
    link = sign_link("https://storage.yandexcloud.net/b/k")
    request = schema.message(f"{API}.CreateImageRequest")(name=link, folder_id=link, labels={link: link})
    assert SIGNATURE not in str(find_target(request))


def test_fields_of_other_types_are_no_targets(schema: Schema) -> None:
    """A request has a field `name` of another type, or several IDs."""
    found = find_target(schema.message(f"{API}.Image")(id="i", name="n", folder_id="f"))
    assert found.resource_id is None
    assert found.name == "n"
