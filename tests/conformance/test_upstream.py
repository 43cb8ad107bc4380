"""REST and gRPC in, an upstream of the cloud's own stubs out: every field and header, both ways."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.config import Config
from tests.conftest import plain_telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from tests.conformance.conftest import Conversation, Peer

    Serve = Callable[[Mapping[str, Any]], AbstractAsyncContextManager["Served"]]

POLICIES = Path(__file__).resolve().parents[2] / "policies"
LIMIT_S = 30
IMAGES = "/baremetal/v1alpha/images"
TYPES = "type.googleapis.com"
IMAGE_ID = "ly5golden00000000001"
OPERATION_ID = "ly6create00000000001"

LINK = (
    "https://storage.yandexcloud.net/golden-images/iso//ubuntu%20%D1%81%2B24.04.iso"
    "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=YCAJEexample%2F{day}%2Fru-central1%2Fs3%2Faws4_request"
    "&X-Amz-Date={time}&X-Amz-Expires=2592000&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
)

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = {
    "Authorization": "Bearer t1.9euelZqexample",
    "Idempotency-Key": "1f1b6b3a-4f0e-4c36-9a57-0a3f4d1d2c10",
    "x-client-request-id": "0e2b6f7c-1111-4a5b-8d4f-6f6d5d2b7a01",
    "x-client-trace-id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01",
    "tracestate": "vendor=a1b2",
}

POLL_INTERVAL = {"x-operation-poll-interval": "7"}

LABELS = {"env": "prod", "owner": "infra-images", "cost-center": "cc_42", "os": "ubuntu", "empty": ""}
DESCRIPTION = 'Базовый образ: Ubuntu 24.04 «Noble», 漢字, 🐧, "quotes" \\ and\ta tab\nand a line'
IMAGE = {
    "id": IMAGE_ID,
    "folderId": "b1gexample",
    "name": "ubuntu-24-04",
    "description": DESCRIPTION,
    "checksum": "d41d8cd98f00b204e9800998ecf8427e",
    "status": "READY",
    "createdAt": "2026-03-04T05:06:07.123456789Z",
    "labels": LABELS,
}
STARTED = {
    "id": OPERATION_ID,
    "description": "Create image «Noble»",
    "createdAt": "2026-03-04T05:06:07.123456789Z",
    "createdBy": "ajeserviceaccount001",
    "modifiedAt": "2026-03-04T05:06:07.500Z",
    "metadata": {
        "@type": f"{TYPES}/yandex.cloud.baremetal.v1alpha.CreateImageMetadata",
        "imageId": IMAGE_ID,
    },
}
DONE = STARTED | {
    "modifiedAt": "2026-03-04T05:16:07Z",
    "done": True,
    "response": {"@type": f"{TYPES}/yandex.cloud.baremetal.v1alpha.Image", **IMAGE},
}
TAKEN = {
    "code": 6,
    "message": "image «ubuntu-24-04» already exists",
    "details": [
        {
            "@type": f"{TYPES}/google.rpc.ResourceInfo",
            "resourceType": "yandex.cloud.baremetal.v1alpha.Image",
            "resourceName": IMAGE_ID,
            "owner": "b1gexample",
            "description": "имя занято",
        },
        {
            "@type": f"{TYPES}/google.rpc.ErrorInfo",
            "reason": "NAME_TAKEN",
            "domain": "baremetal.yandexcloud.net",
            "metadata": {"name": "ubuntu-24-04"},
        },
        {"@type": f"{TYPES}/google.rpc.RequestInfo", "requestId": "upstream-request-1"},
    ],
}
FAILED = STARTED | {"id": "ly6create00000000002", "done": True, "error": TAKEN}


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway before an upstream.

    Attributes:
        rest: a client of the REST listener.
        grpc: address of the gRPC listener.
        upstream: tells of each call that arrives.
    """

    rest: aiohttp.ClientSession
    grpc: str
    upstream: Conversation


