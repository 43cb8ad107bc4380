"""Rates in a real Redis: shared by processes, and what happens while the store does not respond."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal
from uuid import uuid4

import pytest
import redis.asyncio
from opentelemetry.sdk.resources import Resource

from gateway.config import Limits
from gateway.config.limits import CallLimits
from gateway.config.rates import Rate
from gateway.errors import Code, GatewayError
from gateway.limits.rate_counter import RateCounter
from gateway.limits.rates import RateLimit, RateTable
from gateway.limits.shared_rates import TIMEOUT_S, SharedRates
from gateway.telemetry import Health, Metrics, Status
from tests.redis_server import PASSWORD, RedisServer
from tests.waiting import wait_for

OnError = Literal["allow", "refuse"]


def rate(count: int, seconds: int, *, is_per_caller: bool = True) -> RateLimit:
    """Return a rate that no other test counts."""
    value = Rate(count, seconds)
    return RateLimit(
        rate=value,
        limit="per_caller.rate",
        key=f"limits.{uuid4()}",
        subject="the caller's",
        is_per_caller=is_per_caller,
        counter=RateCounter(value),
    )


class Replica:
    """The shared rates of one process."""

    def __init__(self, url: str, on_error: OnError = "allow") -> None:
        self.health, self.metrics = Health(), Metrics(Resource.create())
        self.shared = SharedRates(url, on_error, self.health, self.metrics)

    async def check(self, limit: RateLimit, caller: str = "a") -> float:
        found = await self.shared.check([limit], caller)
        return found[1] if found else 0.0

    @property
    def condition(self) -> tuple[Status, str]:
        (condition,) = self.health.conditions
        return condition.status, condition.reason


@asynccontextmanager
async def start(url: str, on_error: OnError = "allow") -> AsyncIterator[Replica]:
    replica = Replica(url, on_error)
    await replica.shared.start()
    yield replica
    await replica.shared.close()


async def timed(call: Callable[[], Awaitable[object]]) -> float:
    started = time.monotonic()
    await call()
    return time.monotonic() - started


async def test_replicas_share_a_rate(redis_server: RedisServer) -> None:
    limit = rate(5, 3600)
    valkey = redis_server.url.replace("redis", "valkey")
    async with start(redis_server.url) as first, start(valkey) as second:
        assert first.condition == (Status.OK, "")
        checks = [await one.check(limit) for _ in range(3) for one in (first, second)]
        assert [bool(wait_s) for wait_s in checks] == [False] * 5 + [True]
        assert 3500 < checks[-1] <= 3601
        assert await first.check(limit, "another caller") == 0


async def test_a_rate_allows_calls_again_after_the_time_of_the_refusal(redis_server: RedisServer) -> None:
    limit = rate(4, 1)
    async with start(redis_server.url) as replica:
        for _ in range(2):
            while not (wait_s := await replica.check(limit)):
                pass
            assert 0 < wait_s <= 1.01
            await asyncio.sleep(wait_s)
            assert await replica.check(limit) == 0


async def test_a_caller_that_is_refused_costs_the_store_nothing(redis_server: RedisServer) -> None:
    limit = rate(1, 3600)
    async with start(redis_server.url) as replica, redis.asyncio.Redis.from_url(redis_server.url) as client:
        await replica.check(limit)
        first_s = await replica.check(limit)
        before = (await client.info("stats"))["total_commands_processed"]
        waits = [await replica.check(limit) for _ in range(200)]
        assert (await client.info("stats"))["total_commands_processed"] - before < 50
        assert all(first_s - 60 < wait_s <= first_s for wait_s in waits)


async def test_rates_are_checked_in_order_until_one_refuses(redis_server: RedisServer) -> None:
    table = RateTable(Limits(rate=Rate(1000, 1), per_caller=CallLimits(rate=Rate(7, 86400))))
    caller = str(uuid4())
    async with start(redis_server.url) as replica:
        found = [await replica.shared.check(table.find(""), caller) for _ in range(8)]
    assert found[:7] == [None] * 7
    assert found[7] is not None
    assert found[7][0].limit == "per_caller.rate"


async def test_the_store_has_neither_names_of_callers_nor_keys_for_ever(redis_server: RedisServer) -> None:
    limit = rate(5, 60)
    async with start(redis_server.url) as replica, redis.asyncio.Redis.from_url(redis_server.url) as client:
        await replica.check(limit, "token:alice@example.com")
        keys = [key async for key in client.scan_iter(f"baremetal-gateway*{limit.key}*")]
        assert keys
        assert not any(b"alice" in key for key in keys)
        assert all([0 < await client.ttl(key) <= 86400 * 2 for key in keys])


@pytest.mark.parametrize("on_error", ["allow", "refuse"])
async def test_a_store_that_ends_and_starts_under_load(
    on_error: OnError, caplog: pytest.LogCaptureFixture
) -> None:
    server, limit, results = RedisServer(), rate(1_000_000, 1), list[str]()
    is_over = asyncio.Event()

    async def call_often(replica: Replica) -> None:
        while not is_over.is_set():
            try:
                results.append("refused" if await replica.check(limit) else "allowed")
            except GatewayError as error:
                results.append(error.reason)
            await asyncio.sleep(0.001)

    def last(count: int = 200) -> set[str]:
        return set(results[-count:]) if len(results) > count else set()

    async with start(server.url, on_error) as replica:
        load = [asyncio.create_task(call_often(replica)) for _ in range(20)]
        await wait_for(lambda: last() == {"allowed"})
        server.kill()
        await wait_for(lambda: replica.condition[0] is Status.DEGRADED)
        effect = "calls are refused" if on_error == "refuse" else "rates are not checked"
        assert replica.condition[1].startswith(f"127.0.0.1:{server.port}: ")
        assert replica.condition[1].endswith(f"; {effect}")
        results.clear()
        await wait_for(lambda: len(results) > 200)
        assert set(results) == {"LIMITS_UNAVAILABLE" if on_error == "refuse" else "allowed"}
        server.start()
        await wait_for(lambda: replica.condition == (Status.OK, ""))
        await wait_for(lambda: last() == {"allowed"})
        is_over.set()
        await asyncio.gather(*load)
        refused = 'gateway_limits_refused_total{limit="store"}' in replica.metrics.expose().decode()
        assert refused is (on_error == "refuse")
    server.stop()
    assert PASSWORD not in caplog.text
    messages = [one.message for one in caplog.records if one.name.startswith("gateway.limits")]
    assert messages[0] == "the store of the limits cannot be used"
    assert messages[-1] == "the store of the limits can be used again"


async def test_a_store_that_does_not_respond_delays_only_the_first_calls(redis_server: RedisServer) -> None:
    limit = rate(3, 3600)
    async with start(redis_server.url) as replica:
        assert await replica.check(limit) == 0
        redis_server.pause()
        try:
            first_s = await timed(lambda: asyncio.gather(*[replica.check(limit) for _ in range(100)]))
            assert TIMEOUT_S * 0.9 < first_s < TIMEOUT_S + 2
            await wait_for(lambda: replica.condition[0] is Status.DEGRADED)
            assert "no response within 100 ms; rates are not checked" in replica.condition[1]
            further = [await timed(lambda: replica.check(limit)) for _ in range(500)]
            assert sorted(further)[490] < TIMEOUT_S / 10
        finally:
            redis_server.resume()
        await wait_for(lambda: replica.condition == (Status.OK, ""))
        waits = [await replica.check(limit) for _ in range(5)]
        assert waits[-1] > 0


async def test_a_connection_from_before_a_restart_is_replaced() -> None:
    server, limit = RedisServer(), rate(100, 1)
    async with start(server.url) as replica:
        await replica.check(limit)
        server.kill()
        server.start()
        assert await replica.check(limit) == 0
        assert replica.condition == (Status.OK, "")
    server.stop()


async def test_a_start_without_the_store_is_a_start_with_a_degraded_condition() -> None:
    server, limit = RedisServer(), rate(1, 3600)
    server.kill()
    async with start(server.url, "refuse") as replica:
        assert replica.condition[0] is Status.DEGRADED
        assert replica.condition[1].endswith(": it cannot be reached; calls are refused")
        with pytest.raises(GatewayError) as caught:
            await replica.check(limit)
        assert (caught.value.code, caught.value.retry_after_s) == (Code.UNAVAILABLE, 1)
        server.start()
        await wait_for(lambda: replica.condition[0] is Status.OK)
        assert await replica.check(limit) == 0
    server.stop()


async def test_a_wrong_password_is_a_reason_and_is_not_shown(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with start(redis_server.url.replace(PASSWORD, "wrong-canary")) as replica:
        reason = "it does not accept the user name or the password; rates are not checked"
        assert replica.condition == (Status.DEGRADED, f"127.0.0.1:{redis_server.port}: {reason}")
    assert "canary" not in caplog.text
    assert reason.partition(";")[0] in str([vars(one) for one in caplog.records])


async def test_a_store_that_cannot_be_written_is_not_used() -> None:
    server = RedisServer()
    async with start(server.url) as replica, redis.asyncio.Redis.from_url(server.url) as client:
        await client.replicaof("127.0.0.1", 1)  # now it is a replica, which can only be read
        assert await replica.check(rate(1, 1)) == 0
        await wait_for(lambda: replica.condition[0] is Status.DEGRADED)
        assert "it refused a command (ReadOnlyError)" in replica.condition[1]
        await client.replicaof("NO", "ONE")
        await wait_for(lambda: replica.condition[0] is Status.OK)
    server.stop()


async def test_a_caller_that_leaves_during_a_check_harms_nobody(redis_server: RedisServer) -> None:
    limit = rate(1_000_000, 3600)
    async with start(redis_server.url) as replica:
        for _ in range(30):
            tasks = [asyncio.create_task(replica.check(limit)) for _ in range(40)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await wait_for(lambda: replica.condition == (Status.OK, ""))
        assert [await replica.check(limit) for _ in range(50)] == [0] * 50
