"""The methods Wait and Watch."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.call import Call, Reply, ReplyStream
from gateway.config import OWN_SERVICES, WAITING_SERVICE
from gateway.errors import Code, GatewayError
from gateway.limits import ConcurrencyLimit
from gateway.operations.waiting.hub import WaitingHub
from gateway.operations.waiting.methods import SERVICE, WAIT, WATCH, WaitingMethods
from gateway.operations.waiting.poller import Pace
from gateway.schema import Schema, load_schema
from gateway.telemetry import Metrics
from tests.operations.waiting.conftest import GET, ControlledReader, MakeGet

QUICK = Pace(first_s=0.005, longest_s=0.01, retry_s=0.01)


async def permit(get: Call) -> Call:
    return get


class Waits:
    """Calls of Wait and Watch, with a reader that a test controls."""

    def __init__(self, reader: ControlledReader, schema: Schema, make_get: MakeGet) -> None:
        self.hub = WaitingHub(reader, 10, QUICK)
        self.methods = WaitingMethods(self.hub, schema.methods, 5)
        self.slots = ConcurrencyLimit(1, Metrics(Resource.create()))
        self._schema = schema
        self._make_get = make_get

    def make(self, method: str, caller_s: float | None = None, **timeout: int) -> Call:
        found = self._schema.methods[method]
        request: Any = found.request(operation_id="one")
        if timeout:
            request.timeout.seconds = timeout.get("seconds", 0)
            request.timeout.nanos = timeout.get("nanos", 0)
        call = self._make_get(method=found, request=request)
        if caller_s is None:
            return call
        return self._make_get(
            method=found, request=request, caller_deadline=asyncio.get_running_loop().time() + caller_s
        )

    async def handle(self, call: Call) -> Any:
        with await self.slots.acquire() as slot:
            reply = await self.methods.handle(call, slot, permit)
            (await self.slots.acquire()).release()  # the slot is free
            return reply


@pytest.fixture
def waits(reader: ControlledReader, served: Schema, make_get: MakeGet) -> Waits:
    return Waits(reader, served, make_get)


def test_the_configuration_and_the_methods_agree(served: Schema) -> None:
    assert (SERVICE, OWN_SERVICES[SERVICE]) == (WAITING_SERVICE, GET.rpartition("/")[0])
    own = {name: one for name, one in served.methods.items() if one.service == SERVICE}
    assert {name: (one.is_read, one.server_streaming) for name, one in own.items()} == {
        WAIT: (True, False),
        WATCH: (True, True),
    }


@pytest.mark.parametrize(
    ("seconds", "nanos", "shown"),
    [
        (0, 0, None),
        (5, 0, None),
        (4, 999_999_999, None),
        (5, 1, "5.000000001s"),
        (-1, 0, "-1s"),
        (0, -1, "-0.000000001s"),
        (1, 1_000_000_000, "2s"),
        (10**12, 0, "1000000000000s"),
    ],
)
async def test_timeouts_have_a_range(waits: Waits, seconds: int, nanos: int, shown: str | None) -> None:
    request = waits.make(WAIT, seconds=seconds, nanos=nanos).request
    found = waits.methods.find_violations(WAIT, request)
    assert [one.field for one in found] == ([] if shown is None else ["timeout"])
    if shown is not None:
        assert found[0].description == f"{shown} is not allowed; it must be from 0s to 5s"


async def test_other_requests_have_no_such_range(waits: Waits, make_get: MakeGet) -> None:
    assert waits.methods.find_violations(WATCH, waits.make(WATCH).request) == []
    assert waits.methods.find_violations(GET, make_get().request) == []


async def test_a_wait_returns_the_last_state(waits: Waits, reader: ControlledReader) -> None:
    reply = await waits.handle(waits.make(WAIT, nanos=30_000_000))
    assert isinstance(reply, Reply)
    assert reply.message.id == "one"  # type: ignore[attr-defined]
    reader.done = True
    assert (await waits.handle(waits.make(WAIT))).message.done


async def test_the_caller_s_deadline_is_an_error(waits: Waits) -> None:
    with pytest.raises(GatewayError) as caught:
        await waits.handle(waits.make(WAIT, caller_s=0.03, seconds=5))
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    replies = await waits.handle(waits.make(WATCH, caller_s=0.03))
    assert isinstance(replies, ReplyStream)
    await anext(replies)
    with pytest.raises(GatewayError) as caught:
        await anext(replies)
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    await replies.aclose()
    assert waits.hub.waiters == 0


async def test_a_watch_shows_each_state(waits: Waits, reader: ControlledReader) -> None:
    replies = await waits.handle(waits.make(WATCH))
    found = []
    async for message in replies:
        found.append((message.modified_at.seconds, message.done))
        reader.number += 1
        reader.done = reader.number == 3
    assert (found[0], found[-1]) == ((0, False), (3, True))
    assert found == sorted(set(found))


async def test_a_stream_that_is_closed_leaves_no_waiter(waits: Waits) -> None:
    replies = await waits.handle(waits.make(WATCH))
    await anext(replies)
    assert waits.hub.waiters == 1
    await replies.aclose()
    assert waits.hub.waiters == 0


async def test_the_equal_call_of_get_is_decided_on(waits: Waits) -> None:
    async def refuse(get: Call) -> Call:
        request: Any = get.request
        assert (get.method.name, request.operation_id) == (GET, "one")
        raise GatewayError(Code.PERMISSION_DENIED, "POLICY_VIOLATION", "no")

    with await waits.slots.acquire() as slot, pytest.raises(GatewayError, match="no"):
        await waits.methods.handle(waits.make(WAIT), slot, refuse)
    assert waits.hub.waiters == 0


async def test_the_reply_has_the_type_of_the_call_s_own_schema(
    waits: Waits, make_get: MakeGet, reader: ControlledReader
) -> None:
    other = load_schema(["yandex.cloud.operation.OperationService", SERVICE])
    method = other.methods[WAIT]
    reader.done = True
    call = make_get(method=method, request=method.request(operation_id="one"))
    reply = await waits.handle(call)
    assert isinstance(reply.message, method.reply)


async def test_only_changes_start_operations(waits: Waits, make_get: MakeGet, served: Schema) -> None:
    create = served.methods["yandex.cloud.baremetal.v1alpha.ImageService/Create"]
    operation = create.reply(id="new")
    waits.methods.note_reply(make_get(), operation)
    assert not waits.hub._started  # noqa: SLF001 - it shows only in the time of a 404
    waits.methods.note_reply(make_get(method=create), operation)
    waits.methods.note_reply(make_get(method=create), create.request())
    assert len(waits.hub._started) == 1  # noqa: SLF001 - as said
