"""The ledger of a gateway, seen from outside: what each call leaves in it."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.app import Gateway
from gateway.emulator import Emulator, InjectedFault
from gateway.errors import Code
from gateway.faults import FaultsError
from gateway.schema import Schema
from tests.conftest import IMAGES, Running, Start, make_config, plain_telemetry
from tests.served_ledger import (
    CANCEL,
    CREATE,
    IMAGE_SERVICE,
    LIST,
    call,
    condition,
    creates,
    events,
    metric,
    options,
    post,
    rows,
    wait_for_rows,
)
from tests.signed import SIGNATURE, sign_link
from tests.waiting import wait_for

TOKEN = "t1.9euelZrPz.c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
async def kept(start: Start, path: Path) -> Running:
    """A gateway with a ledger."""
    return await start(**options(path))


async def test_a_create_has_an_intent_and_an_outcome(kept: Running, path: Path) -> None:
    status, operation = await post(kept, x_request_id="mine")
    assert status == 200
    await wait_for_rows(path, 1, "outcome = 'ok'")
    decision, outcome = events(path)
    assert (decision["kind"], decision["outcome"], decision["code"]) == ("decision", "pending", None)
    assert (decision["decision"], decision["call_id"]) == ("allow", "mine")
    assert decision["target"]["name"] == "ubuntu-24-04"
    assert decision["request_sha256"]
    assert (outcome["kind"], outcome["id"], outcome["code"]) == ("outcome", decision["id"], "OK")
    assert outcome["operation"]["id"] == operation["id"]
    ((folder, name, caller, decided, operation_id, done, image, owner, trace),) = rows(
        path,
        "SELECT folder_id, name, caller, decision, operation_id, operation_done, resource_id, owner, "
        "trace_id FROM ledger_calls",
    )
    assert (folder, name, decided, done, owner) == ("b1gexample", "ubuntu-24-04", "allow", 0, None)
    assert operation_id == operation["id"]
    assert image == operation["metadata"]["imageId"]
    assert json.loads(caller)["address"] == "127.0.0.1"
    assert len(trace) == 32


async def test_the_intent_is_committed_before_the_create_is_forwarded(kept: Running, path: Path) -> None:
    kept.emulator.inject(InjectedFault(method=CREATE, drop=True))
    task = asyncio.create_task(post(kept))
    await wait_for(lambda: creates(kept))
    assert rows(path, "SELECT outcome, code FROM ledger_calls") == [("pending", None)]
    kept.emulator.clear_faults()
    await kept.emulator.stop()
    assert (await task)[0] != 200
    await wait_for(lambda: events(path, "outcome"))
    (outcome,) = events(path, "outcome")
    assert outcome["outcome"] == "pending"  # the upstream may have acted


async def test_a_create_over_grpc(kept: Running, path: Path, schema: Schema) -> None:
    code, reply = await call(kept, schema, CREATE)
    assert code is grpc.StatusCode.OK
    await wait_for_rows(path, 1, "outcome = 'ok'")
    assert rows(path, "SELECT method, operation_id FROM ledger_calls") == [(CREATE, reply.id)]


async def test_all_kinds_of_changes_have_intents(start: Start, path: Path) -> None:
    running = await start(**options(path))
    _, operation = await post(running)
    image = f"{IMAGES}/{operation['metadata']['imageId']}"
    async with running.client.patch(
        running.url(image), json={"description": "new", "updateMask": "description"}
    ) as response:
        assert response.status == 200, await response.text()
    async with running.client.delete(running.url(image)) as response:
        assert response.status == 200, await response.text()
    found = await wait_for_rows(path, 3, "outcome = 'ok'")
    assert [method.rpartition("/")[2] for method, _, _ in found] == ["Create", "Update", "Delete"]
    assert all("intent" in one for one in events(path, "decision"))
    assert {image_id for (image_id,) in rows(path, "SELECT resource_id FROM ledger_calls")} == {
        operation["metadata"]["imageId"]
    }


async def test_a_cancel_over_grpc_has_an_intent(kept: Running, path: Path, schema: Schema) -> None:
    _, operation = await call(kept, schema, CREATE)
    request = schema.methods[CANCEL].request(operation_id=operation.id)
    async with grpc.aio.insecure_channel(str(kept.addresses.grpc)) as channel:
        stub: Any = channel.unary_unary(f"/{CANCEL}")
        await stub(request.SerializeToString())
    await wait_for_rows(path, 2, "outcome = 'ok'")
    cancel = events(path, "decision")[-1]
    assert (cancel["method"], cancel["target"]) == (CANCEL, {"operation_id": operation.id})
    assert "intent" in cancel


async def test_a_denied_call_is_recorded(kept: Running, path: Path) -> None:
    assert (await post(kept, {"labels": {}}))[0] == 403
    assert await wait_for_rows(path, 1) == [(CREATE, "denied", "PERMISSION_DENIED")]
    (event,) = events(path)
    assert (event["decision"], "intent" in event) == ("deny", False)


async def test_an_invalid_call_is_recorded(kept: Running, path: Path) -> None:
    assert (await post(kept, {"name": "Bad Name"}))[0] == 400
    assert (await post(kept, {"name": 5}))[0] == 400
    found = await wait_for_rows(path, 2)
    assert found == [(CREATE, "invalid", "INVALID_ARGUMENT")] * 2
    assert {one["kind"] for one in events(path)} == {"call"}


async def test_a_refused_call_is_recorded(start: Start, path: Path) -> None:
    running = await start(**options(path, limits__concurrency=1))
    running.emulator.inject(InjectedFault(method=CREATE, delay_s=1))
    task = asyncio.create_task(post(running))
    await wait_for(lambda: creates(running))
    assert (await post(running))[0] == 429
    assert await wait_for_rows(path, 1, "outcome = 'refused'") == [(CREATE, "refused", "RESOURCE_EXHAUSTED")]
    await task


async def test_reads_are_recorded_when_they_have_ended(kept: Running, path: Path, schema: Schema) -> None:
    async with kept.client.get(kept.url(f"{IMAGES}?folderId=b1gexample")) as response:
        assert response.status == 200
    async with kept.client.get(kept.url(f"{IMAGES}/{'a' * 20}")) as response:
        assert response.status == 404
    assert (await call(kept, schema, LIST))[0] is grpc.StatusCode.OK
    assert await wait_for_rows(path, 3) == [
        (LIST, "ok", "OK"),
        (f"{IMAGE_SERVICE}/Get", "error", "NOT_FOUND"),
        (LIST, "ok", "OK"),
    ]
    assert rows(path, "SELECT DISTINCT decision, owner, due_us FROM ledger_calls") == [("none", None, None)]


async def test_an_error_of_the_upstream_is_the_outcome(kept: Running, path: Path) -> None:
    await post(kept)
    assert (await post(kept))[0] == 409
    assert (await wait_for_rows(path, 1, "outcome = 'error'")) == [(CREATE, "error", "ALREADY_EXISTS")]


async def test_attempts_are_recorded(kept: Running, path: Path) -> None:
    kept.emulator.inject(InjectedFault(method=CREATE, code=Code.UNAVAILABLE))
    assert (await post(kept))[0] == 200
    await wait_for(lambda: len(events(path)) == 3)
    assert [one["kind"] for one in events(path)] == ["decision", "attempt", "outcome"]
    assert events(path, "attempt")[0]["code"] == "UNAVAILABLE"


async def test_no_secret_is_in_any_table(start: Start, path: Path) -> None:
    running = await start(**options(path))
    image = {"uri": sign_link("https://storage.yandexcloud.net/golden-images/a.iso", expires_s=604800)}
    headers = {"authorization": f"Bearer {TOKEN}", "idempotency_key": f"Bearer {TOKEN}"}
    statuses = [(await post(running, image, **headers))[0] for _ in range(2)]
    image |= {"description": f"Bearer {TOKEN} {image['uri']}", "name": "second"}
    statuses += [(await post(running, image, **headers | {"idempotency_key": "k2"}))[0] for _ in range(2)]
    statuses.append((await post(running, image | {"name": "Bad Name"}, **headers))[0])
    async with running.client.get(
        running.url(f"{IMAGES}?folderId=b1g&filter=name%3D%22{TOKEN}%22"), headers={"authorization": TOKEN}
    ) as response:
        await response.read()
    await wait_for_rows(path, len(statuses) + 1)
    text = ""
    for (table,) in rows(path, "SELECT name FROM sqlite_master WHERE type = 'table'"):
        for row in rows(path, f"SELECT * FROM {table}"):  # noqa: S608 - a name from the database
            text += " ".join(map(str, row))
    for event in events(path):
        text += str(b64decode(event.get("reply", ""))) + str(
            b64decode(event.get("intent", {}).get("request", ""))
        )
    assert SIGNATURE[:16] not in text
    for part in (*TOKEN.split(".")[1:], TOKEN[:12]):
        assert part not in text
    files = b"".join(one.read_bytes() for one in path.parent.iterdir())
    assert SIGNATURE.encode() not in files
    assert TOKEN.encode() not in files


async def test_a_second_gateway_on_the_file_is_refused(kept: Running, path: Path) -> None:
    config = make_config(kept.emulator.address, **options(path))
    with pytest.raises(FaultsError, match=r"ledger\.url: another gateway \(process [0-9]+\) uses the file"):
        await Gateway(config, plain_telemetry()).start()
    assert (await post(kept))[0] == 200


@pytest.mark.parametrize("content", [b"x" * 4096, None], ids=["text", "folder"])
async def test_a_file_that_is_no_ledger_stops_the_start(path: Path, content: bytes | None) -> None:
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    async with Emulator() as emulator:
        gateway = Gateway(make_config(emulator.address, **options(path)), plain_telemetry())
        with pytest.raises(FaultsError, match=r"ledger\.url"):
            await gateway.start()
    assert content is None or path.read_bytes() == content


async def test_a_folder_that_does_not_exist_stops_the_start(tmp_path: Path) -> None:
    async with Emulator() as emulator:
        config = make_config(emulator.address, **options(tmp_path / "nowhere" / "ledger.db"))
        with pytest.raises(FaultsError, match=r"nowhere.*ledger\.url.*No such file or directory"):
            await Gateway(config, plain_telemetry()).start()


async def test_the_file_of_the_last_gateway_is_used_again(start: Start, path: Path) -> None:
    first = await start(**options(path))
    assert (await post(first))[0] == 200
    await first.gateway.stop()
    second = await start(**options(path))
    assert (await post(second))[0] == 200
    await wait_for_rows(path, 2, "outcome = 'ok'")
    assert [one["kind"] for one in events(path, "decision", "outcome")] == ["decision", "outcome"] * 2
    assert (await condition(second)) == (200, "ok", "")


async def test_a_stop_commits_everything(start: Start, path: Path) -> None:
    running = await start(**options(path))
    for number in range(5):
        assert (await post(running, {"name": f"image-{number}"}))[0] == 200
    async with running.client.get(running.url(f"{IMAGES}?folderId=b1g")) as response:
        assert response.status == 200
    await running.gateway.stop()
    assert len(rows(path, "SELECT * FROM ledger_calls WHERE outcome = 'ok'")) == 6
    assert rows(path, "SELECT * FROM ledger_leases") == []
    assert metric(running, "gateway_ledger_lost_total") == 0


async def test_only_the_owner_can_read_the_file(kept: Running, path: Path) -> None:
    await post(kept)
    modes = {one.name: one.stat().st_mode & 0o777 for one in path.parent.iterdir()}
    names = ("ledger.db", "ledger.db-shm", "ledger.db-wal", "ledger.db.lock")
    assert modes == dict.fromkeys(names, 0o600)
