"""Following operations: when a poll is repeated, and what the end of an operation is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.rpc import status_pb2

from gateway.errors import Code
from gateway.ledger.operation_facts import read_operation
from gateway.operations.following import FIRST_INTERVAL_S, LONGEST_INTERVAL_S, TOLERATED_S, Follower
from gateway.operations.own_calls import GET_OPERATION
from gateway.schema import Schema
from gateway.telemetry import Tracing
from tests.ledger.records import intent_of
from tests.operations.making import (
    IMAGE_ID,
    OPERATION_ID,
    CollectingWriter,
    ScriptedCalls,
    error_of,
    make_metrics,
    make_tracing,
    metric,
    open_call,
    operation_of,
)

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


class Following:
    """A follower whose polls are answered to order."""

    def __init__(self, schema: Schema, *answers: Any) -> None:
        self.calls = ScriptedCalls(schema, *answers)
        self.writer = CollectingWriter()
        self.metrics = make_metrics()
        self.tracing, self.exporter = make_tracing()
        self.follower = Follower(self.calls, self.writer, self.metrics, self.tracing)

    async def poll(self, **changes: Any) -> float | None:
        call = open_call(**{"outcome": "ok", "operation_id": OPERATION_ID} | changes)
        return await self.follower.poll(call)

    def recorded(self) -> dict[str, Any]:
        (entry,) = self.writer.added
        assert entry.event.kind == "operation"
        assert entry.fence == 3
        operation: dict[str, Any] = json.loads(entry.event.body)["operation"]
        return operation


async def test_a_running_operation_is_polled_again(schema: Schema) -> None:
    followed = Following(schema, operation_of(schema))
    after_s = await followed.poll()
    assert after_s is not None
    assert 0.8 * FIRST_INTERVAL_S <= after_s <= 1.2 * FIRST_INTERVAL_S
    assert [(name, request.operation_id, key) for name, request, key in followed.calls.made] == [
        ("Get", OPERATION_ID, "")
    ]
    assert followed.writer.added == []


async def test_each_modification_of_a_running_operation_is_recorded_once(schema: Schema) -> None:
    states = [operation_of(schema) for _ in range(4)]
    for state, seconds in zip(states, (100, 101, 101, 102), strict=True):
        state.created_at.seconds, state.modified_at.seconds = 100, seconds
    followed = Following(schema, *states)
    for _ in states:
        assert await followed.poll() is not None
    assert [json.loads(one.event.body)["operation"] for one in followed.writer.added] == [
        {"id": OPERATION_ID, "modified_at": f"1970-01-01T00:01:4{second}Z"} for second in (1, 2)
    ]
    assert [one.row for one in followed.writer.added] == [None, None]  # this replica still follows it


async def test_the_intervals_grow_to_a_limit(schema: Schema) -> None:
    for tries, expected in ((0, 1.0), (1, 1.5), (2, 2.25), (8, 25.6), (9, 30), (10_000, 30)):
        after_s = await Following(schema, operation_of(schema)).poll(tries=tries)
        assert after_s is not None
        assert 0.8 * expected - 0.1 <= after_s <= 1.2 * expected + 0.1
        assert after_s <= 1.2 * LONGEST_INTERVAL_S


@pytest.mark.parametrize(
    ("given", "expected"),
    [("7", 7), ("100000", 300), ("", 1), ("soon", 1), ("-5", 1), ("nan", 1), ("inf", 300), ("0.001", 1)],
)
async def test_the_upstream_may_ask_for_a_longer_interval(
    schema: Schema, given: str, expected: float
) -> None:
    followed = Following(schema, operation_of(schema))
    followed.calls.metadata = {"x-operation-poll-interval": given}
    after_s = await followed.poll()
    assert after_s is not None
    assert 0.8 * expected <= after_s <= 1.2 * expected


async def test_the_end_is_recorded_with_the_image(schema: Schema) -> None:
    followed = Following(schema, operation_of(schema, done=True))
    record = {"intent": intent_of(traceparent=TRACEPARENT)}
    call = open_call(outcome="ok", operation_id=OPERATION_ID, age_s=5, record=record)
    assert await followed.follower.poll(call) is None
    assert followed.recorded() == {
        "id": OPERATION_ID,
        "done": True,
        "code": "OK",
        "resource_id": IMAGE_ID,
    }
    assert metric(followed.metrics, "gateway_operation_duration_seconds_count{") == "1.0"
    assert 5 <= float(metric(followed.metrics, "gateway_operation_duration_seconds_sum{")) < 6
    (span,) = followed.exporter.get_finished_spans()
    assert (span.name, f"{span.context.trace_id:x}") == ("operation", "a" * 32)
    assert span.start_time == call.time_us * 1000
    assert dict(span.attributes or {})["resource.id"] == IMAGE_ID


async def test_a_failed_operation_has_its_code_and_a_redacted_error(schema: Schema) -> None:
    error = status_pb2.Status(code=9, message="no access to https://h/b?X-Amz-Signature=0123")
    operation = operation_of(schema, done=True)
    operation.error.ParseFromString(error.SerializeToString())
    followed = Following(schema, operation)
    assert await followed.poll() is None
    found = followed.recorded()
    assert (found["code"], found["done"]) == ("FAILED_PRECONDITION", True)
    assert "0123" not in found["error"]


async def test_a_clock_that_was_set_back_gives_no_negative_duration(schema: Schema) -> None:
    followed = Following(schema, operation_of(schema, done=True))
    assert await followed.poll(age_s=-3600, record={"intent": intent_of(traceparent=TRACEPARENT)}) is None
    assert metric(followed.metrics, "gateway_operation_duration_seconds_sum{") == "0.0"
    (span,) = followed.exporter.get_finished_spans()
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.start_time <= span.end_time


async def test_an_operation_may_not_be_found_at_first_however_old_its_call_is(schema: Schema) -> None:
    for tries in (0, 3, int(TOLERATED_S / FIRST_INTERVAL_S) - 1):
        followed = Following(schema, error_of(Code.NOT_FOUND))
        assert await followed.poll(tries=tries, age_s=3000) == FIRST_INTERVAL_S
        assert followed.writer.added == []


@pytest.mark.parametrize(
    ("code", "tries"),
    [
        (Code.NOT_FOUND, int(TOLERATED_S / FIRST_INTERVAL_S)),
        (Code.PERMISSION_DENIED, 0),
        (Code.UNAUTHENTICATED, 0),
        (Code.UNIMPLEMENTED, 0),
        (Code.INVALID_ARGUMENT, 0),
    ],
)
async def test_some_errors_end_the_following(schema: Schema, code: Code, tries: int) -> None:
    followed = Following(schema, error_of(code))
    assert await followed.poll(tries=tries) is None
    assert followed.recorded() == {"id": OPERATION_ID, "code": code.name}
    (entry,) = followed.writer.added
    assert entry.row is not None
    assert entry.row.due_us is None
    assert metric(followed.metrics, "gateway_operation_duration_seconds_count{") == ""


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.INTERNAL, Code.CANCELLED])
async def test_other_errors_do_not(schema: Schema, code: Code) -> None:
    followed = Following(schema, error_of(code))
    assert await followed.poll(tries=2) is not None
    assert followed.writer.added == []


async def test_an_operation_is_not_followed_if_no_method_returns_it(schema: Schema) -> None:
    followed = Following(schema)
    followed.calls.forget(GET_OPERATION)
    assert await followed.poll() is None
    assert followed.recorded()["code"] == "UNIMPLEMENTED"


async def test_an_observed_end_has_no_fence(schema: Schema) -> None:
    writer = CollectingWriter()
    follower = Follower(ScriptedCalls(schema), writer, make_metrics(), Tracing())
    facts = read_operation(operation_of(schema, done=True))
    follower.record_end(open_call(), facts, is_claimed=False)
    assert [entry.fence for entry in writer.added] == [None]
