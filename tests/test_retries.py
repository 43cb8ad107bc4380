"""Calls whose upstream fails for a while, through a gateway and over connections that break."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

from gateway.emulator import InjectedFault
from gateway.errors import Code
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.substitutes.breaking_proxy import BreakingProxy
from tests.waiting import wait_for

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
CREATE, LIST = f"{SERVICE}/Create", f"{SERVICE}/List"
LISTING = f"{IMAGES}?folderId={GOOD_IMAGE['folderId']}"
KEY = {"Idempotency-Key": "2f6b4c1e-0000-4000-8000-000000000001"}


class Broken:
    """A gateway whose connections to its emulator go through a proxy that breaks them."""

    def __init__(self, running: Running, proxy: BreakingProxy) -> None:
        self.running = running
        self.emulator = running.emulator
        self.proxy = proxy

    async def create(self, **headers: str) -> tuple[int, Any]:
        url = self.running.url(IMAGES)
        async with self.running.client.post(url, json=GOOD_IMAGE, headers=KEY | headers) as response:
            return response.status, await response.json()

    async def images(self) -> int:
        async with self.running.client.get(self.running.url(LISTING)) as response:
            assert response.status == 200
            return len((await response.json()).get("images", []))

    def keys(self) -> list[str]:
        """The keys of the calls of Create that have arrived."""
        created = [dict(call.metadata) for call in self.emulator.calls if call.method == CREATE]
        return [str(metadata["idempotency-key"]) for metadata in created]

    def fail(self, **effects: Any) -> None:
        fields: dict[str, Any] = {"method": CREATE, "code": Code.UNAVAILABLE}
        self.emulator.inject(InjectedFault(**fields | effects))

    def retries(self) -> int:
        lines = self.running.metrics.expose().decode().splitlines()
        counts = [line for line in lines if line.startswith("gateway_upstream_retries_total{")]
        return sum(int(float(line.rpartition(" ")[2])) for line in counts)


@pytest.fixture
async def proxy() -> AsyncIterator[BreakingProxy]:
    async with BreakingProxy() as started:
        yield started


async def start_broken(start: Start, proxy: BreakingProxy, **sections: Any) -> Broken:
    running = await start(upstreams__baremetal__address=proxy.address, **sections)
    proxy.upstream = running.emulator.address
    return Broken(running, proxy)


@pytest.fixture
async def broken(start: Start, proxy: BreakingProxy) -> Broken:
    return await start_broken(start, proxy)


def reason_of(body: Any) -> str:
    return str(body["details"][0]["reason"])


# An upstream that answers UNAVAILABLE


@pytest.mark.parametrize("after_effect", [False, True])
async def test_two_failures_in_a_row_are_no_error(broken: Broken, *, after_effect: bool) -> None:
    broken.fail(times=2, after_effect=after_effect)
    assert (await broken.create())[0] == 200
    assert broken.keys() == [KEY["Idempotency-Key"]] * 3
    assert broken.retries() == 2
    assert await broken.images() == 1


async def test_a_key_that_the_gateway_chose_is_kept(broken: Broken) -> None:
    broken.fail(times=2, after_effect=True)
    url = broken.running.url(IMAGES)
    async with broken.running.client.post(url, json=GOOD_IMAGE) as response:
        assert response.status == 200
    assert len(broken.keys()) == 3
    assert len(set(broken.keys())) == 1
    assert await broken.images() == 1


async def test_a_read_is_retried(broken: Broken) -> None:
    broken.fail(method=LIST, times=2)
    assert await broken.images() == 0
    assert broken.retries() == 2


async def test_the_last_error_is_the_callers(broken: Broken) -> None:
    broken.fail(times=None, message="its own words")
    status, body = await broken.create()
    assert (status, body["code"], body["message"]) == (503, 14, "its own words")
    assert len(broken.keys()) == 4


async def test_retries_can_be_turned_off(start: Start, proxy: BreakingProxy) -> None:
    broken = await start_broken(start, proxy, limits__attempts=1)
    broken.fail()
    assert (await broken.create())[0] == 503
    assert (len(broken.keys()), broken.retries()) == (1, 0)


def retry_after(delay_s: float) -> AnyMessage:
    delay = Duration()
    delay.FromNanoseconds(int(delay_s * 1e9))
    detail = AnyMessage()
    detail.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return detail


async def test_the_upstream_chooses_the_wait(broken: Broken) -> None:
    broken.fail(details=(retry_after(0.3),))
    started = time.monotonic()
    assert (await broken.create())[0] == 200
    assert time.monotonic() - started >= 0.3


async def test_a_caller_that_leaves_during_a_wait_ends_a_read(broken: Broken) -> None:
    broken.fail(method=LIST, times=None, details=(retry_after(0.2),))
    waiting = asyncio.ensure_future(broken.images())
    await wait_for(lambda: broken.emulator.calls)
    waiting.cancel()
    await asyncio.sleep(0.4)
    assert len(broken.emulator.calls) == 1


async def test_a_caller_that_leaves_during_a_wait_ends_no_change(broken: Broken) -> None:
    broken.fail(details=(retry_after(0.2),))
    waiting = asyncio.ensure_future(broken.create())
    await wait_for(broken.keys)
    waiting.cancel()
    await wait_for(lambda: len(broken.keys()) == 2)
    await wait_for(lambda: "gateway_calls_active 0.0" in broken.running.metrics.expose().decode())
    assert await broken.images() == 1


# Connections that break


async def test_refused_connections_end_by_the_deadline(start: Start, proxy: BreakingProxy) -> None:
    broken = await start_broken(start, proxy, limits__deadline_s=1, limits__attempts=10)
    await proxy.refuse()
    started = time.monotonic()
    status, body = await broken.create()
    assert (status, reason_of(body)) == (503, "UPSTREAM_UNAVAILABLE")
    assert time.monotonic() - started < 1.5
    assert broken.retries() >= 1
    await proxy.restore()
    assert not broken.emulator.calls


async def test_an_upstream_that_comes_back_gets_the_call(start: Start, proxy: BreakingProxy) -> None:
    broken = await start_broken(start, proxy, limits__attempts=10)
    assert await broken.images() == 0  # there is a connection
    await proxy.refuse()
    creating = asyncio.ensure_future(broken.create())
    await wait_for(broken.retries)
    await proxy.restore()
    assert (await creating)[0] == 200
    assert await broken.images() == 1


async def test_a_reset_before_the_effect(broken: Broken) -> None:
    broken.fail(code=None, delay_s=0.2)
    creating = asyncio.ensure_future(broken.create())
    await wait_for(broken.keys)
    broken.proxy.reset()
    assert (await creating)[0] == 200
    assert broken.keys() == [KEY["Idempotency-Key"]] * 2
    assert await broken.images() == 1


async def test_a_reset_after_the_effect(broken: Broken) -> None:
    broken.proxy.cut_replies(times=2)
    status, operation = await broken.create()
    assert (status, broken.proxy.cuts) == (200, 2)
    assert broken.keys() == [KEY["Idempotency-Key"]] * 3
    assert await broken.images() == 1
    assert (await broken.create())[1]["id"] == operation["id"]


async def test_responses_that_are_always_lost(broken: Broken) -> None:
    broken.proxy.cut_replies()
    status, body = await broken.create()
    assert (status, reason_of(body), broken.proxy.cuts) == (503, "UPSTREAM_UNAVAILABLE", 4)
    await broken.proxy.restore()
    assert await broken.images() == 1


@pytest.mark.parametrize("is_connected", [False, True])
async def test_a_connection_that_hangs_ends_at_the_deadline(
    start: Start, proxy: BreakingProxy, *, is_connected: bool
) -> None:
    broken = await start_broken(start, proxy, limits__deadline_s=1)
    if is_connected:
        assert await broken.images() == 0
    proxy.hang()
    started = time.monotonic()
    status, body = await broken.create(**{"grpc-timeout": "300m"})
    assert (status, reason_of(body)) == (504, "DEADLINE_EXCEEDED")
    assert 0.3 <= time.monotonic() - started < 1
    assert broken.retries() == 0
    await proxy.restore()
    assert (await broken.create())[0] == 200  # the upstream may receive the first request now
    assert await broken.images() == 1


# Other faults are not retried


async def test_a_slow_upstream_is_waited_for(broken: Broken) -> None:
    broken.fail(code=None, delay_s=0.3)
    assert (await broken.create())[0] == 200
    assert (len(broken.keys()), broken.retries()) == (1, 0)


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_response_that_cannot_be_read_is_not_retried(broken: Broken, *, after_effect: bool) -> None:
    broken.fail(code=None, reply=b"\xff\xff\xff", after_effect=after_effect)
    status, body = await broken.create()
    assert (status, body["code"], reason_of(body)) == (500, 13, "REPLY_UNREADABLE")
    assert (len(broken.keys()), broken.retries()) == (1, 0)
    assert await broken.images() == after_effect
