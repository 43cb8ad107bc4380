"""How a gateway ends, as a process: no call is left without a response."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import aiohttp
import grpc.aio
import pytest

from gateway.emulator import Emulator, InjectedFault
from gateway.schema import Schema
from tests.conftest import GOOD_IMAGE, IMAGES, Start
from tests.processes import command_with, free_ports, serving
from tests.rounds import IS_LONG
from tests.waiting import GENEROUS_S, wait_for

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
DELAY_S = 13 if IS_LONG else 4
FIXED_TIMES = (
    "gateway.listeners.http.server.HEAD_S",
    "gateway.listeners.rpc.listener.SEND_S",
    "gateway.listeners.rpc.options.HEAD_S",
)


def create_by_grpc(channel: grpc.aio.Channel, schema: Schema) -> Any:
    fields = {name: value for name, value in GOOD_IMAGE.items() if name not in {"folderId", "name"}}
    request = schema.methods[CREATE].request(folder_id="b1gexample", name="ubuntu-25-04", **fields)
    call: Any = channel.unary_unary(f"/{CREATE}")
    return call(request.SerializeToString(), timeout=GENEROUS_S)


async def test_calls_under_way_end_within_their_deadline_after_sigterm(schema: Schema) -> None:
    """Longer than any fixed time of the gateway's own: both creates are answered as the upstream does."""
    command = command_with(dict.fromkeys(FIXED_TIMES, 1.0))
    async with Emulator() as emulator:
        emulator.inject(InjectedFault(method=CREATE, delay_s=DELAY_S, times=None))
        upstream = f"{{address: '{emulator.address}', tls: false}}"
        grpc_address = free_ports()["GATEWAY__GRPC__LISTEN"]
        environment = {
            "GATEWAY__GRPC__LISTEN": grpc_address,
            "GATEWAY__POLICIES__PATH": "policies",
            "GATEWAY__DECISION_LOG__TYPE": "none",
            "GATEWAY__UPSTREAMS__BAREMETAL": upstream,
            "GATEWAY__UPSTREAMS__OPERATION": upstream,
            "GATEWAY__LIMITS__DEADLINE_S": "50",
            "GRPC_VERBOSITY": "NONE",  # its library is imported before the log is set up
        }
        with serving("serve", command=command, **environment) as (process, rest, _):
            async with (
                aiohttp.ClientSession() as client,
                grpc.aio.insecure_channel(grpc_address) as channel,
            ):
                first = asyncio.ensure_future(client.post(f"http://{rest}{IMAGES}", json=GOOD_IMAGE))
                second = asyncio.ensure_future(create_by_grpc(channel, schema))
                await wait_for(lambda: len(emulator.calls) == 2)
                process.send_signal(signal.SIGTERM)
                async with await first as response:
                    assert response.status == 200
                    assert response.headers["Connection"] == "close"
                assert await second
            _, err = await asyncio.to_thread(process.communicate, timeout=GENEROUS_S)
        assert process.returncode == 0
    messages = [json.loads(line)["message"] for line in err.splitlines()]
    assert messages.index("stopping") < messages.index("responded")


async def test_new_connections_are_refused_while_calls_end(start: Start) -> None:
    running = await start()
    running.emulator.inject(InjectedFault(method=CREATE, delay_s=1))
    call = asyncio.ensure_future(running.client.post(running.url(IMAGES), json=GOOD_IMAGE))
    await wait_for(lambda: running.emulator.calls)
    stopping = asyncio.ensure_future(running.gateway.stop())
    await asyncio.sleep(0.1)
    with pytest.raises(aiohttp.ClientConnectorError):
        await running.client.get(running.url(IMAGES))
    async with running.client.get(running.admin("/readyz")) as response:
        assert response.status == 503
    assert (await call).status == 200
    await stopping


async def test_what_has_not_ended_by_then_is_answered(start: Start, schema: Schema) -> None:
    running = await start(shutdown__grace_s=0.3, limits__deadline_s=GENEROUS_S)
    running.emulator.inject(InjectedFault(method=CREATE, drop=True, times=None))
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        first = asyncio.ensure_future(running.client.post(running.url(IMAGES), json=GOOD_IMAGE))
        second = asyncio.ensure_future(create_by_grpc(channel, schema))
        await wait_for(lambda: len(running.emulator.calls) == 2)
        stopping = asyncio.ensure_future(running.gateway.stop())
        async with await first as response:
            assert response.status == 503
            body = await response.json()
        assert body["details"][0]["reason"] == "STOPPING"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await second
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "the gateway stops" in str(caught.value.details())
    assert not stopping.done()  # the changes are still under way upstream
    await running.emulator.stop()
    await stopping


async def test_an_unanswered_call_ends_with_its_own_deadline(start: Start) -> None:
    running = await start(limits__deadline_s=1)
    running.emulator.inject(InjectedFault(method=CREATE, drop=True))
    call = asyncio.ensure_future(running.client.post(running.url(IMAGES), json=GOOD_IMAGE))
    await wait_for(lambda: running.emulator.calls)
    await running.gateway.stop()
    assert (await call).status == 504


async def test_calls_are_accepted_during_the_delay(start: Start) -> None:
    running = await start(shutdown__delay_s=0.4)
    stopping = asyncio.ensure_future(running.gateway.stop())
    await asyncio.sleep(0.1)
    async with running.client.get(running.admin("/readyz")) as response:
        assert response.status == 503
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as response:
        assert response.status == 200
    await stopping
    with pytest.raises(aiohttp.ClientConnectorError):
        await running.client.get(running.url(IMAGES))


async def test_an_idle_connection_gets_one_more_request(start: Start) -> None:
    running = await start()
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector) as client:
        async with client.get(running.url(IMAGES), params={"folderId": "b1gexample"}) as response:
            assert response.headers.get("Connection") != "close"
        stopping = asyncio.ensure_future(running.gateway.stop())
        await asyncio.sleep(0.3)
        assert not stopping.done()
        async with client.get(running.url(IMAGES), params={"folderId": "b1gexample"}) as response:
            assert response.status == 200
            assert response.headers["Connection"] == "close"
        await stopping
