"""The cloud's own client before the emulator: the life of an image, as any SDK drives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from gateway.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conformance.conftest import Conversation, Peer

TYPES = "type.googleapis.com/yandex.cloud.baremetal.v1alpha"
LABELS = {"env": "prod", "owner": "infra", "cost-center": "cc-42"}
DRAFT = {
    "folderId": "b1gexample",
    "name": "ubuntu-24-04",
    "description": "Базовый образ «Noble» 🐧",
    "uri": "https://storage.yandexcloud.net/golden-images/ubuntu-24.04.iso",
    "labels": LABELS,
}
DELAY_S = 5.0


@dataclass(slots=True)
class Cloud:
    """The client, and the emulator's time."""

    client: Conversation
    now_s: float = 1_800_000_000.0

    async def ask(self, method: str, **request: Any) -> Any:
        """Return all that the client got."""
        await self.client.send({"method": method, "request": request})
        return await self.client.receive()

    async def call(self, method: str, **request: Any) -> Any:
        """Return the reply, which no error may be in place of."""
        answered = await self.ask(method, **request)
        assert "reply" in answered, answered
        return answered["reply"]

    async def finish(self, operation: Any) -> Any:
        """Poll an operation, which is not done before its time, and return it when it is."""
        assert "done" not in await self.call("OperationService/Get", operationId=operation["id"])
        self.now_s += DELAY_S
        done = await self.call("OperationService/Get", operationId=operation["id"])
        assert done["done"] is True
        return done


@pytest.fixture
async def cloud(peer: Peer) -> AsyncIterator[Cloud]:
    times: list[Cloud] = []
    emulator = Emulator(delay_s=DELAY_S, clock=lambda: times[0].now_s)
    async with emulator, peer.talk("client.py", emulator.address) as client:
        times.append(Cloud(client))
        yield times[0]


async def test_an_image_lives_and_dies(cloud: Cloud) -> None:
    created = await _create(cloud)
    image = await _read(cloud, created)
    updated = await _update(cloud, image)
    deleted = await _delete(cloud, image)
    listed = await cloud.call("ImageService/ListOperations", imageId=image["id"], pageSize=2)
    assert [one["id"] for one in listed["operations"]] == [deleted["id"], updated["id"]]
    rest = await cloud.call(
        "ImageService/ListOperations", imageId=image["id"], pageSize=2, pageToken=listed["nextPageToken"]
    )
    assert rest == {"operations": [created]}


async def _create(cloud: Cloud) -> Any:
    answered = await cloud.ask("ImageService/Create", **DRAFT)
    started = answered["reply"]
    assert answered["metadata"]["x-operation-poll-interval"] == "1"
    assert started["metadata"]["@type"] == f"{TYPES}.CreateImageMetadata"
    assert started["createdAt"] == "2027-01-15T08:00:00Z"
    making = await cloud.call("ImageService/Get", imageId=started["metadata"]["imageId"])
    assert making["status"] == "CREATING"
    done = await cloud.finish(started)
    assert done["metadata"] == started["metadata"]
    assert done["modifiedAt"] == "2027-01-15T08:00:05Z"
    return done


async def _read(cloud: Cloud, created: Any) -> Any:
    """Check the image of a creation, each way there is to it."""
    response = dict(created["response"])
    assert response.pop("@type") == f"{TYPES}.Image"
    image = await cloud.call("ImageService/Get", imageId=created["metadata"]["imageId"])
    assert image == response
    assert image == {
        "id": created["metadata"]["imageId"],
        **{name: DRAFT[name] for name in ("folderId", "name", "description", "labels")},
        "checksum": image["checksum"],
        "status": "READY",
        "createdAt": "2027-01-15T08:00:00Z",
    }
    listed = await cloud.call(
        "ImageService/List",
        folderId="b1gexample",
        pageSize=10,
        orderBy="createdAt desc",
        filter='name : "ubuntu"',
    )
    assert listed == {"images": [image]}
    assert await cloud.call("ImageService/List", folderId="b1gexample", filter='name = "debian"') == {}
    return image


async def _update(cloud: Cloud, image: Any) -> Any:
    started = await cloud.call(
        "ImageService/Update",
        imageId=image["id"],
        updateMask="description,labels",
        name="ignored-1",
        description="новое",
        labels={"env": "dev"},
    )
    assert started["metadata"] == {"@type": f"{TYPES}.UpdateImageMetadata", "imageId": image["id"]}
    done = await cloud.finish(started)
    after = {**image, "description": "новое", "labels": {"env": "dev"}}
    assert done["response"] == {"@type": f"{TYPES}.Image", **after}
    assert await cloud.call("ImageService/Get", imageId=image["id"]) == after
    return done


async def _delete(cloud: Cloud, image: Any) -> Any:
    started = await cloud.call("ImageService/Delete", imageId=image["id"])
    assert started["metadata"] == {"@type": f"{TYPES}.DeleteImageMetadata", "imageId": image["id"]}
    done = await cloud.finish(started)
    assert done["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
    gone = await cloud.ask("ImageService/Get", imageId=image["id"])
    assert (gone["code"], gone["message"]) == ("NOT_FOUND", f"image '{image['id']}' not found")
    assert gone["status"] == {
        "code": 5,
        "message": gone["message"],
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.RequestInfo",
                "requestId": gone["metadata"]["x-request-id"],
            }
        ],
    }
    return done


async def test_one_key_makes_one_image(cloud: Cloud) -> None:
    order = {"method": "ImageService/Create", "request": DRAFT, "metadata": {"idempotency-key": "key-1"}}
    replies = []
    for _ in range(2):
        await cloud.client.send(order)
        replies.append((await cloud.client.receive())["reply"])
    assert replies[0] == replies[1]
    again = await cloud.ask("ImageService/Create", **DRAFT)
    assert again["code"] == "ALREADY_EXISTS"


async def test_a_cancelled_creation_ends_with_an_error(cloud: Cloud) -> None:
    started = await cloud.call("ImageService/Create", **DRAFT)
    cancelled = await cloud.call("OperationService/Cancel", operationId=started["id"])
    assert cancelled["done"] is True
    assert cancelled["error"]["code"] == 1
    assert "response" not in cancelled
