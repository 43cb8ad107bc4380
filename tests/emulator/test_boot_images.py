"""The methods of v2, over gRPC."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from gateway.schema import Schema
from tests.emulator.test_services import FOLDER, URI, Call, make, refusal_of

CLOUD = "b1gcloud"
PLACE = {"cloud_id": CLOUD, "folder_id": FOLDER}
BOOT_IMAGE = "yandex.cloud.baremetal.v2.BootImage"


async def create(call: Call, **fields: Any) -> Any:
    image = {"name": "one", "uri": URI, **fields}
    return await call("BootImage/CreateBootImage", **PLACE, boot_image=image)


def unpack(schema: Schema, packed: Any) -> Any:
    message: Any = schema.message(packed.TypeName())()
    assert packed.Unpack(message)
    return message


async def make_v2(call: Call, schema: Schema, **fields: Any) -> str:
    return str(unpack(schema, (await create(call, **fields)).metadata).boot_image_id)


async def test_create_and_follow(call: Call, schema: Schema) -> None:
    started = await create(call, description="first", annotations={"a": "b"})
    metadata = unpack(schema, started.metadata)
    assert metadata.operation_metadata.created_by == started.created_by
    ended = await call("Operation/Get", operation_id=started.id)
    image = unpack(schema, ended.response)
    assert image.DESCRIPTOR.full_name == BOOT_IMAGE
    assert image == await call("BootImage/GetBootImage", **PLACE, boot_image_id=metadata.boot_image_id)
    assert (image.cloud_id, image.folder_id, image.name, image.uri) == (CLOUD, FOLDER, "one", "")
    assert (image.description, dict(image.annotations), image.state) == ("first", {"a": "b"}, 2)
    assert image.create_time == image.update_time


async def test_both_versions_show_the_same_images(call: Call, schema: Schema) -> None:
    old = await make(call, schema, name="old", labels={"a": "b"})
    new = await make_v2(call, schema, name="new")
    assert (await call("Image/Get", image_id=new)).name == "new"
    shown = await call("BootImage/GetBootImage", **PLACE, boot_image_id=old)
    assert (shown.cloud_id, dict(shown.annotations)) == (CLOUD, {"a": "b"})
    listed = await call("BootImage/ListBootImages", **PLACE, order_by="createTime asc")
    assert {one.boot_image_id for one in listed.boot_images} == {old, new}
    code, message = await refusal_of(create(call, name="old"))
    assert (code, "already exists" in message) == (grpc.StatusCode.ALREADY_EXISTS, True)


async def test_update(call: Call, schema: Schema, clock: list[float]) -> None:
    image_id = await make_v2(call, schema, annotations={"a": "b"})
    clock[0] += 5
    changed = {"boot_image_id": image_id, **PLACE, "name": "two", "description": "x"}
    await call("BootImage/UpdateBootImage", boot_image=changed, update_mask={"paths": ["name"]})
    image = await call("BootImage/GetBootImage", **PLACE, boot_image_id=image_id)
    assert (image.name, image.description, dict(image.annotations)) == ("two", "", {"a": "b"})
    assert image.update_time.seconds == image.create_time.seconds + 5
    await call("BootImage/UpdateBootImage", boot_image=changed)
    image = await call("BootImage/GetBootImage", **PLACE, boot_image_id=image_id)
    assert (image.description, dict(image.annotations)) == ("x", {})


async def test_delete_and_the_operations(call: Call, schema: Schema) -> None:
    image_id = await make_v2(call, schema)
    await call("BootImage/DeleteBootImage", **PLACE, boot_image_id=image_id)
    code, _ = await refusal_of(call("BootImage/GetBootImage", **PLACE, boot_image_id=image_id))
    assert code is grpc.StatusCode.NOT_FOUND
    reply = await call("BootImage/ListBootImageOperations", **PLACE, boot_image_id=image_id)
    assert [one.description for one in reply.operations] == ["Delete image", "Create image"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"uri": ""}, "boot_image.uri: is required"),
        ({"name": ""}, "boot_image.name: is required"),
        ({"cloud_id": "other"}, "boot_image.cloud_id: differs from cloud_id"),
        ({"folder_id": "other"}, "boot_image.folder_id: differs from folder_id"),
    ],
)
async def test_refused_creates(call: Call, fields: dict[str, str], message: str) -> None:
    assert await refusal_of(create(call, **fields)) == (grpc.StatusCode.INVALID_ARGUMENT, message)


@pytest.mark.parametrize("place", [{"cloud_id": "other"}, {"folder_id": "other"}])
async def test_images_of_other_places_are_not_found(
    call: Call, schema: Schema, place: dict[str, str]
) -> None:
    image_id = await make_v2(call, schema)
    code, _ = await refusal_of(call("BootImage/GetBootImage", **PLACE | place, boot_image_id=image_id))
    assert code is grpc.StatusCode.NOT_FOUND
    assert not (await call("BootImage/ListBootImages", **PLACE | place)).boot_images
    image = {"boot_image_id": image_id, **PLACE, **place}
    code, _ = await refusal_of(call("BootImage/UpdateBootImage", boot_image=image))
    assert code is grpc.StatusCode.NOT_FOUND


async def test_filters_orders_and_pages(call: Call, schema: Schema) -> None:
    for name in ("aa", "ab", "bb"):
        await make_v2(call, schema, name=name)

    async def names(**fields: Any) -> tuple[list[str], str]:
        reply = await call("BootImage/ListBootImages", **PLACE, **fields)
        return [one.name for one in reply.boot_images], reply.next_page_token

    assert sorted((await names(filter='state = "READY" AND name : "a"'))[0]) == ["aa", "ab"]
    first, token = await names(order_by="createTime desc", page_size=2)
    rest, end = await names(order_by="createTime desc", page_size=2, page_token=token)
    assert (sorted(first + rest), end) == (["aa", "ab", "bb"], "")
    for wrong in ({"filter": "id = 'x'"}, {"order_by": "id asc"}):
        code, _ = await refusal_of(call("BootImage/ListBootImages", **PLACE, **wrong))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
    image = {"boot_image_id": "x", **PLACE}
    started = call("BootImage/UpdateBootImage", boot_image=image, update_mask={"paths": ["uri"]})
    assert (await refusal_of(started))[1] == "update_mask: 'uri' is not one of name, description, annotations"
