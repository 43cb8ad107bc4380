"""An operation as server-sent events."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.config import Config
from gateway.errors import Code, GatewayError
from gateway.listeners.http.operation_events import (
    HEARTBEAT,
    OperationEvents,
    find_watch,
    make_framing,
    to_watch_request,
)
from gateway.operations.waiting import WATCH, state_id
from gateway.schema import Schema, load_schema

OPERATION = "yandex.cloud.operation.Operation"
GET = "yandex.cloud.operation.OperationService/Get"


def test_a_state_is_sent_once(schema: Schema) -> None:
    operation: Any = schema.message(OPERATION)(id="one")
    framing = OperationEvents("")
    assert framing.frame(b"{}", operation) == f"id: {state_id(operation)}\ndata: {{}}\n\n".encode()
    assert framing.frame(b"{}", operation) == b""
    operation.done = True
    assert not framing.is_complete(operation)
    assert framing.frame(b"{}", operation)
    assert framing.is_complete(operation)


def test_the_client_names_the_state_that_it_has(schema: Schema) -> None:
    operation = schema.message(OPERATION)(id="one")
    request = make_mocked_request("GET", "/", headers={"Last-Event-ID": state_id(operation)})
    framing = make_framing(request)
    assert framing.frame(b"{}", operation) == b""
    assert make_framing(make_mocked_request("GET", "/")).last_id == ""


def test_errors() -> None:
    framing = OperationEvents("")
    failed = GatewayError(Code.INTERNAL, "INTERNAL", "it failed")
    assert framing.frame_error(failed, b"{}") == b"event: error\ndata: {}\n\n"
    stops = GatewayError(Code.UNAVAILABLE, "STOPPING", "it stops")
    assert framing.frame_error(stops, b"{}") == b""


def test_a_heartbeat_is_a_comment() -> None:
    assert HEARTBEAT == b":\n\n"
    assert OperationEvents("").heartbeat_s == 15


@pytest.mark.parametrize(
    ("method", "accept", "is_watch"),
    [
        (GET, "text/event-stream", True),
        (GET, "application/json", False),
        ("yandex.cloud.operation.OperationService/Cancel", "text/event-stream", False),
    ],
)
def test_which_requests_are_for_events(schema: Schema, method: str, accept: str, is_watch: bool) -> None:  # noqa: FBT001 - a case
    class _Exchange:
        class snapshot:  # noqa: N801 - as the attribute
            methods = {f"/{WATCH}": "watch"}  # noqa: RUF012 - not changed

    request = make_mocked_request("GET", "/", headers={"Accept": accept})
    exchange: Any = _Exchange
    found = find_watch(request, exchange, schema.methods[method])
    assert (found == "watch") == is_watch  # type: ignore[comparison-overlap]


def test_the_request_of_a_watch_names_the_same_operation(schema: Schema) -> None:
    watch = load_schema(Config().served).methods[WATCH]
    assert to_watch_request(watch, schema.methods[GET].request(operation_id="one")) == watch.request(
        operation_id="one"
    )
