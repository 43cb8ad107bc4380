"""The faults of docs/runbook.md, each provoked in a gateway of its own."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import aiohttp
import pytest

from gateway.emulator import InjectedFault
from gateway.ledger import sqlite_store
from gateway.ledger import writer as writer_module
from gateway.telemetry import start_telemetry
from tests.callers.making import AUDIENCE, ISSUER, serve_keys
from tests.conftest import GOOD_IMAGE, IMAGES, ROOT, Running, start_gateway
from tests.ports import free_port
from tests.served_ledger import options
from tests.test_ledger_outages import Blocker
from tests.tls.authority import DAY
from tests.tls.served import Files
from tests.token_cloud import Cloud

LIST = "yandex.cloud.baremetal.v1alpha.ImageService/List"

Drive: TypeAlias = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Tools:
    """What a fault is provoked with. The stack stops what was started."""

    stack: AsyncExitStack
    folder: Path
    patch: pytest.MonkeyPatch


@dataclass(frozen=True, slots=True)
class Provoked:
    """A gateway with a fault.

    Attributes:
        running: the gateway.
        condition: the name of the condition that shows the fault.
        drive: makes the calls by which the fault is noticed.
        is_shown: whether a value of the panel shows the fault.
    """

    running: Running
    condition: str
    drive: Drive
    is_shown: Callable[[float], bool] = lambda value: value > 0


async def list_images(running: Running) -> int:
    async with running.client.get(running.url(f"{IMAGES}?folderId=b1g")) as response:
        await response.read()
        return response.status


async def create(running: Running) -> int:
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as response:
        await response.read()
        return response.status


async def rest() -> None:
    """Make no call."""


async def upstream_down(tools: Tools) -> Provoked:
    running = await start_gateway(tools.stack)
    await running.emulator.stop()
    return Provoked(running, "upstream/baremetal", lambda: list_images(running))


async def upstream_slow(tools: Tools) -> Provoked:
    running = await start_gateway(tools.stack, limits__deadline_s=1)
    running.emulator.inject(InjectedFault(method=LIST, delay_s=10, times=None))
    return Provoked(running, "upstream/baremetal", lambda: list_images(running), lambda value: value > 0.5)


async def credentials_away(tools: Tools) -> Provoked:
    cloud = Cloud(tools.folder, tools.stack)
    await cloud.open()
    cloud.emulator.tokens.life_s = 1.5
    running = await cloud.start()
    cloud.server.fail_with = 503
    return Provoked(running, "credentials.shared", rest, lambda value: value == 0)


async def ledger_locked(tools: Tools) -> Provoked:
    tools.patch.setattr(writer_module, "RETRY_S", 0.05)
    tools.patch.setattr(sqlite_store, "BUSY_S", 0.05)
    path = tools.folder / "ledger.db"
    running = await start_gateway(tools.stack, **options(path))
    blocker = Blocker(path)
    await blocker.lock()
    tools.stack.callback(blocker.close)
    return Provoked(running, "ledger", lambda: create(running))


async def decision_log_full(tools: Tools) -> Provoked:
    path = tools.folder / "records.jsonl"
    path.symlink_to("/dev/full")
    running = await start_gateway(tools.stack, decision_log__type="file", decision_log__path=path)
    return Provoked(running, "decision_log", lambda: create(running))


async def bundle_broken(tools: Tools) -> Provoked:
    bundle = Path(shutil.copytree(ROOT / "policies", tools.folder / "policies"))
    running = await start_gateway(tools.stack, policies__path=bundle)
    text = (bundle / "naming.yaml").read_text()
    (bundle / "naming.yaml").write_text(text.replace("request.name", "request.nam"))
    return Provoked(running, "reload", running.gateway.reload)


async def certificate_expires(tools: Tools) -> Provoked:
    files = Files(tools.folder)
    section = files.section().model_dump(mode="json", exclude_none=True)
    files.authority.issue("server", lifetime=(-80 * DAY, 3 * DAY)).write(tools.folder, "server")
    running = await start_gateway(tools.stack, rest__tls=json.dumps(section))
    return Provoked(running, "rest.tls", rest, lambda value: 0 < value < 7 * 86400)


async def keys_away(tools: Tools) -> Provoked:
    server = await tools.stack.enter_async_context(serve_keys())
    server.status = 500
    section = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_url": server.url}
    running = await start_gateway(tools.stack, callers__type="jwt", callers__jwt=json.dumps(section))
    return Provoked(running, "callers.jwt", rest)


async def store_away(tools: Tools) -> Provoked:
    store = f"redis://127.0.0.1:{free_port()}/0"
    running = await start_gateway(tools.stack, limits__store=store, limits__rate="1000/second")
    return Provoked(running, "limits", lambda: list_images(running))


async def overload(tools: Tools) -> Provoked:
    running = await start_gateway(tools.stack, limits__concurrency=1, limits__queue=0)
    running.emulator.inject(InjectedFault(method=LIST, delay_s=0.1, times=None))
    return Provoked(running, "load", lambda: asyncio.gather(*(list_images(running) for _ in range(4))))


async def collector_away(tools: Tools) -> Provoked:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    for name, value in environment.items():
        tools.patch.setenv(name, value)
    telemetry = start_telemetry(environment, "1")
    running = await start_gateway(tools.stack, telemetry=telemetry)
    return Provoked(running, "telemetry", lambda: list_images(running))


FAULTS: dict[str, Callable[[Tools], Awaitable[Provoked]]] = {
    "An upstream is down": upstream_down,
    "An upstream is slow": upstream_slow,
    "The gateway's credentials cannot be refreshed": credentials_away,
    "The ledger cannot be written": ledger_locked,
    "The decision log cannot be written": decision_log_full,
    "A changed bundle has faults": bundle_broken,
    "A certificate expires": certificate_expires,
    "The keys of callers cannot be fetched": keys_away,
    "The store of the limits is away": store_away,
    "The gateway is overloaded": overload,
    "The collector is away": collector_away,
}
"""How each fault is provoked, keyed by the heading of its section."""


async def condition_of(running: Running, name: str) -> dict[str, str]:
    """Return a condition as the admin listener shows it."""
    url, headers = running.admin("/readyz?verbose"), {"Accept": "application/json"}
    async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as response:
        body = await response.json()
    (found,) = (one for one in body["conditions"] if one["name"] == name)
    return dict(found)
