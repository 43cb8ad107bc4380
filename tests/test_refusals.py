"""Calls that end before any policy is evaluated: one record for each, without secrets."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from gateway.schema import Schema
from gateway.sinks.file import FileSink
from gateway.telemetry import Metrics
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.waiting import GENEROUS_S

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
CREATE = f"{SERVICE}/Create"
TOKEN = "t1.9euelZrPz.c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
SIGNATURE = "deadbeef" * 8
SIGNED = f"https://storage.yandexcloud.net/b/k.iso?X-Amz-Signature={SIGNATURE}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.jsonl"


async def one_record(path: Path) -> dict[str, Any]:
    """Return the only record, once it is written; a further one would be written with the next call."""
    async with asyncio.timeout(GENEROUS_S):
        while not path.read_text():
            await asyncio.sleep(0.01)
    (line,) = path.read_text().splitlines()
    return dict(json.loads(line))


async def send(running: Running, headers: Any, path: str = IMAGES, body: Any = GOOD_IMAGE) -> int:
    async with running.client.post(running.url(path), json=body, headers=headers) as response:
        await response.read()
        return response.status


HEADERS = {
    "a repeated header": ([("authorization", f"Bearer {TOKEN}"), ("authorization", TOKEN)], 400),
    "a malformed timeout": ([("grpc-timeout", f"Bearer {TOKEN}")], 400),
    "too much metadata": ([("authorization", TOKEN * 120)], 431),
}


@pytest.mark.parametrize(("headers", "status"), HEADERS.values(), ids=HEADERS)
async def test_malformed_headers_are_recorded_with_the_method(
    start: Start, path: Path, headers: list[tuple[str, str]], status: int
) -> None:
    running = await start(decision_log__type="file", decision_log__path=path)
    assert await send(running, headers) == status
    record = await one_record(path)
    outcome = "invalid" if status == 400 else "refused"
    assert (record["kind"], record["method"], record["outcome"]) == ("call", CREATE, outcome)
    assert (record["code"], record["request"], record["caller"]["address"]) == (
        "INVALID_ARGUMENT",
        None,
        "127.0.0.1",
    )
    assert TOKEN not in path.read_text()


@pytest.mark.parametrize("http_method", ["GET", "POST"])
async def test_malformed_headers_of_no_method_are_not_recorded(
    start: Start, path: Path, http_method: str
) -> None:
    running = await start(decision_log__type="file", decision_log__path=path)
    headers = [("authorization", "a"), ("authorization", "b")]
    async with running.client.request(http_method, running.url("/nowhere"), headers=headers) as response:
        assert response.status == 404
    assert await send(running, []) == 200
    assert (await one_record(path))["kind"] == "decision"


SECRETS: dict[str, dict[str, Any]] = {
    "an unknown field": {"body": {SIGNED: 1, f"Bearer {TOKEN}": 2}},
    "a value of another type": {"body": {"labels": {"a": [SIGNED, f"Bearer {TOKEN}"]}, "name": [TOKEN]}},
    "a value that is not valid": {"body": GOOD_IMAGE | {"name": f"Bearer {TOKEN}", "folderId": SIGNED}},
    "the name of a label": {"body": GOOD_IMAGE | {"labels": {SIGNED: "x", TOKEN: SIGNED}}},
    "a parameter": {"path": f"{IMAGES}?name=Bearer%20{TOKEN}&{SIGNED.partition('?')[2]}=1"},
    "text that is no JSON": {"body": f"{SIGNED} Bearer {TOKEN}"},
}


@pytest.mark.parametrize("request_of", SECRETS.values(), ids=SECRETS)
async def test_no_secret_is_in_a_record(start: Start, path: Path, request_of: dict[str, Any]) -> None:
    running = await start(decision_log__type="file", decision_log__path=path)
    headers = {"authorization": f"Bearer {TOKEN}", "idempotency-key": TOKEN}
    assert await send(running, headers, **request_of) == 400
    assert (await one_record(path))["outcome"] == "invalid"
    assert SIGNATURE not in path.read_text()
    assert TOKEN not in path.read_text()


async def test_no_secret_of_a_grpc_call_is_in_a_record(start: Start, path: Path, schema: Schema) -> None:
    running = await start(decision_log__type="file", decision_log__path=path)
    request = schema.methods[CREATE].request(name=f"Bearer {TOKEN}", uri=SIGNED, labels={SIGNED: TOKEN})
    metadata = [("authorization", f"Bearer {TOKEN}"), ("idempotency-key", TOKEN)]
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        create: Any = channel.unary_unary(f"/{CREATE}")
        for data in (request.SerializeToString(), request.SerializeToString() + b"\xf8\x7f\x01"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await create(data, metadata=metadata, timeout=GENEROUS_S)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    async with asyncio.timeout(GENEROUS_S):
        while path.read_text().count("\n") < 2:
            await asyncio.sleep(0.01)
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert (first["method"], first["request"]["uri"]) == (CREATE, SIGNED.partition("?")[0] + "?…")
    assert (second["request"], second["idempotency_key"]) == (None, "")
    assert SIGNATURE not in path.read_text()
    assert TOKEN not in path.read_text()


def lost(metrics: Metrics) -> float:
    for line in metrics.expose().decode().splitlines():
        if line.startswith("gateway_decision_log_lost_total"):
            return float(line.rpartition(" ")[2])
    return 0.0


async def test_a_full_queue_loses_records_and_holds_up_no_response(
    start: Start, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, write = threading.Event(), FileSink.write

    def write_later(self: FileSink, records: bytes) -> None:
        free.wait(GENEROUS_S)
        write(self, records)

    monkeypatch.setattr(FileSink, "write", write_later)
    running = await start(decision_log__type="file", decision_log__path=path, decision_log__capacity=6)
    async with asyncio.timeout(GENEROUS_S):
        for _ in range(10):
            assert await send(running, [], body={"x": 1}) == 400
    assert lost(running.metrics) == 7
    free.set()
    assert await send(running, []) in {200, 503}  # 503 while the queue is not written yet
    async with asyncio.timeout(GENEROUS_S):
        while path.read_text().count('"call"') < 3:
            await asyncio.sleep(0.01)
    assert await send(running, [], body=GOOD_IMAGE | {"name": "other-1"}) == 200
    assert path.read_text().count('"kind":"call"') == 3
    assert "gateway_calls_active 0.0" in running.metrics.expose().decode()
