"""What is in use at present."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from gateway.emulator import InjectedFault
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.waiting import GENEROUS_S, wait_for

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"


async def read(running: Running) -> dict[str, Any]:
    async with running.client.get(running.admin("/statusz")) as response:
        found: dict[str, Any] = await response.json()
        return found


async def test_calls_and_the_ledger(start: Start, tmp_path: Path) -> None:
    running = await start(
        ledger__enabled=True,
        ledger__url=f"sqlite:///{tmp_path}/ledger.db",
        limits__concurrency=7,
        limits__queue=3,
    )
    async with asyncio.timeout(GENEROUS_S):
        while (await read(running))["ledger"]["following"] is None:
            await asyncio.sleep(0.05)
    found = await read(running)
    assert found["ledger"] == {
        "database": "sqlite",
        "queue": {"entries": 0, "limit": 4096},
        "unsettled": {"pending": 0, "unknown": 0},
        "following": 0,
    }
    assert found["limits"] == {
        "concurrency": {"calls": 0, "limit": 7},
        "queue": {"calls": 0, "limit": 3},
        "waiters": {"calls": 0, "limit": 10_000},
    }
    running.emulator.inject(InjectedFault(method=CREATE, delay_s=0.5))
    call = asyncio.create_task(running.client.post(running.url(IMAGES), json=GOOD_IMAGE))
    await wait_for(lambda: running.emulator.calls)
    assert (await read(running))["limits"]["concurrency"]["calls"] == 1
    (await call).release()


async def test_without_a_ledger(running: Running) -> None:
    assert (await read(running))["ledger"] is None
