from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc
import pytest

if TYPE_CHECKING:
    from gateway.schema import Schema

Call = Callable[..., Any]

URI = "https://storage.yandexcloud.net/golden/one.iso"
FOLDER = "b1gfolder"
SLOW = pytest.mark.parametrize("delay_s", [10.0])


async def create(call: Call, **fields: Any) -> Any:
    return await call("Image/Create", **{"folder_id": FOLDER, "uri": URI, **fields})


def image_id_of(schema: Schema, operation: Any) -> str:
    metadata: Any = schema.message(operation.metadata.TypeName())()
    operation.metadata.Unpack(metadata)
    return str(metadata.image_id)


async def make(call: Call, schema: Schema, **fields: Any) -> str:
    return image_id_of(schema, await create(call, **fields))


async def refusal_of(started: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await started
    return caught.value.code(), caught.value.details() or ""


async def test_create_and_follow(call: Call, schema: Schema) -> None:
    started = await create(call, name="one", description="first", labels={"a": "b"})
    assert not started.done
    assert started.WhichOneof("result") is None
    ended = await call("Operation/Get", operation_id=started.id)
    assert ended.done
    made: Any = schema.message("yandex.cloud.baremetal.v1alpha.Image")()
    assert ended.response.Unpack(made)
    assert made == await call("Image/Get", image_id=image_id_of(schema, started))
    assert (made.folder_id, made.name, made.description, dict(made.labels)) == (
        FOLDER,
        "one",
        "first",
        {"a": "b"},
    )


UPDATES: list[tuple[str, dict[str, Any], tuple[str, str, dict[str, str]]]] = [
    ("masked", {"update_mask": {"paths": ["name"]}, "name": "two"}, ("two", "first", {"a": "b"})),
    ("the rest is ignored", {"update_mask": {"paths": ["name"]}, "description": "x"},
     ("", "first", {"a": "b"})),
    ("masked and not given", {"update_mask": {"paths": ["labels", "description"]}}, ("one", "", {})),
    ("labels are replaced whole", {"update_mask": {"paths": ["labels"]}, "labels": {"c": "d"}},
     ("one", "first", {"c": "d"})),
    ("no mask", {"name": "two"}, ("two", "", {})),
    ("empty mask", {"update_mask": {}, "description": "x"}, ("", "x", {})),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "expected"), [case[1:] for case in UPDATES], ids=[case[0] for case in UPDATES]
)
async def test_update(
    call: Call, schema: Schema, fields: dict[str, Any], expected: tuple[str, str, dict[str, str]]
) -> None:
    image_id = await make(call, schema, name="one", description="first", labels={"a": "b"})
    started = await call("Image/Update", image_id=image_id, **fields)
    assert image_id_of(schema, started) == image_id
    image = await call("Image/Get", image_id=image_id)
    assert (image.name, image.description, dict(image.labels)) == expected


@pytest.mark.parametrize("path", ["uri", "image_id", "labels.a", "Name"])
async def test_update_refuses_unknown_paths(call: Call, schema: Schema, path: str) -> None:
    image_id = await make(call, schema)
    code, message = await refusal_of(
        call("Image/Update", image_id=image_id, update_mask={"paths": ["name", path]})
    )
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert repr(path) in message


async def test_delete(call: Call, schema: Schema) -> None:
    image_id = await make(call, schema)
    started = await call("Image/Delete", image_id=image_id)
    assert image_id_of(schema, started) == image_id
    assert (await refusal_of(call("Image/Get", image_id=image_id))) == (
        grpc.StatusCode.NOT_FOUND,
        f"image {image_id!r} not found",
    )
    ended = await call("Operation/Get", operation_id=started.id)
    assert ended.response.TypeName() == "google.protobuf.Empty"


@SLOW
async def test_a_deletion_shows_until_it_ends(call: Call, schema: Schema, clock: list[float]) -> None:
    image_id = await make(call, schema)
    clock[0] += 10
    await call("Image/Delete", image_id=image_id)
    image = await call("Image/Get", image_id=image_id)
    assert image.status == image.DELETING
    clock[0] += 10
    assert not (await call("Image/List")).images


REFUSED: list[tuple[str, dict[str, Any], grpc.StatusCode, str]] = [
    ("Image/Create", {"folder_id": FOLDER}, grpc.StatusCode.INVALID_ARGUMENT, "uri: is required"),
    ("Image/Get", {"image_id": "nix"}, grpc.StatusCode.NOT_FOUND, "image 'nix' not found"),
    ("Image/ListOperations", {"image_id": "nix"}, grpc.StatusCode.NOT_FOUND, "image 'nix' not found"),
    ("Operation/Get", {"operation_id": "nix"}, grpc.StatusCode.NOT_FOUND, "operation 'nix' not found"),
    ("Operation/Cancel", {"operation_id": "nix"}, grpc.StatusCode.NOT_FOUND, "operation 'nix' not found"),
    ("Image/List", {"page_size": 1001}, grpc.StatusCode.INVALID_ARGUMENT,
     "page_size: 1001 is not between 0 and 1000"),
    ("Image/List", {"page_token": "x"}, grpc.StatusCode.INVALID_ARGUMENT,
     "page_token: 'x' is no token of this listing"),
    ("Image/List", {"order_by": "size asc"}, grpc.StatusCode.INVALID_ARGUMENT,
     "order_by: 'size asc' is not one of id, name, createdAt followed by asc or desc"),
    ("Image/List", {"filter": "name ~ 'a'"}, grpc.StatusCode.INVALID_ARGUMENT,
     "filter: expected = or : at position 6, found '~'"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "fields", "code", "message"), REFUSED)
