"""Images as evidence for creates."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import Code, GatewayError
from gateway.operations.image_evidence import (
    BOOT_IMAGE_SERVICE,
    CLOCK_SKEW_US,
    SERVICE,
    describe_image,
    find_images,
    id_of,
    is_image,
    is_made_by,
    look_for_image,
    name_of,
)
from gateway.schema import Schema
from tests.operations.making import (
    IMAGE_ID,
    OPERATION_ID,
    ScriptedCalls,
    error_of,
    image_of,
    listed,
    open_call,
    operation_of,
    operations_listed,
)

PLACE = {"cloud_id": "cloud", "folder_id": "b1gexample"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("b1gexample", "image-1")),
        ({"method": f"{SERVICE}/Update"}, None),
        ({"record": {"target": {"name": "image-1"}}}, None),
        ({"record": {"target": {"folder_id": "b1gexample"}}}, None),
        ({"record": {"target": {}}}, None),
    ],
    ids=["create", "update", "no folder", "no name", "no target"],
)
def test_the_name_of_a_create(changes: dict[str, Any], expected: tuple[str, str] | None) -> None:
    assert name_of(open_call(**changes)) == expected


def test_images_are_found_in_responses(schema: Schema) -> None:
    image, other = image_of(schema), image_of(schema, id="2")
    assert list(find_images(image)) == [image]
    assert list(find_images(listed(schema, image, other))) == [image, other]
    assert list(find_images(operation_of(schema))) == []


@pytest.mark.parametrize(
    ("later_us", "fields", "expected"),
    [
        (0, {}, True),
        (1_000_000, {}, True),
        (-CLOCK_SKEW_US, {}, True),
        (-CLOCK_SKEW_US - 1, {}, False),
        (0, {"name": "image-10"}, False),
        (0, {"name": "Image-1"}, False),
        (0, {"folder_id": "other"}, False),
    ],
)
def test_an_image_shows_the_create_of_its_name_and_time(
    schema: Schema, later_us: int, fields: dict[str, Any], *, expected: bool
) -> None:
    call = open_call()
    image = image_of(schema, created_us=call.time_us + later_us, **fields)
    assert is_made_by(image, call) is expected


def test_the_facts_about_an_image(schema: Schema) -> None:
    facts = describe_image(image_of(schema, status=2))
    assert (facts["outcome"], facts["code"]) == ("ok", "OK")
    assert facts["resource"]["id"] == IMAGE_ID
    assert facts["resource"]["status"] not in {"", "2"}
    assert describe_image(image_of(schema, status=99))["resource"]["status"] == "99"
    assert "checksum" not in describe_image(image_of(schema, checksum=""))["resource"]


async def test_the_image_is_looked_for_by_its_name(schema: Schema) -> None:
    calls = ScriptedCalls(
        schema, listed(schema, image_of(schema)), operations_listed(schema, operation_of(schema))
    )
    facts = await look_for_image(calls, open_call())
    assert facts is not None
    assert facts["resource"]["id"] == IMAGE_ID
    assert facts["operation"]["id"] == OPERATION_ID
    (name, request, key), (other, operations, _) = calls.made
    assert (name, request.folder_id, request.filter, key) == (
        "List",
        "b1gexample",
        'name = "image-1"',
        "",
    )
    assert (other, operations.image_id) == ("ListOperations", IMAGE_ID)


async def test_an_image_of_v2_is_looked_for_with_v2(schema: Schema) -> None:
    call = open_call(
        method=f"{BOOT_IMAGE_SERVICE}/CreateBootImage", record={"target": PLACE | {"name": "image-1"}}
    )
    image: Any = schema.message("yandex.cloud.baremetal.v2.BootImage")(
        boot_image_id=IMAGE_ID, **PLACE, name="image-1", state=2
    )
    image.create_time.FromMicroseconds(call.time_us)
    found = schema.message("yandex.cloud.baremetal.v2.ListBootImagesResponse")(boot_images=[image])
    created = operation_of(schema)
    created.metadata.Pack(schema.message("yandex.cloud.baremetal.v2.CreateBootImageMetadata")())
    operations = schema.message("yandex.cloud.baremetal.v2.ListBootImageOperationsResponse")
    calls = ScriptedCalls(schema, found, operations(operations=[created]))
    facts = await look_for_image(calls, call)
    assert facts is not None
    assert facts["resource"] == {"id": IMAGE_ID, "name": "image-1", "status": "READY"}
    assert facts["operation"]["id"] == OPERATION_ID
    (name, request, _), (other, asked, _) = calls.made
    assert (name, request.cloud_id, request.folder_id) == ("ListBootImages", "cloud", "b1gexample")
    assert request.filter == 'name = "image-1"'
    assert (other, asked.boot_image_id) == ("ListBootImageOperations", IMAGE_ID)
    assert (asked.cloud_id, asked.folder_id) == ("cloud", "b1gexample")
    assert list(find_images(found)) == [image]
    assert (is_image(image.DESCRIPTOR.full_name), id_of(image)) == (True, IMAGE_ID)


async def test_the_operation_of_another_method_is_not_the_creates(schema: Schema) -> None:
    update = operation_of(schema, done=True)
    update.metadata.type_url = update.metadata.type_url.replace("CreateImage", "UpdateImage")
    calls = ScriptedCalls(schema, listed(schema, image_of(schema)), operations_listed(schema, update))
    facts = await look_for_image(calls, open_call())
    assert facts is not None
    assert "operation" not in facts


async def test_the_image_is_evidence_without_its_operation(schema: Schema) -> None:
    calls = ScriptedCalls(schema, listed(schema, image_of(schema)), error_of(Code.UNAVAILABLE))
    facts = await look_for_image(calls, open_call())
    assert facts is not None
    assert (facts["resource"]["id"], "operation" in facts) == (IMAGE_ID, False)
    calls = ScriptedCalls(schema, listed(schema, image_of(schema)))
    calls.forget(f"/{SERVICE}/ListOperations")
    assert await look_for_image(calls, open_call()) is not None


async def test_other_images_are_no_evidence(schema: Schema) -> None:
    calls = ScriptedCalls(schema, listed(schema, image_of(schema, created_us=1), image_of(schema, name="x")))
    assert await look_for_image(calls, open_call()) is None
    assert len(calls.made) == 1


async def test_without_a_name_or_a_list_nothing_is_asked(schema: Schema) -> None:
    calls = ScriptedCalls(schema)
    assert await look_for_image(calls, open_call(method=f"{SERVICE}/Delete")) is None
    calls.forget(f"/{SERVICE}/List")
    assert await look_for_image(calls, open_call()) is None


async def test_a_list_that_fails_is_an_error(schema: Schema) -> None:
    with pytest.raises(GatewayError):
        await look_for_image(ScriptedCalls(schema, error_of(Code.UNAVAILABLE)), open_call())
