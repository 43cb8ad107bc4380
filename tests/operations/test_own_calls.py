"""The calls that the gateway makes itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf.message import Message

from gateway.call import Call, Reply, ReplyStream
from gateway.errors import GatewayError
from gateway.operations.own_calls import GET_OPERATION, OwnCalls, parse_request
from gateway.schema import Method, Schema
from gateway.telemetry import trace_id_of
from tests.ledger.records import CREATE, intent_of
from tests.operations.making import OPERATION_ID, open_call, operation_of

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


class ServedMethods:
    """Methods that are served, and a forwarder that keeps the calls."""

    def __init__(self, schema: Schema, reply: Reply | ReplyStream) -> None:
        self.methods: Mapping[str, Method] = {method.path: method for method in schema.methods.values()}
        self.calls: list[Call] = []
        self._reply = reply
        self.forwarder = self

    async def forward(self, call: Call) -> Reply | ReplyStream:
        self.calls.append(call)
        return self._reply


@pytest.fixture
def served(schema: Schema) -> ServedMethods:
    return ServedMethods(schema, Reply(message=operation_of(schema), metadata={}))


async def test_a_poll_has_no_credentials_and_is_not_sampled(served: ServedMethods) -> None:
    calls = OwnCalls(lambda: served, 7)
    method = calls.find(GET_OPERATION)
    assert method is not None
    given = open_call(operation_id=OPERATION_ID, record={"intent": intent_of(traceparent=TRACEPARENT)})
    reply = await calls.poll(given, method)
    assert getattr(reply.message, "id", "") == OPERATION_ID
    (call,) = served.calls
    assert (getattr(call.request, "operation_id", ""), call.idempotency_key) == (OPERATION_ID, "")
    assert (call.metadata, call.caller.id, call.id) == ({}, "", given.call_id)
    assert trace_id_of(call.span) == "a" * 32
    assert not call.span.is_recording()
    assert not call.span.get_span_context().trace_flags.sampled
    assert 6 < call.deadline - asyncio.get_running_loop().time() <= 7


async def test_a_resend_has_the_key_of_the_change(served: ServedMethods, schema: Schema) -> None:
    calls = OwnCalls(lambda: served, 7)
    method = schema.methods[CREATE]
    await calls.make(open_call(), method, method.request(name="n"), key="key-1")
    assert [call.idempotency_key for call in served.calls] == ["key-1"]
    assert len(trace_id_of(served.calls[0].span)) == 32


def test_the_active_snapshot_is_used_for_each_call(served: ServedMethods) -> None:
    snapshots: list[Any] = [served, SimpleNamespace(methods={})]
    calls = OwnCalls(lambda: snapshots.pop(0), 7)
    assert calls.find(GET_OPERATION) is not None
    assert calls.find(GET_OPERATION) is None


async def test_a_stream_is_closed_and_refused(schema: Schema) -> None:
    closed = []

    async def messages() -> AsyncGenerator[Message, None]:
        yield operation_of(schema)

    served = ServedMethods(schema, ReplyStream(messages(), lambda: closed.append(1)))
    method = schema.methods[CREATE]
    with pytest.raises(GatewayError) as raised:
        await OwnCalls(lambda: served, 7).make(open_call(), method, method.request())
    assert (raised.value.reason, closed) == ("STREAM", [1])


def test_a_recorded_request_is_parsed(schema: Schema) -> None:
    method = schema.methods[CREATE]
    request = method.request(name="n")
    assert parse_request(method, request.SerializeToString()) == request
    assert parse_request(method, b"\xff\xff") is None