@pytest.fixture
def serve(peer: Peer) -> Serve:
    """Start a gateway before an upstream that answers as scripted."""

    @asynccontextmanager
    async def start(script: Mapping[str, Any]) -> AsyncIterator[Served]:
        async with peer.talk("upstream.py") as upstream:
            await upstream.send(script)
            port = (await upstream.receive())["port"]
            gateway = Gateway(_config(port), plain_telemetry())
            addresses = await gateway.start()
            try:
                timeout = aiohttp.ClientTimeout(total=LIMIT_S)
                async with aiohttp.ClientSession(f"http://{addresses.rest}", timeout=timeout) as rest:
                    yield Served(rest, str(addresses.grpc), upstream)
            finally:
                await gateway.stop()

    return start


def _config(port: int) -> Config:
    listener = {"listen": "127.0.0.1:0"}
    upstream = {"address": f"127.0.0.1:{port}", "tls": False}
    return Config.model_validate(
        {
            **dict.fromkeys(("rest", "grpc", "admin"), listener),
            "upstreams": dict.fromkeys(("baremetal", "operation"), upstream),
            "policies": {"path": str(POLICIES), "reload": False},
            "decision_log": {"type": "none"},
            "ledger": {"enabled": False},
        }
    )


@pytest.fixture
def link() -> str:
    """A link signed now, as long as its expiry may be a policy's business."""
    now = datetime.now(UTC)
    return LINK.format(day=f"{now:%Y%m%d}", time=f"{now:%Y%m%dT%H%M%SZ}")


def answer(reply: Any, **metadata: str) -> list[dict[str, Any]]:
    return [{"reply": reply, "metadata": metadata}]


def metadata_of(arrived: Any) -> dict[str, str]:
    """Return the metadata of a call, which names nothing twice, without what gRPC itself says."""
    names = [name for name, _ in arrived["metadata"]]
    assert sorted(names) == sorted(set(names))
    metadata = dict(arrived["metadata"])
    assert metadata.pop("user-agent").startswith("baremetal-gateway ")
    return metadata


async def test_every_field_and_header_of_a_create_arrives(serve: Serve, link: str) -> None:
    async with serve({"ImageService/Create": answer(STARTED, **POLL_INTERVAL)}) as served:
        headers = HEADERS | {"Grpc-Timeout": "20S"}
        async with served.rest.post(IMAGES, json=create_of(link), headers=headers) as response:
            assert (response.status, await response.json()) == (200, STARTED)
        expect_create(await served.upstream.receive(), link)
    assert response.headers["x-operation-poll-interval"] == "7"
    assert response.headers["x-server-trace-id"] == TRACE_ID
    assert "Warning" not in response.headers


async def test_a_create_of_the_clouds_own_client_arrives_the_same(
    serve: Serve, peer: Peer, link: str
) -> None:
    order = {
        "method": "ImageService/Create",
        "request": create_of(link),
        "metadata": {name.lower(): value for name, value in HEADERS.items()},
    }
    script = {"ImageService/Create": [*answer(STARTED, **POLL_INTERVAL), {"error": TAKEN}]}
    async with serve(script) as served, peer.talk("client.py", served.grpc) as client:
        await client.send(order)
        accepted = await client.receive()
        assert accepted.get("reply") == STARTED, accepted
        expect_create(await served.upstream.receive(), link)
        await client.send(order)
        refused = await client.receive()
        assert refused.get("status") == TAKEN, refused
        expect_create(await served.upstream.receive(), link)
    assert accepted["metadata"]["x-operation-poll-interval"] == "7"
    assert accepted["metadata"]["x-server-trace-id"] == TRACE_ID
    assert (refused["code"], refused["message"]) == ("ALREADY_EXISTS", TAKEN["message"])


def create_of(link: str) -> dict[str, Any]:
    """Return a create with every field set, as JSON."""
    return {
        "folderId": "b1gexample",
        "name": "ubuntu-24-04",
        "description": DESCRIPTION,
        "uri": link,
        "labels": LABELS,
    }


