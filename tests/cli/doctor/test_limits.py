"""The store of the rates: a real Redis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import redis.asyncio

from gateway.cli.doctor.limits import check_limits
from tests.cli.doctor.examining import NOBODY, examine, find, make_examination, serve_bytes
from tests.redis_server import PASSWORD, RedisServer


def limits(store: str) -> dict[str, Any]:
    return {"limits": {"store": store, "rate": "10/second"}}


async def test_a_store_that_works(redis_server: RedisServer, tmp_path: Path) -> None:
    async with redis.asyncio.Redis.from_url(redis_server.url) as client:
        keys = await client.keys()
        (one,) = await examine(check_limits, make_examination(tmp_path, **limits(redis_server.url)))
        assert await client.keys() == keys
    assert one.status == "ok"
    assert one.message.startswith(f"127.0.0.1:{redis_server.port}: Redis ")


async def test_a_wrong_password(redis_server: RedisServer, tmp_path: Path) -> None:
    url = redis_server.url.replace(PASSWORD, "canary-that-is-wrong")
    (one,) = await find(check_limits, make_examination(tmp_path, **limits(url)))
    assert one.message == f"127.0.0.1:{redis_server.port}: it does not accept the user name or the password"
    assert "canary" not in str(one)


async def test_a_store_that_is_down(tmp_path: Path) -> None:
    (one,) = await find(check_limits, make_examination(tmp_path, **limits(f"redis://:canary@{NOBODY}/0")))
    assert one.message == f"{NOBODY}: it cannot be reached"
    assert "canary" not in str(one)


async def test_a_store_that_does_not_respond(tmp_path: Path) -> None:
    async with serve_bytes(None) as address:
        (one,) = await find(
            check_limits, make_examination(tmp_path, step_s=0.3, **limits(f"redis://{address}/0"))
        )
    assert one.message == f"{address}: no response within 300 ms"


async def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    server = RedisServer()
    try:
        async with redis.asyncio.Redis.from_url(server.url) as client:
            await client.replicaof("127.0.0.1", "1")
        (one,) = await find(check_limits, make_examination(tmp_path, **limits(server.url)))
    finally:
        server.stop()
    assert one.message == f"127.0.0.1:{server.port}: it is a replica, which cannot be written"


async def test_without_a_store(tmp_path: Path) -> None:
    (one,) = await examine(check_limits, make_examination(tmp_path))
    assert one.status == "skipped"
