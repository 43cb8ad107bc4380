"""The health of the gateway over gRPC, read with the client of grpcio-health-checking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.config import Config
from gateway.telemetry import Status
from tests.conftest import Running, Start
from tests.listeners.rpc.conftest import call_list
from tests.waiting import GENEROUS_S

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
IMAGES, OPERATIONS, OWN = (
    "yandex.cloud.baremetal.v1alpha.ImageService",
    "yandex.cloud.operation.OperationService",
    "baremetal_gateway.v1.Operations",
)


@pytest.fixture
async def channels() -> AsyncIterator[Any]:
    opened: list[grpc.aio.Channel] = []

    def stub(running: Running) -> Any:
        opened.append(grpc.aio.insecure_channel(str(running.addresses.grpc)))
        return health_pb2_grpc.HealthStub(opened[-1])

    yield stub
    for channel in opened:
        await channel.close()


def asked(service: str = "") -> Any:
    return health_pb2.HealthCheckRequest(service=service)


def set_ready(running: Running, *, is_ready: bool) -> None:
    status = Status.OK if is_ready else Status.FAILED
    running.gateway._health.set("part", status, "reason")  # noqa: SLF001 - no part of a test gateway fails


@pytest.mark.parametrize("service", ["", IMAGES, OPERATIONS, OWN])
async def test_check_follows_the_health_of_the_gateway(start: Start, channels: Any, service: str) -> None:
    running = await start()
    stub = channels(running)
    assert (await stub.Check(asked(service), timeout=GENEROUS_S)).status == SERVING
    set_ready(running, is_ready=False)
    assert (await stub.Check(asked(service), timeout=GENEROUS_S)).status == NOT_SERVING
    await call_list(running)


@pytest.mark.parametrize("service", ["a.B", "grpc.health.v1.Health", f"{IMAGES}/List"])
async def test_check_of_an_unknown_service(running: Running, channels: Any, service: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channels(running).Check(asked(service), timeout=GENEROUS_S)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "grpc-status-details-bin" in dict(caught.value.trailing_metadata() or ())


async def test_list_has_every_service(running: Running, channels: Any) -> None:
    response = await channels(running).List(health_pb2.HealthListRequest(), timeout=GENEROUS_S)
    found = {name: one.status for name, one in response.statuses.items()}
    assert found == dict.fromkeys(["", *Config().served], SERVING)


async def test_watch_sends_each_change(start: Start, channels: Any) -> None:
    running = await start()
    watch = channels(running).Watch(asked(IMAGES))
    found = []
    for is_ready in (False, True, False):
        found.append((await watch.read()).status)
        set_ready(running, is_ready=is_ready)
    found.append((await watch.read()).status)
    assert found == [SERVING, NOT_SERVING, SERVING, NOT_SERVING]
    watch.cancel()


async def test_watch_sends_no_status_twice(start: Start, channels: Any) -> None:
    running = await start()
    watch = channels(running).Watch(asked())
    assert (await watch.read()).status == SERVING
    running.gateway._health.set("other", Status.DEGRADED, "still serves")  # noqa: SLF001 - as above
    await call_list(running)  # meanwhile, the watch looks at the change
    set_ready(running, is_ready=True)
    set_ready(running, is_ready=False)
    assert (await watch.read()).status == NOT_SERVING
    watch.cancel()


async def test_watch_of_an_unknown_service(running: Running, channels: Any) -> None:
    watch = channels(running).Watch(asked("a.B"))
    assert (await watch.read()).status == SERVICE_UNKNOWN
    watch.cancel()


async def test_a_change_in_another_thread_is_sent(start: Start, channels: Any) -> None:
    running = await start()
    watch = channels(running).Watch(asked())
    assert (await watch.read()).status == SERVING
    await asyncio.to_thread(set_ready, running, is_ready=False)
    async with asyncio.timeout(GENEROUS_S):
        assert (await watch.read()).status == NOT_SERVING
    watch.cancel()


async def test_a_stop_sends_not_serving_before_it_ends_the_watch(start: Start, channels: Any) -> None:
    running = await start()
    watch = channels(running).Watch(asked())
    assert (await watch.read()).status == SERVING
    async with asyncio.timeout(15):  # calls that are not ended have their deadline of 30 s
        # Started before the stop, because the library discards messages that are not read when the call ends.
        reading = asyncio.create_task(watch.read())
        await asyncio.sleep(0)
        stopping = asyncio.create_task(running.gateway.stop())
        assert (await reading).status == NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watch.read()
        await stopping
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_watches_are_limited(start: Start, channels: Any) -> None:
    running = await start(grpc__max_connections_per_address=3)
    stub = channels(running)
    watches = [stub.Watch(asked()) for _ in range(3)]
    for watch in watches:
        assert (await watch.read()).status == SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Watch(asked()).read()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await stub.Check(asked(), timeout=GENEROUS_S)).status == SERVING
    watches[0].cancel()
    async with asyncio.timeout(GENEROUS_S):
        while True:
            another = stub.Watch(asked())
            try:
                assert (await another.read()).status == SERVING
                break
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.01)
    for watch in (*watches[1:], another):
        watch.cancel()