def expect_create(arrived: Any, link: str) -> None:
    """Check that the create, its headers and its deadline arrived as they are, and nothing else."""
    assert arrived["method"] == "ImageService/Create"
    assert arrived["unknown_fields"] == []
    assert arrived["request"] == {
        "folder_id": "b1gexample",
        "name": "ubuntu-24-04",
        "description": DESCRIPTION,
        "uri": link,
        "labels": LABELS,
    }
    assert 0 < arrived["time_remaining_s"] < 21  # gRPC rounds a timeout up
    assert metadata_of(arrived) == {name.lower(): value for name, value in HEADERS.items()}


async def test_a_create_without_headers_arrives_with_names_of_its_own(serve: Serve, link: str) -> None:
    body = {"uri": link, "labels": LABELS, "name": "ubuntu-24-04"}
    async with serve({"ImageService/Create": answer(STARTED)}) as served:
        async with served.rest.post(IMAGES, json=body) as response:
            assert response.status == 200
        metadata = metadata_of(await served.upstream.receive())
    assert sorted(metadata) == ["idempotency-key", "traceparent", "x-client-request-id", "x-client-trace-id"]
    assert metadata["x-client-request-id"] == response.headers["x-request-id"]
    assert metadata["traceparent"].split("-")[1] == response.headers["x-server-trace-id"]


async def test_a_denied_create_does_not_arrive(serve: Serve, link: str) -> None:
    body = {"uri": link.replace("golden-images", "private-images"), "labels": LABELS}
    async with serve({"OperationService/Get": answer(DONE)}) as served:
        async with served.rest.post(IMAGES, json=body) as response:
            assert (response.status, (await response.json())["code"]) == (403, 7)
        async with served.rest.get(f"/operations/{OPERATION_ID}") as response:
            assert response.status == 200
        assert (await served.upstream.receive())["method"] == "OperationService/Get"


async def test_an_operation_is_polled_to_its_image(serve: Serve) -> None:
    script = {"OperationService/Get": [*answer(STARTED), *answer(DONE)]}
    async with serve(script) as served:
        for expected in (STARTED, DONE, DONE):
            async with served.rest.get(f"/operations/{OPERATION_ID}", headers=HEADERS) as response:
                assert (response.status, await response.json()) == (200, expected)
            arrived = await served.upstream.receive()
            assert arrived["method"] == "OperationService/Get"
            assert arrived["request"] == {"operation_id": OPERATION_ID}
            assert metadata_of(arrived)["authorization"] == HEADERS["Authorization"]


@pytest.mark.parametrize("http_method", ["GET", "POST"])
async def test_an_operation_is_cancelled(serve: Serve, http_method: str) -> None:
    async with serve({"OperationService/Cancel": answer(FAILED)}) as served:
        async with served.rest.request(http_method, f"/operations/{OPERATION_ID}:cancel") as response:
            assert (response.status, await response.json()) == (200, FAILED)
        arrived = await served.upstream.receive()
    assert (arrived["method"], arrived["request"]) == (
        "OperationService/Cancel",
        {"operation_id": OPERATION_ID},
    )


async def test_an_image_comes_with_every_field(serve: Serve) -> None:
    async with serve({"ImageService/Get": answer(IMAGE)}) as served:
        async with served.rest.get(f"{IMAGES}/{IMAGE_ID}") as response:
            assert (response.status, await response.json()) == (200, IMAGE)
        arrived = await served.upstream.receive()
    assert (arrived["method"], arrived["request"]) == ("ImageService/Get", {"image_id": IMAGE_ID})