async def test_refuses(
    call: Call, method: str, fields: dict[str, Any], code: grpc.StatusCode, message: str
) -> None:
    assert await refusal_of(call(method, **fields)) == (code, message)


async def test_taken_names_are_refused(call: Call) -> None:
    await create(call, name="one")
    code, message = await refusal_of(call("Image/Create", folder_id=FOLDER, uri=URI, name="one"))
    assert code is grpc.StatusCode.ALREADY_EXISTS
    assert message == f"an image named 'one' already exists in folder {FOLDER!r}"


LISTED: list[tuple[dict[str, Any], list[str]]] = [
    ({"folder_id": FOLDER, "order_by": "name asc"}, ["alpha", "beta", "gamma"]),
    ({"order_by": "name desc"}, ["other", "gamma", "beta", "alpha"]),
    ({"folder_id": FOLDER, "order_by": "createdAt asc"}, ["gamma", "alpha", "beta"]),
    ({"folder_id": FOLDER, "order_by": "createdAt desc"}, ["beta", "alpha", "gamma"]),
    ({"folder_id": "b1gnone"}, []),
    ({"filter": "name = 'beta'"}, ["beta"]),
    ({"filter": "name : 'a' AND name : \"l\""}, ["alpha"]),
    ({"filter": "id = 'beta'"}, []),
]


@pytest.mark.parametrize(("fields", "names"), LISTED)
async def test_list(call: Call, clock: list[float], fields: dict[str, Any], names: list[str]) -> None:
    for folder_id, name in [(FOLDER, "gamma"), (FOLDER, "alpha"), (FOLDER, "beta"), ("b1gother", "other")]:
        await create(call, folder_id=folder_id, name=name)
        clock[0] += 1
    assert [image.name for image in (await call("Image/List", **fields)).images] == names


async def test_list_in_pages_by_id(call: Call, schema: Schema) -> None:
    made = sorted([await make(call, schema) for _ in range(5)])
    listed, token = [], ""
    for size in (2, 2, 1):
        page = await call("Image/List", folder_id=FOLDER, page_size=2, page_token=token)
        assert len(page.images) == size
        listed += [image.id for image in page.images]
        token = page.next_page_token
    assert (listed, token) == (made, "")


async def test_a_token_belongs_to_its_listing(call: Call) -> None:
    for _ in range(2):
        await create(call)
    token = (await call("Image/List", page_size=1)).next_page_token
    for other in ({"folder_id": FOLDER}, {"order_by": "id desc"}, {"filter": "id : 'l'"}):
        code, _ = await refusal_of(call("Image/List", page_token=token, **other))
        assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_list_operations_latest_first(call: Call, schema: Schema) -> None:
    first = await create(call)
    image_id = image_id_of(schema, first)
    second = await call("Image/Update", image_id=image_id)
    third = await call("Image/Delete", image_id=image_id)
    await create(call)
    page = await call("Image/ListOperations", image_id=image_id, page_size=2)
    rest = await call("Image/ListOperations", image_id=image_id, page_token=page.next_page_token)
    assert [one.id for one in (*page.operations, *rest.operations)] == [third.id, second.id, first.id]
    assert rest.next_page_token == ""


@SLOW
async def test_cancel(call: Call, schema: Schema) -> None:
    started = await create(call)
    ended = await call("Operation/Cancel", operation_id=started.id)
    assert (ended.done, ended.error.code) == (True, 1)
    assert ended == await call("Operation/Cancel", operation_id=started.id)
    image = await call("Image/Get", image_id=image_id_of(schema, started))
    assert image.status == image.ERROR


async def test_an_idempotency_key_makes_one_image(call: Call) -> None:
    key = (("idempotency-key", "k"),)
    first = await call("Image/Create", metadata=key, uri=URI, name="one")
    again = await call("Image/Create", metadata=key, uri=URI, name="one")
    assert again.id == first.id
    assert again.done
    assert len((await call("Image/List")).images) == 1


async def test_an_idempotency_key_holds_for_one_request(call: Call) -> None:
    key = (("idempotency-key", "k"),)
    await call("Image/Create", metadata=key, uri=URI, name="one")
    code, message = await refusal_of(call("Image/Create", metadata=key, uri=URI, name="two"))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "'k'" in message


async def test_a_refused_call_does_not_bind_its_key(call: Call) -> None:
    key = (("idempotency-key", "k"),)
    await refusal_of(call("Image/Create", metadata=key))
    await call("Image/Create", metadata=key, uri=URI)
