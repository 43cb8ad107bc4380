"""Limits over both protocols: refused before the request message, with the time to try again."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from gateway.errors import Code
from gateway.faults import FaultsError
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.redis_server import RedisServer
from tests.served_bundle import metric
from tests.waiting import GENEROUS_S, wait_for
from tests.waits import begin, get, hub_of, quick_polls

__all__ = ["quick_polls"]  # a fixture
SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
HEAD = f"POST {IMAGES} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 1000\r\n\r\n".encode()


async def post_head(running: Running) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Send only the head of a create. Return status, headers and body of the response."""
    reader, writer = await asyncio.open_connection(running.addresses.rest.host, running.addresses.rest.port)
    writer.write(HEAD)
    async with asyncio.timeout(GENEROUS_S):
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        body = await reader.readexactly(int(headers["content-length"]))
    writer.close()
    return int(lines[0].split(" ")[1]), headers, json.loads(body)


async def list_by_grpc(running: Running, method: str = "List") -> grpc.aio.AioRpcError:
    """Call a method without ever sending its message. Return the error."""
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        call: Any = channel.stream_unary(f"/{SERVICE}/{method}")()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        return caught.value


async def status_of_list(running: Running) -> int:
    async with running.client.get(running.url(f"{IMAGES}?folderId=b1g")) as response:
        await response.read()
        return response.status


async def test_a_rate_refuses_a_call_before_its_body_over_both_protocols(start: Start) -> None:
    running = await start(limits__per_caller__rate="2/hour")
    assert [await status_of_list(running) for _ in range(2)] == [200, 200]
    status, headers, body = await post_head(running)
    assert (status, body["code"]) == (429, Code.RESOURCE_EXHAUSTED)
    assert "the caller's limit of 2/hour (limits.per_caller.rate) is used up; try again in" in body["message"]
    info, retry, _ = body["details"]
    assert (info["reason"], info["metadata"]) == ("RATE_LIMITED", {"limit": "limits.per_caller.rate"})
    wait_s = float(retry["retryDelay"].removesuffix("s"))
    assert 0 <= int(headers["retry-after"]) - wait_s < 1
    error = await list_by_grpc(running)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "limits.per_caller.rate" in str(error.details())
    packed = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    delays = []
    for detail in status_pb2.Status.FromString(packed).details:
        info_of_retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info_of_retry):
            delays.append(info_of_retry.retry_delay.seconds)
    assert len(delays) == 1
    assert 0 < delays[0] <= wait_s
    assert metric(running, 'gateway_limits_refused_total{limit="per_caller.rate"}') == "2.0"
    async with running.client.get(running.admin("/readyz")) as response:
        assert response.status == 200  # the admin listener has no such limits


async def test_a_method_has_limits_of_its_own(start: Start) -> None:
    running = await start(limits__per_method=f"{{{SERVICE}/List: {{concurrency: 1}}}}")
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        held: Any = channel.stream_unary(f"/{SERVICE}/List")()
        await held.wait_for_connection()
        await wait_for(lambda: metric(running, "gateway_calls_active") == "1.0")
        error = await list_by_grpc(running)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert str(error.details()).startswith(
            f"the method's limit of 1 concurrent calls (limits.per_method.{SERVICE}"
        )
        held.cancel()


@pytest.mark.usefixtures("quick_polls")
async def test_a_watch_over_rest_has_the_limits_of_the_watch(start: Start) -> None:
    """The request is a GET of the operation. By its header, it calls another method."""
    running = await start(limits__per_method="{baremetal_gateway.v1.Operations/Watch: {rate: 1/hour}}")
    path, headers = await begin(running), {"Accept": "text/event-stream"}
    statuses = []
    for _ in range(2):
        async with running.client.get(running.url(path), headers=headers) as response:
            statuses.append(response.status)
    assert statuses == [200, 429]
    assert (await get(running, path))[0] == 200


async def test_an_unknown_method_in_the_configuration_is_a_fault(start: Start) -> None:
    with pytest.raises(
        FaultsError, match=f"limits.per_method.{SERVICE}/Creat: no method of this name is served"
    ):
        await start(limits__per_method=f"{{{SERVICE}/Creat: {{concurrency: 1}}}}")


@pytest.mark.usefixtures("quick_polls")
async def test_a_call_that_waits_for_an_operation_does_not_count_for_its_caller(start: Start) -> None:
    running = await start(delay_s=0.6, limits__per_caller__concurrency=1)
    path = await begin(running)
    waits = [asyncio.ensure_future(get(running, f"{path}:wait"))]
    await wait_for(lambda: hub_of(running).waiters == 1)
    waits.append(asyncio.ensure_future(get(running, f"{path}:wait")))
    await wait_for(lambda: hub_of(running).waiters == 2)
    assert (await get(running, path))[0] == 200
    assert [(await one)[1]["done"] for one in waits] == [True] * 2


async def test_a_call_waits_in_the_queue(start: Start) -> None:
    running = await start(limits__concurrency=1, limits__queue_s=GENEROUS_S)

    async def create(number: int) -> int:
        image = GOOD_IMAGE | {"name": f"image-{number}"}
        async with running.client.post(running.url(IMAGES), json=image) as response:
            await response.read()
            return response.status

    assert await asyncio.gather(*map(create, range(20))) == [200] * 20
    assert float(metric(running, 'gateway_queue_duration_seconds_count{outcome="admitted"}')) > 0


async def test_the_condition_of_the_store_is_a_condition_of_the_gateway(start: Start) -> None:
    server = RedisServer()
    running = await start(limits__rate="1000/second", limits__store=server.url, limits__on_error="refuse")

    async def conditions() -> dict[str, str]:
        async with running.client.get(
            running.admin("/readyz?verbose"), headers={"Accept": "application/json"}
        ) as response:
            found = (await response.json())["conditions"]
        assert "canary" not in str(found)
        return {one["name"]: one["status"] for one in found}

    assert (await conditions())["limits"] == "ok"
    assert await status_of_list(running) == 200
    server.kill()
    async with asyncio.timeout(GENEROUS_S):
        while (await conditions())["limits"] != "degraded":
            await status_of_list(running)
    assert await status_of_list(running) == 503
    server.start()
    async with asyncio.timeout(GENEROUS_S):
        while (await conditions())["limits"] != "ok":
            await asyncio.sleep(0.02)
    assert await status_of_list(running) == 200
    server.stop()
