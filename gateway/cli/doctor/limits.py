"""Checks the store of the rates."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from gateway.cli.doctor.examination import Examination
    from gateway.cli.doctor.report import CheckReport

_KEY = "limits.store"


async def check_limits(examination: Examination, report: CheckReport) -> None:
    """Connect to the store, and check that it responds, in time, and that it can be written."""
    url = examination.config.limits.store
    if url is None:
        report.skip(_KEY, "it is not set; each process counts rates itself")
        return
    import redis.asyncio
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    from gateway.limits.shared_rates import describe_failure, to_redis_url

    timeout_s = examination.step_s
    client: Any = redis.asyncio.Redis.from_url(
        to_redis_url(url),
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
    )
    address = urlsplit(url).netloc.rpartition("@")[2]
    try:
        await client.ping()
        await _examine(client, address, report)
    except redis.AuthenticationError as error:
        fix = "correct user and password in limits.store; write special characters as %XX"
        report.find(_KEY, f"{address}: {describe_failure(error, timeout_s)}", fix)
    except (redis.RedisError, OSError, TimeoutError) as error:
        fix = "start the store, or correct limits.store; rediss:// is needed for a store with TLS"
        report.find(_KEY, f"{address}: {describe_failure(error, timeout_s)}", fix)
    finally:
        await client.aclose()


async def _examine(client: Any, address: str, report: CheckReport) -> None:
    from gateway.limits.shared_rates import TIMEOUT_S

    started = time.perf_counter()
    await client.ping()
    took_s = time.perf_counter() - started
    facts = await _read_info(client)
    name = "Valkey" if "valkey_version" in facts else "Redis"
    version = facts.get("valkey_version") or facts.get("redis_version") or "of an unknown version"
    if took_s > TIMEOUT_S:
        report.find(
            _KEY,
            f"{address}: it responds in {took_s * 1000:.0f} ms, and a call waits at most "
            f"{TIMEOUT_S * 1000:g} ms",
            "use a store that is nearer, or has less to do",
        )
    if facts.get("role") == "slave":
        report.find(
            _KEY,
            f"{address}: it is a replica, which cannot be written",
            "set limits.store to the primary",
        )
    else:
        report.ok(_KEY, f"{address}: {name} {version} responds in {took_s * 1000:.1f} ms")


async def _read_info(client: Any) -> dict[str, Any]:
    """Return facts about the server; none if the user may not read them."""
    import redis

    try:
        return {**await client.info("server"), **await client.info("replication")}
    except redis.ResponseError:
        return {}
