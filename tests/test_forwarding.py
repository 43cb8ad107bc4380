"""What REST calls bring to the upstream, and what they bring back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2

from gateway.emulator import InjectedFault
from gateway.errors import Code
from gateway.transcode import HTTP_STATUS
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.signed import sign_link

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"


AN_ID = "a" * 20


async def call(running: Running, http_method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
    async with running.client.request(http_method, running.url(path), **options) as answer:
        return answer.status, await answer.json(), answer.headers


def details(body: Any) -> dict[str, Any]:
    return {one["@type"].rpartition(".")[2]: one for one in body["details"]}


async def test_metadata_goes_to_the_upstream_and_nothing_else(running: Running) -> None:
    sent = {
        "Authorization": "Bearer t1.secret",
        "Idempotency-Key": "2f6b4c1e-0000-4000-8000-000000000001",
        "X-Client-Request-Id": "client-request",
        "X-Client-Trace-Id": "client-trace",
        "X-Request-Id": "my-request",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    refused = {"X-Forwarded-For": "1.2.3.4", "Grpc-Metadata-Evil": "1", "X-Evil": "1", "grpc-status": "0"}
    _, _, headers = await call(running, "POST", IMAGES, json=GOOD_IMAGE, headers=sent | refused)
    (received,) = running.emulator.calls
    metadata = dict(received.metadata)
    for name in ("Authorization", "Idempotency-Key", "X-Client-Request-Id", "X-Client-Trace-Id"):
        assert metadata[name.lower()] == sent[name]
    assert str(metadata["traceparent"]).split("-")[1] == "0af7651916cd43dd8448eb211c80319c"
    assert headers["x-server-trace-id"] == "0af7651916cd43dd8448eb211c80319c"
    assert headers["x-request-id"] == "my-request"
    assert not metadata.keys() & {name.lower() for name in refused}


async def test_a_create_without_a_key_gets_one_and_a_read_does_not(running: Running) -> None:
    await call(running, "POST", IMAGES, json=GOOD_IMAGE)
    await call(running, "GET", IMAGES)
    create, listing = (dict(one.metadata) for one in running.emulator.calls)
    assert len(str(create["idempotency-key"])) == 36
    assert "idempotency-key" not in listing
    assert create["x-client-request-id"]
    assert len(str(create["x-client-trace-id"])) == 32


async def test_a_repeated_key_gives_the_same_operation(running: Running) -> None:
    headers = {"Idempotency-Key": "2f6b4c1e-0000-4000-8000-000000000001"}
    _, first, _ = await call(running, "POST", IMAGES, json=GOOD_IMAGE, headers=headers)
    _, second, _ = await call(running, "POST", IMAGES, json=GOOD_IMAGE, headers=headers)
    assert first["id"] == second["id"]


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
async def test_every_upstream_code_keeps_message_and_details(running: Running, code: Code) -> None:
    known, unknown = AnyMessage(), AnyMessage(type_url="type.example/some.Unknown", value=b"\x08\x01")
    known.Pack(error_details_pb2.ErrorInfo(reason="QUOTA", domain="cloud"))
    running.emulator.inject(
        InjectedFault(method=CREATE, code=code, message="as it is", details=(known, unknown), times=None)
    )
    status, body, _ = await call(running, "POST", IMAGES, json=GOOD_IMAGE)
    assert status == HTTP_STATUS[code]
    assert (body["code"], body["message"]) == (int(code), "as it is")
    assert body["details"][:2] == [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "QUOTA", "domain": "cloud"},
        {"@type": "type.example/some.Unknown", "value": "CAE="},
    ]
    assert details(body)["RequestInfo"]["requestId"]


async def test_an_upstream_that_does_not_answer_ends_at_the_deadline(start: Start) -> None:
    running = await start(limits__deadline_s=0.2)
    running.emulator.inject(InjectedFault(method=CREATE, drop=True))
    status, body, _ = await call(running, "POST", IMAGES, json=GOOD_IMAGE)
    assert (status, body["code"]) == (504, 4)
    assert details(body)["ErrorInfo"]["domain"] == "baremetal-gateway"


async def test_a_caller_may_ask_for_less_time(running: Running) -> None:
    running.emulator.inject(InjectedFault(method=CREATE, drop=True))
    status, _, _ = await call(running, "POST", IMAGES, json=GOOD_IMAGE, headers={"grpc-timeout": "100m"})
    assert status == 504


async def test_an_upstream_that_is_not_there(start: Start) -> None:
    running = await start()
    await running.emulator.stop()
    status, body, _ = await call(running, "POST", IMAGES, json=GOOD_IMAGE)
    assert (status, body["code"]) == (503, 14)
    assert "baremetal" in body["message"]
    assert "127.0.0.1" not in json.dumps(body)


async def test_the_link_is_forwarded_as_it_came(running: Running) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    link = sign_link(
        "https://storage.yandexcloud.net/golden-images/some//strange%20key.iso", f"{tomorrow:%Y%m%dT%H%M%SZ}"
    )
    status, _, _ = await call(running, "POST", IMAGES, json=GOOD_IMAGE | {"uri": link})
    assert status == 200
    assert link.encode() in running.emulator.calls[0].request


async def test_get_of_an_unknown_image_keeps_the_upstreams_words(running: Running) -> None:
    status, body, _ = await call(running, "GET", f"{IMAGES}/{AN_ID}")
    assert (status, body["code"]) == (404, 5)
    assert AN_ID in body["message"]
    assert "ErrorInfo" not in details(body)
