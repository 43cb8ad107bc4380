"""Records of calls that ended before any policy was evaluated, as both listeners give them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from gateway.emulator import InjectedFault
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
SIGNED = "https://storage.yandexcloud.net/b/k.iso?X-Amz-Signature=deadbeef"
TOKEN = "t1.9euelZrPz.c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.jsonl"


@pytest.fixture
async def recorded(start: Start, path: Path) -> Running:
    return await start(decision_log__type="file", decision_log__path=path, limits__concurrency=2)


async def read(path: Path, count: int) -> list[dict[str, Any]]:
    """Return the records, once there are so many."""
    async with asyncio.timeout(20):
        while len(lines := path.read_text().splitlines()) < count:
            await asyncio.sleep(0.01)
    return [json.loads(line) for line in lines]


async def post(running: Running, body: Any, **headers: str) -> int:
    async with running.client.post(running.url(IMAGES), json=body, headers=headers) as response:
        await response.read()
        return response.status


async def call(running: Running, data: bytes) -> grpc.StatusCode:
    channel = grpc.aio.insecure_channel(str(running.addresses.grpc))
    method: Any = channel.unary_unary(f"/{CREATE}")
    try:
        await method(data)
    except grpc.aio.AioRpcError as error:
        return error.code()
    finally:
        await channel.close()
    return grpc.StatusCode.OK


def refused(records: list[dict[str, Any]]) -> dict[str, Any]:
    (record,) = records
    assert (record["kind"], record["decision"], record["method"]) == ("call", "none", CREATE)
    assert record["caller"]["address"] == "127.0.0.1"
    assert len(record["trace_id"]) == 32
    return record


async def test_a_malformed_request(recorded: Running, path: Path) -> None:
    assert await post(recorded, {"folderId": 5, "x": 1}, **{"x-request-id": "mine"}) == 400
    record = refused(await read(path, 1))
    assert (record["call_id"], record["outcome"], record["code"]) == ("mine", "invalid", "INVALID_ARGUMENT")
    assert record["reason"] == "INVALID_REQUEST"
    assert [one["field"] for one in record["violations"]] == ["folder_id", "x"]
    assert record["request"] is None


async def test_a_request_that_is_not_valid(recorded: Running, path: Path) -> None:
    assert await post(recorded, GOOD_IMAGE | {"name": "Bad Name", "uri": SIGNED}) == 400
    record = refused(await read(path, 1))
    assert record["outcome"] == "invalid"
    assert [one["field"] for one in record["violations"]] == ["name"]
    assert record["request"]["name"] == "Bad Name"
    assert record["request"]["uri"].startswith("https://storage.yandexcloud.net/b/k.iso?")
    assert record["idempotency_key"]


async def test_no_secret_is_recorded(recorded: Running, path: Path) -> None:
    body = GOOD_IMAGE | {"name": "Bad Name", "uri": SIGNED, "description": f"Bearer {TOKEN}"}
    headers = {"authorization": f"Bearer {TOKEN}", "idempotency-key": f"Bearer {TOKEN}"}
    assert await post(recorded, body, **headers) == 400
    assert await post(recorded, {SIGNED: 1, "name": [f"Bearer {TOKEN}"]}, **headers) == 400
    await read(path, 2)
    assert "deadbeef" not in path.read_text()
    assert TOKEN not in path.read_text()


async def test_a_malformed_message(recorded: Running, path: Path) -> None:
    assert await call(recorded, b"\xff") is grpc.StatusCode.INVALID_ARGUMENT
    record = refused(await read(path, 1))
    assert (record["outcome"], record["request"]) == ("invalid", None)


async def test_a_message_with_unknown_fields(recorded: Running, path: Path) -> None:
    assert await call(recorded, b"\xf8\x7f\x01") is grpc.StatusCode.INVALID_ARGUMENT
    assert "does not know" in refused(await read(path, 1))["message"]


async def test_a_message_that_is_too_large(recorded: Running, path: Path) -> None:
    assert await call(recorded, b"\x0a\x82\x80\x04" + b"x" * 65538) is grpc.StatusCode.RESOURCE_EXHAUSTED
    record = refused(await read(path, 1))
    assert (record["outcome"], record["reason"]) == ("refused", "BODY_TOO_LARGE")


async def test_at_the_limit(recorded: Running, path: Path) -> None:
    recorded.emulator.inject(InjectedFault(method=CREATE, delay_s=1.0, times=2))
    held = [asyncio.create_task(post(recorded, GOOD_IMAGE | {"name": name})) for name in ("one", "two")]
    await read(path, 2)
    assert await post(recorded, GOOD_IMAGE) == 429
    assert await call(recorded, b"") is grpc.StatusCode.RESOURCE_EXHAUSTED
    records = (await read(path, 4))[2:]
    for record in records:
        assert refused([record])["outcome"] == "refused"
        assert (record["code"], record["reason"]) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
    assert await asyncio.gather(*held) == [200, 200]


async def test_a_request_of_no_method_is_not_recorded(recorded: Running, path: Path) -> None:
    async with recorded.client.get(recorded.url("/nowhere")) as response:
        assert response.status == 404
    async with recorded.client.put(recorded.url(IMAGES)) as response:
        assert response.status == 405
    assert await post(recorded, GOOD_IMAGE) == 200
    assert [one["kind"] for one in await read(path, 1)] == ["decision"]


async def decision_log_condition(running: Running) -> dict[str, str]:
    async with running.client.get(
        running.admin("/readyz?verbose"), headers={"Accept": "application/json"}
    ) as response:
        assert response.status == 200
        conditions = {one["name"]: one for one in (await response.json())["conditions"]}
    return dict(conditions["decision_log"])


async def test_a_sink_that_cannot_write_refuses_no_call_that_has_ended(start: Start) -> None:
    running = await start(decision_log__type="file", decision_log__path="/dev/full")
    for _ in range(3):
        assert await post(running, {"x": 1}) == 400
    async with asyncio.timeout(20):  # nothing waits for these records
        while (condition := await decision_log_condition(running))["status"] != "degraded":
            await asyncio.sleep(0.01)
    assert "No space left" in condition["reason"]
    assert await post(running, GOOD_IMAGE) == 503
