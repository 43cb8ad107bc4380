"""An operation as server-sent events, through a gateway."""

from __future__ import annotations

import json

import pytest

from gateway.app import Gateway
from gateway.emulator import InjectedFault
from gateway.errors import Code
from tests.conftest import Start, make_config, plain_telemetry
from tests.waits import (
    EVENTS,
    GET,
    begin,
    events_of,
    get,
    nothing_is_left,
    quick_polls,
    read_events,
)

__all__ = ["quick_polls"]  # a fixture
pytestmark = pytest.mark.usefixtures("quick_polls")


async def test_each_change_is_an_event_with_the_same_id_in_each_replica(start: Start) -> None:
    running = await start(delay_s=0.3)
    path = await begin(running)
    async with running.client.get(running.url(path), headers=EVENTS) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.headers["x-request-id"]
        events = [event async for event in events_of(response)]
    assert ["done" in json.loads(event["data"]) for event in events] == [False, True]
    assert json.loads(events[-1]["data"]) == (await get(running, path))[1]
    assert len({event["id"] for event in events}) == 2
    other = Gateway(make_config(running.emulator.address), plain_telemetry())
    address = (await other.start()).rest
    async with running.client.get(f"http://{address}{path}", headers=EVENTS) as response:
        assert [event["id"] async for event in events_of(response)] == [events[-1]["id"]]
    await other.stop()


async def test_a_state_that_the_client_has_is_not_sent_again(start: Start) -> None:
    running = await start(delay_s=0.3)
    path = await begin(running)
    async with running.client.get(running.url(path), headers=EVENTS) as response:
        first = await anext(events_of(response))
    rest = await read_events(running, path, Last_Event_ID=first["id"])
    assert ["done" in json.loads(event["data"]) for event in rest] == [True]
    headers = EVENTS | {"Last-Event-ID": rest[0]["id"]}
    async with running.client.get(running.url(path), headers=headers) as response:
        assert (response.status, await response.read()) == (204, b"")  # an EventSource does not connect again
    await nothing_is_left(running)


async def test_a_silent_stream_has_heartbeats(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.listeners.http.operation_events.HEARTBEAT_S", 0.05)
    running = await start(delay_s=0.4)
    events = await read_events(running, await begin(running))
    assert [event for event in events if event == {"": ""}]
    assert "done" in json.loads(events[-1]["data"])


async def test_a_later_error_is_the_last_event(start: Start) -> None:
    running = await start(delay_s=60)
    path = await begin(running)
    async with running.client.get(running.url(path), headers=EVENTS) as response:
        events = events_of(response)
        await anext(events)
        running.emulator.inject(InjectedFault(method=GET, code=Code.PERMISSION_DENIED, times=None))
        last = await anext(events)
        assert last["event"] == "error"
        assert json.loads(last["data"])["code"] == Code.PERMISSION_DENIED
        assert await anext(events, None) is None
    await nothing_is_left(running)
