"""A gateway with a ledger whose upstream fails to order, and what the audit commands show of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from gateway.emulator import Emulator, InjectedFault
from gateway.emulator.model import Image
from gateway.errors import Code
from gateway.ledger import events
from tests.commands import run_command
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.waiting import GENEROUS_S

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
CREATE, LIST = f"{SERVICE}/Create", f"{SERVICE}/List"
GET_OPERATION = "yandex.cloud.operation.OperationService/Get"
OPEN = ("pending", "unknown")

_SHORT = 0.05
_INTERVALS: dict[str, float] = {
    "gateway.operations.worker.INTERVAL_S": _SHORT,
    "gateway.operations.observer.REFRESH_S": _SHORT,
    "gateway.operations.settlement.FIRST_WAIT_S": _SHORT,
    "gateway.operations.settlement.LONGEST_WAIT_S": 4 * _SHORT,
    "gateway.operations.settlement.FIRST_POLL_US": int(_SHORT * 1e6),
    "gateway.ledger.intent.FIRST_POLL_US": int(_SHORT * 1e6),
    "gateway.operations.following.FIRST_INTERVAL_S": _SHORT,
    "gateway.operations.following.LONGEST_INTERVAL_S": 4 * _SHORT,
    "gateway.ledger.keeper.INTERVAL_S": _SHORT,
    "gateway.ledger.writer.RETRY_S": _SHORT,
}


def shorten_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the background tasks of the ledger look again after a short time."""
    for name, value in _INTERVALS.items():
        monkeypatch.setattr(name, value)
    monkeypatch.setattr("gateway.emulator.server.POLL_INTERVAL_S", _SHORT)


def replace_clock(monkeypatch: pytest.MonkeyPatch, now: Callable[[], Any]) -> None:
    """Replace the function that gives the time in every module that uses it."""
    real = events.now
    for name, module in list(sys.modules.items()):
        if name.startswith("gateway.") and getattr(module, "now", None) is real:
            monkeypatch.setattr(module, "now", now)


class Audited:
    """A gateway with a ledger, whose upstream fails to order."""

    def __init__(self, running: Running, url: str) -> None:
        self.running = running
        self.url = url

    @property
    def emulator(self) -> Emulator:
        return self.running.emulator

    async def create(self, *, headers: dict[str, str] | None = None, **changes: Any) -> tuple[int, Any]:
        """Create an image, and return the status and the body of the response."""
        url = self.running.url(IMAGES)
        async with self.running.client.post(url, json=GOOD_IMAGE | changes, headers=headers) as response:
            return response.status, await response.json()

    async def images(self, **headers: str) -> list[Any]:
        """List the images in the folder as a caller does."""
        url = self.running.url(f"{IMAGES}?folderId={GOOD_IMAGE['folderId']}")
        async with self.running.client.get(url, headers=headers) as response:
            assert response.status == 200
            return list((await response.json()).get("images", []))

    def fail(self, code: Code | None = Code.UNAVAILABLE, method: str = CREATE, **effects: Any) -> None:
        self.emulator.inject(InjectedFault(method=method, code=code, **effects))

    def keys(self) -> list[str]:
        """Return the keys of the creates that have arrived at the upstream."""
        created = [dict(call.metadata) for call in self.emulator.calls if call.method == CREATE]
        return [str(metadata["idempotency-key"]) for metadata in created]

    def image(self) -> Image:
        """Return the only image that exists."""
        (image,) = self.emulator.images()
        return image

    async def creates(self) -> list[dict[str, Any]]:
        return await list_calls(self.url, "--method", "Create")

    async def wait_for_creates(self, *outcomes: str) -> list[dict[str, Any]]:
        """Wait until the creates in the ledger have these outcomes, and return them."""
        return await wait_until(
            self.creates, lambda calls: [call["outcome"] for call in calls] == list(outcomes)
        )

    async def wait_for_end(self) -> list[dict[str, Any]]:
        """Wait until all operations have ended and all outcomes are known, and return the creates."""
        return await wait_until(self.creates, lambda calls: bool(calls) and all(map(_has_ended, calls)))

    async def story(self, call: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the events of a call."""
        return await events_of(self.url, call["call_id"])

    def metric(self, start: str) -> str:
        lines = self.running.metrics.expose().decode().splitlines()
        return next((line.rpartition(" ")[2] for line in lines if line.startswith(start)), "")


def _has_ended(call: dict[str, Any]) -> bool:
    return call["outcome"] not in OPEN and call["operation_done"] is not False


async def start_audited(start: Start, folder: Path, **sections: Any) -> Audited:
    url = f"sqlite:///{folder / 'ledger.db'}"
    given = {"ledger__enabled": "true", "ledger__url": url, "ledger__durability": "process"}
    return Audited(await start(**given | sections), url)


async def wait_until(
    read: Callable[[], Coroutine[Any, Any, list[dict[str, Any]]]],
    holds: Callable[[list[dict[str, Any]]], bool],
    within_s: float = GENEROUS_S,
) -> list[dict[str, Any]]:
    """Read until a condition holds."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        found = await read()
        if holds(found):
            return found
        assert asyncio.get_running_loop().time() < deadline, found
        await asyncio.sleep(0.02)


async def audit(*words: str | Path, url: str) -> tuple[int, str, str]:
    """Run an audit command, and return its exit code and its output."""
    done = await asyncio.to_thread(run_command, "audit", *words, "--ledger", url)
    return done.returncode, done.stdout, done.stderr


async def list_calls(url: str, *words: str) -> list[dict[str, Any]]:
    code, output, errors = await audit("list", "--json", "--limit", "0", *words, url=url)
    assert code == 0, errors
    return [json.loads(line) for line in output.splitlines()]


async def events_of(url: str, key: str) -> list[dict[str, Any]]:
    code, output, errors = await audit("show", "--json", key, url=url)
    assert code == 0, errors
    return [event for line in output.splitlines() for event in json.loads(line)["events"]]


async def verify(url: str, *words: str | Path) -> dict[str, Any]:
    """Verify a ledger, and return the result."""
    code, output, errors = await audit("verify", "--json", *words, url=url)
    assert output, errors
    result: dict[str, Any] = json.loads(output)
    assert code == (0 if result["holds"] else 1)
    return result
