"""Calls that wait for operations through a gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc.aio
import pytest

from gateway.config import Config
from gateway.operations.waiting.hub import WaitingHub
from gateway.operations.waiting.poller import Pace
from gateway.schema import Schema, load_schema
from tests.conftest import GOOD_IMAGE, IMAGES, Running
from tests.waiting import wait_for

GET = "yandex.cloud.operation.OperationService/Get"
WAIT, WATCH = "baremetal_gateway.v1.Operations/Wait", "baremetal_gateway.v1.Operations/Watch"
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture(scope="session")
def served() -> Schema:
    return load_schema(Config().served)


@pytest.fixture
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.emulator.server.POLL_INTERVAL_S", 0)
    pace = Pace(first_s=0.02, longest_s=0.05, tolerated_s=5, retry_s=0.05)
    monkeypatch.setattr("gateway.operations.waiting.hub.Pace", lambda: pace)


async def begin(running: Running, name: str = "ubuntu-24-04") -> str:
    """Start an operation, and return its path."""
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE | {"name": name}) as response:
        assert response.status == 200
        return f"/operations/{(await response.json())['id']}"


async def get(running: Running, path: str, **headers: str) -> tuple[int, Any]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with running.client.get(running.url(path), headers=names) as response:
        return response.status, await response.json()


def gets(running: Running) -> int:
    return sum(call.method == GET for call in running.emulator.calls)


def used(running: Running) -> set[str]:
    """Return the tokens with which the upstream was asked for operations."""
    calls = [dict(call.metadata) for call in running.emulator.calls if call.method == GET]
    return {str(one["authorization"]).removeprefix("Bearer ") for one in calls}


def hub_of(running: Running) -> WaitingHub:
    return running.gateway._waiting  # noqa: SLF001 - what is left behind shows only here


async def nothing_is_left(running: Running) -> None:
    hub = hub_of(running)
    await wait_for(lambda: not hub.waiters and not hub.tasks)
    assert hub._topics == {}  # noqa: SLF001 - as said


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, str]]:
    """Yield the events of a response, as fields; a comment has the field with an empty name."""
    fields: dict[str, str] = {}
    async for line in response.content:
        text = line.decode().rstrip("\n")
        if not text and fields:
            yield fields
            fields = {}
        elif text:
            name, _, value = text.partition(":")
            fields[name] = value.removeprefix(" ")


async def read_events(running: Running, path: str, **headers: str) -> list[dict[str, str]]:
    names = EVENTS | {name.replace("_", "-"): value for name, value in headers.items()}
    async with running.client.get(running.url(path), headers=names) as response:
        assert response.status == 200
        return [event async for event in events_of(response)]


def call(running: Running, served: Schema, method: str, **fields: Any) -> Any:
    """Return a function that calls a method over gRPC, within a channel of its own."""
    found = served.methods[method]
    channel = grpc.aio.insecure_channel(str(running.addresses.grpc))
    make: Any = channel.unary_stream if found.server_streaming else channel.unary_unary
    callable_ = make(
        found.path,
        request_serializer=found.request.SerializeToString,
        response_deserializer=found.reply.FromString,
    )
    return channel, lambda **options: callable_(found.request(**fields), **options)
