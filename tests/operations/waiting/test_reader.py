"""Reads of operations with the credentials of waiting callers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from google.protobuf.message import Message

from gateway.call import Call, Reply, ReplyStream
from gateway.errors import Code, GatewayError
from gateway.operations.waiting.reader import MAX_REQUESTED_S, OperationReader
from gateway.schema import Method, Schema
from tests.operations.waiting.conftest import GET, OPERATION, MakeGet


class FixedServing:
    """Serves operations that a test sets."""

    def __init__(self, schema: Schema) -> None:
        self.methods: Mapping[str, Method] = {one.path: one for one in schema.methods.values()}
        self.calls: list[Call] = []
        self.active = self.most_active = 0
        self.reply: Reply | ReplyStream = Reply(message=schema.message(OPERATION)(id="one"), metadata={})

    @property
    def forwarder(self) -> FixedServing:
        return self

    async def forward(self, call: Call) -> Reply | ReplyStream:
        self.calls.append(call)
        self.active += 1
        self.most_active = max(self.active, self.most_active)
        await asyncio.sleep(0.01)
        self.active -= 1
        return self.reply


@pytest.fixture
def serving(served: Schema) -> FixedServing:
    return FixedServing(served)


async def test_the_caller_s_credentials_are_sent(serving: FixedServing, make_get: MakeGet) -> None:
    reader = OperationReader(lambda: serving, 30, 1)
    get = make_get("Bearer a", idempotency_key="k")
    get = make_get(metadata={**get.metadata, "idempotency-key": "k"}, deadline=0.0)
    reading = await reader.confirm(get)
    assert reading.state.message.id == "one"
    (call,) = serving.calls
    request: Any = call.request
    assert (call.method.name, request.operation_id) == (GET, "one")
    assert (dict(call.metadata), call.idempotency_key) == ({"authorization": "Bearer a"}, "")
    assert 20 < call.deadline - asyncio.get_running_loop().time() <= 30
    assert call.span is get.span
    await reader.poll(get)
    assert serving.calls[1].deadline - asyncio.get_running_loop().time() <= 10


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 0), ("2", 2), ("0.5", 0.5), ("-1", 0), ("nan", 0), ("inf", 0), ("1e9", MAX_REQUESTED_S), ("x", 0)],
)
async def test_the_interval_that_the_upstream_asks_for(
    serving: FixedServing, make_get: MakeGet, text: str, seconds: float
) -> None:
    metadata = {"x-operation-poll-interval": text} if text else {}
    assert isinstance(serving.reply, Reply)
    serving.reply = Reply(message=serving.reply.message, metadata=metadata)
    reading = await OperationReader(lambda: serving, 30, 1).poll(make_get())
    assert reading.requested_s == seconds


async def test_the_number_of_concurrent_reads_is_limited(serving: FixedServing, make_get: MakeGet) -> None:
    reader = OperationReader(lambda: serving, 30, 2)
    await asyncio.gather(*(reader.confirm(make_get()) for _ in range(6)))
    assert serving.most_active == 2


async def test_what_is_not_served_cannot_be_read(serving: FixedServing, make_get: MakeGet) -> None:
    serving.methods = {}
    with pytest.raises(GatewayError) as caught:
        await OperationReader(lambda: serving, 30, 1).poll(make_get())
    assert caught.value.code is Code.UNIMPLEMENTED


async def test_a_stream_is_no_operation(serving: FixedServing, make_get: MakeGet) -> None:
    async def nothing() -> AsyncGenerator[Message, None]:
        return
        yield

    serving.reply = ReplyStream(nothing())
    with pytest.raises(GatewayError) as caught:
        await OperationReader(lambda: serving, 30, 1).poll(make_get())
    assert caught.value.code is Code.UNIMPLEMENTED
