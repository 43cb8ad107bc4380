"""Idempotency keys of callers: one change for each key, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.emulator import InjectedFault
from gateway.errors import Code
from gateway.schema import Schema
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.ledger.conftest import postgres
from tests.postgres import PostgresServer
from tests.served_ledger import (
    CREATE,
    call,
    creates,
    events,
    forget_keys,
    options,
    post,
    reason,
    rows,
    wait_for_rows,
)
from tests.waiting import wait_for

__all__ = ["postgres"]  # a fixture

KEY = "2f6b4c1e-0000-4000-8000-000000000001"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture(params=["sqlite", "postgresql"])
async def kept(request: pytest.FixtureRequest, start: Start, path: Path) -> AsyncIterator[Running]:
    """A gateway with a ledger in each kind of database."""
    if request.param == "sqlite":
        yield await start(**options(path))
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        yield await start(ledger__enabled=True, ledger__url=await server.create_database())


async def test_the_same_request_gets_the_same_operation(kept: Running, schema: Schema) -> None:
    first = await post(kept, idempotency_key=KEY)
    forget_keys(kept)
    assert first[0] == 200
    assert await post(kept, idempotency_key=KEY) == first
    code, reply = await call(kept, schema, CREATE, idempotency_key=KEY)
    assert (code, reply.id) == (grpc.StatusCode.OK, first[1]["id"])
    assert creates(kept) == 1


async def test_the_order_of_labels_does_not_matter(kept: Running) -> None:
    labels = GOOD_IMAGE["labels"]
    first = await post(kept, idempotency_key=KEY)
    again = await post(kept, {"labels": dict(reversed(labels.items()))}, idempotency_key=KEY)
    assert first == again
    assert creates(kept) == 1


async def test_another_request_with_the_key_is_refused(kept: Running, schema: Schema) -> None:
    assert (await post(kept, idempotency_key=KEY))[0] == 200
    status, body = await post(kept, {"name": "other"}, idempotency_key=KEY)
    assert (status, body["code"], reason(body)) == (400, 3, "IDEMPOTENCY_KEY_REUSED")
    code, _ = await call(kept, schema, CREATE, idempotency_key="another")
    assert code is grpc.StatusCode.ALREADY_EXISTS  # the name is taken: another key is another request
    assert creates(kept) == 2


async def test_another_method_with_the_key_is_refused(kept: Running) -> None:
    _, operation = await post(kept, idempotency_key=KEY)
    image = kept.url(f"{IMAGES}/{operation['metadata']['imageId']}")
    async with kept.client.delete(image, headers={"idempotency-key": KEY}) as response:
        body = await response.json()
    assert (response.status, reason(body)) == (400, "IDEMPOTENCY_KEY_REUSED")
    assert len(kept.emulator.calls) == 1


async def test_concurrent_calls_with_one_key_are_one_create(start: Start, path: Path) -> None:
    running = await start(**options(path))
    running.emulator.inject(InjectedFault(method=CREATE, delay_s=0.1))
    found = await asyncio.gather(*(post(running, idempotency_key=KEY) for _ in range(100)))
    assert creates(running) == 1
    assert {status for status, _ in found} == {200}
    assert len({body["id"] for _, body in found}) == 1
    await wait_for_rows(path, 100, "outcome = 'ok'")
    repeats = [one for one in events(path, "decision") if "repeats" in one]
    assert len(repeats) == 99
    assert {one["repeats"] for one in repeats} == {events(path, "decision")[0]["id"]}


async def test_concurrent_calls_with_one_key_and_other_requests(kept: Running) -> None:
    kept.emulator.inject(InjectedFault(method=CREATE, delay_s=0.1))
    first = asyncio.create_task(post(kept, idempotency_key=KEY))
    await wait_for(lambda: creates(kept))
    others = await asyncio.gather(
        *(post(kept, {"name": f"other-{n}"}, idempotency_key=KEY) for n in range(10))
    )
    assert {(status, reason(body)) for status, body in others} == {(400, "IDEMPOTENCY_KEY_REUSED")}
    assert (await first)[0] == 200
    assert creates(kept) == 1


async def test_different_callers_with_one_key_get_one_image_each(kept: Running) -> None:
    ids = set()
    for number in range(3):
        status, body = await post(
            kept, {"name": f"image-{number}"}, idempotency_key=KEY, authorization=f"Bearer t{number}"
        )
        forget_keys(kept)  # the emulator does not distinguish callers
        assert status == 200, body
        ids.add(body["id"])
    assert len(ids) == 3
    assert creates(kept) == 3


async def test_a_call_that_the_upstream_refused_frees_its_key(kept: Running) -> None:
    kept.emulator.inject(InjectedFault(method=CREATE, code=Code.PERMISSION_DENIED))
    assert (await post(kept, idempotency_key=KEY))[0] == 403
    status, _ = await post(kept, {"name": "corrected"}, idempotency_key=KEY)
    assert status == 200
    assert creates(kept) == 2


async def test_a_denied_call_takes_no_key(kept: Running) -> None:
    assert (await post(kept, {"labels": {}}, idempotency_key=KEY))[0] == 403
    assert (await post(kept, idempotency_key=KEY))[0] == 200


async def test_calls_that_wait_for_a_refused_call_try_themselves(kept: Running) -> None:
    kept.emulator.inject(InjectedFault(method=CREATE, code=Code.PERMISSION_DENIED, delay_s=0.1))
    found = await asyncio.gather(*(post(kept, idempotency_key=KEY) for _ in range(10)))
    assert sorted(status for status, _ in found) == [200] * 9 + [403]
    assert creates(kept) == 2


async def test_a_call_of_unknown_outcome_is_settled_by_its_repetition(start: Start, path: Path) -> None:
    running = await start(**options(path, limits__attempts=1))
    running.emulator.inject(InjectedFault(method=CREATE, code=Code.INTERNAL, after_effect=True))
    assert (await post(running, idempotency_key=KEY))[0] == 500
    status, body = await post(running, idempotency_key=KEY)
    assert status == 200
    async with running.client.get(running.url(f"{IMAGES}?folderId=b1gexample")) as response:
        assert len((await response.json())["images"]) == 1
    await wait_for_rows(path, 3, "outcome = 'ok'")
    (settlement,) = events(path, "settlement")
    assert (settlement["outcome"], settlement["by"]) == ("ok", "repeat")
    assert settlement["operation"]["id"] == body["id"]
    forget_keys(running)
    assert (await post(running, idempotency_key=KEY))[1]["id"] == body["id"]
    assert creates(running) == 2


async def test_a_repetition_while_the_first_call_is_under_way_ends_at_its_deadline(
    start: Start, path: Path, schema: Schema
) -> None:
    running = await start(**options(path))
    running.emulator.inject(InjectedFault(method=CREATE, delay_s=1.5))
    first = asyncio.create_task(post(running, idempotency_key=KEY))
    await wait_for(lambda: creates(running))
    async with running.client.post(
        running.url(IMAGES), json=GOOD_IMAGE, headers={"idempotency-key": KEY, "grpc-timeout": "200m"}
    ) as response:
        body = await response.json()
    assert (response.status, body["code"]) == (504, 4)
    assert "still under way" in body["message"]
    assert (await first)[0] == 200
    assert creates(running) == 1
    refused = await wait_for_rows(path, 1, "outcome = 'refused'")
    assert refused == [(CREATE, "refused", "DEADLINE_EXCEEDED")]
    assert (await call(running, schema, CREATE, idempotency_key=KEY))[0] is grpc.StatusCode.OK


async def test_after_a_restart_the_key_is_known(start: Start, path: Path) -> None:
    first = await start(**options(path))
    status, body = await post(first, idempotency_key=KEY)
    assert status == 200
    await first.gateway.stop()
    second = await start(**options(path))
    assert await post(second, idempotency_key=KEY) == (status, body)
    status, body = await post(second, {"name": "other"}, idempotency_key=KEY)
    assert reason(body) == "IDEMPOTENCY_KEY_REUSED"
    assert creates(second) == 0


async def test_a_key_expires(start: Start, path: Path) -> None:
    running = await start(**options(path, ledger__idempotency_retention="0.2"))
    assert (await post(running, idempotency_key=KEY))[0] == 200
    await asyncio.sleep(0.25)
    status, body = await post(running, {"name": "later"}, idempotency_key=KEY)
    assert reason(body) != "IDEMPOTENCY_KEY_REUSED"
    assert status == 400  # of the emulator, which keeps keys
    assert creates(running) == 2


async def test_calls_without_a_key_are_changes_of_their_own(kept: Running) -> None:
    statuses = [(await post(kept))[0], (await post(kept, idempotency_key=" "))[0]]
    assert statuses == [200, 409]
    assert creates(kept) == 2


async def test_a_repeated_call_is_in_the_ledger(start: Start, path: Path) -> None:
    running = await start(**options(path))
    _, operation = await post(running, idempotency_key=KEY)
    await post(running, idempotency_key=KEY)
    await wait_for_rows(path, 2, "outcome = 'ok'")
    first, second = events(path, "decision")
    assert second["repeats"] == first["id"]
    assert "intent" not in second
    found = rows(path, "SELECT operation_id, owner, due_us FROM ledger_calls ORDER BY seq")
    assert [one[0] for one in found] == [operation["id"]] * 2
    assert found[1][1:] == (None, None)
    assert len(rows(path, "SELECT * FROM ledger_keys")) == 1


async def test_two_gateways_with_one_postgresql(start: Start, postgres: PostgresServer) -> None:
    given: dict[str, Any] = {"ledger__enabled": True, "ledger__url": await postgres.create_database()}
    first = await start(**given)
    address = first.emulator.address
    upstreams = {f"upstreams__{name}__address": address for name in ("baremetal", "operation")}
    second = await start(**given, **upstreams)
    first.emulator.inject(InjectedFault(method=CREATE, delay_s=0.3))
    found = await asyncio.gather(
        *(post(running, idempotency_key=KEY) for running in (first, second) for _ in range(20))
    )
    assert creates(first) == 1
    assert {status for status, _ in found} == {200}
    assert len({json.dumps(body["id"]) for _, body in found}) == 1
    forget_keys(first)
    status, body = await post(second, {"name": "other"}, idempotency_key=KEY)
    assert (status, reason(body)) == (400, "IDEMPOTENCY_KEY_REUSED")
    assert creates(first) == 1


async def test_a_caller_that_leaves_does_not_end_the_change_of_its_key(kept: Running) -> None:
    kept.emulator.inject(InjectedFault(method=CREATE, delay_s=0.3))
    task = asyncio.create_task(post(kept, idempotency_key=KEY))
    await wait_for(lambda: creates(kept))
    task.cancel()
    await asyncio.wait([task])
    assert (await post(kept, idempotency_key=KEY))[0] == 200
    assert creates(kept) == 1


async def test_an_odd_key_is_refused_as_invalid(kept: Running) -> None:
    assert (await post(kept, idempotency_key="é"))[0] == 400
    assert creates(kept) == 0


async def test_an_operation_whose_reply_was_not_kept_is_read_again(kept: Running, schema: Schema) -> None:
    _, made = await post(kept, GOOD_IMAGE | {"name": "other"})
    operation: Any = schema.methods[CREATE].reply(id=made["id"])
    operation.description = f"https://storage.yandexcloud.net/b/k?X-Amz-Signature={'a' * 64}"
    kept.emulator.inject(InjectedFault(method=CREATE, reply=operation.SerializeToString(), times=1))
    assert (await post(kept, idempotency_key=KEY, authorization="Bearer a"))[0] == 200
    count = creates(kept)
    status, again = await post(kept, idempotency_key=KEY, authorization="Bearer a")
    assert (status, again["id"], again["description"]) == (200, made["id"], "Create image")
    assert creates(kept) == count
    sent = kept.emulator.calls[-1]
    assert sent.method.endswith("OperationService/Get")
    assert dict(sent.metadata)["authorization"] == "Bearer a"
