"""The key of a change: chosen before the decision, recorded, and sent to the upstream."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from gateway.schema import Schema
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.waiting import GENEROUS_S

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
CREATE, GET = f"{SERVICE}/Create", f"{SERVICE}/Get"
OWN = "2f6b4c1e-0000-4000-8000-000000000001"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.jsonl"


@pytest.fixture
async def recorded(start: Start, path: Path) -> Running:
    return await start(decision_log__type="file", decision_log__path=path)


async def records(path: Path, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(GENEROUS_S):
        while path.read_text().count("\n") < count:
            await asyncio.sleep(0.01)
    return [json.loads(line) for line in path.read_text().splitlines()]


async def create(running: Running, schema: Schema, protocol: str, key: str | None, name: str) -> None:
    """Create an image with a key, or without one."""
    if protocol == "rest":
        headers = {} if key is None else {"idempotency-key": key}
        image = GOOD_IMAGE | {"name": name}
        async with running.client.post(running.url(IMAGES), json=image, headers=headers) as response:
            assert response.status == 200
        return
    fields = {"folder_id": "b1gexample", **GOOD_IMAGE, "name": name}
    del fields["folderId"]
    request = schema.methods[CREATE].request(**fields)
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        call: Any = channel.unary_unary(f"/{CREATE}")
        metadata = [] if key is None else [("idempotency-key", key)]
        await call(request.SerializeToString(), metadata=metadata, timeout=GENEROUS_S)


def sent_keys(running: Running) -> list[Any]:
    return [dict(call.metadata).get("idempotency-key") for call in running.emulator.calls]


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
async def test_the_callers_own_key_is_sent_and_recorded(
    recorded: Running, path: Path, schema: Schema, protocol: str
) -> None:
    await create(recorded, schema, protocol, OWN, "image-1")
    (record,) = await records(path, 1)
    assert sent_keys(recorded) == [record["idempotency_key"]] == [OWN]


@pytest.mark.parametrize("key", [None, "", " "], ids=["none", "empty", "blank"])
@pytest.mark.parametrize("protocol", ["rest", "grpc"])
async def test_a_change_without_a_key_gets_one_of_its_own(
    recorded: Running, path: Path, schema: Schema, protocol: str, key: str | None
) -> None:
    for name in ("image-1", "image-2"):
        await create(recorded, schema, protocol, key, name)
    found = [record["idempotency_key"] for record in await records(path, 2)]
    assert sent_keys(recorded) == found
    assert len(set(found)) == 2
    assert [len(one) for one in found] == [36, 36]


async def test_an_invalid_change_is_recorded_with_its_key(recorded: Running, path: Path) -> None:
    headers = {"idempotency-key": OWN}
    async with recorded.client.post(recorded.url(IMAGES), json={}, headers=headers) as response:
        assert response.status == 400
    (record,) = await records(path, 1)
    assert (record["kind"], record["idempotency_key"]) == ("call", OWN)


async def test_a_denied_change_is_recorded_with_its_key(recorded: Running, path: Path) -> None:
    async with recorded.client.post(recorded.url(IMAGES), json=GOOD_IMAGE | {"labels": {}}) as response:
        assert response.status == 403
    (record,) = await records(path, 1)
    assert (record["decision"], len(record["idempotency_key"])) == ("deny", 36)


async def test_a_key_that_looks_like_a_token_is_sent_but_not_recorded(
    recorded: Running, path: Path, schema: Schema
) -> None:
    token = "t1.9euelZrPz.c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
    await create(recorded, schema, "rest", token, "image-1")
    await records(path, 1)
    assert sent_keys(recorded) == [token]
    assert token not in path.read_text()


async def test_a_read_has_no_key(recorded: Running) -> None:
    async with recorded.client.get(recorded.url(f"{IMAGES}/{'a' * 20}")) as response:
        assert response.status == 404
    assert sent_keys(recorded) == [None]