async def test_images_are_listed_by_every_parameter(serve: Serve) -> None:
    statuses = ("CREATING", "READY", "ERROR", "DELETING", "UPDATING")
    listed = {"images": [IMAGE | {"status": status} for status in statuses], "nextPageToken": "a+b/c=&d"}
    query = {
        "folderId": "b1gexample",
        "pageSize": "1000",
        "pageToken": "a+b/c=&d",
        "orderBy": "createdAt desc",
        "filter": "name : \"ubuntu\" AND id = 'ё%&'",
    }
    async with serve({"ImageService/List": answer(listed)}) as served:
        async with served.rest.get(IMAGES, params=query) as response:
            assert (response.status, await response.json()) == (200, listed)
        arrived = await served.upstream.receive()
    assert arrived["method"] == "ImageService/List"
    assert arrived["request"] == {
        "folder_id": "b1gexample",
        "page_size": "1000",
        "page_token": "a+b/c=&d",
        "order_by": "createdAt desc",
        "filter": "name : \"ubuntu\" AND id = 'ё%&'",
    }
    assert "idempotency-key" not in metadata_of(arrived)


async def test_an_update_arrives_with_its_mask(serve: Serve) -> None:
    updating = STARTED | {
        "metadata": {
            "@type": f"{TYPES}/yandex.cloud.baremetal.v1alpha.UpdateImageMetadata",
            "imageId": IMAGE_ID,
        }
    }
    changes = {"name": "ubuntu-24-05", "description": DESCRIPTION, "labels": LABELS}
    body = {"updateMask": "name,description,labels", **changes}
    async with serve({"ImageService/Update": answer(updating)}) as served:
        async with served.rest.patch(f"{IMAGES}/{IMAGE_ID}", json=body, headers=HEADERS) as response:
            assert (response.status, await response.json()) == (200, updating)
        arrived = await served.upstream.receive()
    assert arrived["method"] == "ImageService/Update"
    assert arrived["unknown_fields"] == []
    assert arrived["request"] == {
        "image_id": IMAGE_ID,
        "update_mask": "name,description,labels",
        **changes,
    }
    assert metadata_of(arrived)["idempotency-key"] == HEADERS["Idempotency-Key"]


async def test_a_deletion_ends_with_nothing(serve: Serve) -> None:
    deleted = DONE | {
        "metadata": {
            "@type": f"{TYPES}/yandex.cloud.baremetal.v1alpha.DeleteImageMetadata",
            "imageId": IMAGE_ID,
        },
        "response": {"@type": f"{TYPES}/google.protobuf.Empty"},
    }
    async with serve({"ImageService/Delete": answer(deleted)}) as served:
        async with served.rest.delete(f"{IMAGES}/{IMAGE_ID}", headers=HEADERS) as response:
            assert (response.status, await response.json()) == (200, deleted)
        arrived = await served.upstream.receive()
    assert (arrived["method"], arrived["request"]) == ("ImageService/Delete", {"image_id": IMAGE_ID})
    assert metadata_of(arrived)["idempotency-key"] == HEADERS["Idempotency-Key"]


async def test_operations_of_an_image_are_listed(serve: Serve) -> None:
    listed = {"operations": [FAILED, DONE, STARTED], "nextPageToken": "next"}
    query = {"pageSize": "3", "pageToken": "before"}
    async with serve({"ImageService/ListOperations": answer(listed)}) as served:
        async with served.rest.get(f"{IMAGES}/{IMAGE_ID}/operations", params=query) as response:
            assert (response.status, await response.json()) == (200, listed)
        arrived = await served.upstream.receive()
    assert arrived["method"] == "ImageService/ListOperations"
    assert arrived["request"] == {"image_id": IMAGE_ID, "page_size": "3", "page_token": "before"}


async def test_an_error_comes_with_its_details(serve: Serve, link: str) -> None:
    async with serve({"ImageService/Create": [{"error": TAKEN}]}) as served:
        headers = HEADERS | {"Grpc-Timeout": "20S"}
        async with served.rest.post(IMAGES, json=create_of(link), headers=headers) as response:
            assert (response.status, await response.json()) == (409, TAKEN)
        expect_create(await served.upstream.receive(), link)
    assert response.content_type == "application/json"
