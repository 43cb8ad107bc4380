"""Kills one gateway at random moments while callers create images, and compares the ledger with the cloud."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp

from gateway.emulator import Emulator
from tests.chaos.gateways import GatewayProcess
from tests.conftest import GOOD_IMAGE, IMAGES, ROOT

if TYPE_CHECKING:
    from pathlib import Path

SETTLED_S = 30.0
"""The time after the last start in which every intent must be settled, in seconds."""
_PROBABILITY_OF_REPEAT = 0.7


@dataclass(slots=True)
class Seen:
    """What the callers have seen: the operations of answered creates by the name of the image."""

    answered: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    repeated: int = 0
    codes: Counter[int] = field(default_factory=Counter)


async def kill_again_and_again(
    folder: Path, ledger: str, *, kills: int, callers: int, seed: int
) -> dict[str, Any]:
    """Run the whole experiment, and return its figures.

    Raises:
        AssertionError: the ledger is not true about a call.
    """
    rng, seen = random.Random(seed), Seen()
    async with Emulator(delay_s=0.2) as emulator:
        gateway = GatewayProcess(folder, ledger, emulator.address)
        await gateway.start()
        stopping = asyncio.Event()
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=15)
        ) as session:
            tasks = [
                asyncio.create_task(_create_images(session, gateway, seen, stopping, random.Random(seed + i)))
                for i in range(callers)
            ]
            for number in range(kills):
                await _kill_at_random(gateway, rng)
                if number % 20 == 19:
                    print(f"{number + 1} kills, {len(seen.answered)} creates answered", flush=True)
            await gateway.wait_until_ready()
            stopping.set()
            await asyncio.gather(*tasks)
        started = time.monotonic()
        calls = await _wait_until_settled(ledger)
        settled_s = time.monotonic() - started
        await gateway.stop()
        images = _images_of(emulator)
    figures = _compare(calls, images, seen)
    await _verify(ledger)
    return {"kills": kills, **figures, "settled_after_s": round(settled_s, 1), "codes": dict(seen.codes)}


async def _kill_at_random(gateway: GatewayProcess, rng: random.Random) -> None:
    """Kill the gateway while it starts, serves or drains, and start it again."""
    moment = rng.random()
    if moment < 0.2:  # while it starts
        await asyncio.sleep(rng.uniform(0, 1.0))
    else:
        await gateway.wait_until_ready()
        await asyncio.sleep(rng.uniform(0, 0.6))
        if moment < 0.4:  # while it drains
            gateway.terminate()
            await asyncio.sleep(rng.uniform(0, 0.1))
    await gateway.kill()
    await gateway.start()


async def _create_images(
    session: aiohttp.ClientSession,
    gateway: GatewayProcess,
    seen: Seen,
    stopping: asyncio.Event,
    rng: random.Random,
) -> None:
    while not stopping.is_set():
        name = f"image-{uuid4().hex[:20]}-1"
        body, key = {**GOOD_IMAGE, "name": name}, str(uuid4())
        seen.asked += 1
        for attempt in range(20):
            operation = await _create(session, gateway, body, key, seen)
            if operation is not None:
                known = seen.answered.setdefault(name, operation)
                assert known == operation, f"{name} has the operations {known} and {operation}"
                if rng.random() < 0.9 or attempt:
                    break
                seen.repeated += 1  # the same create again: it must have the same operation
            elif rng.random() > _PROBABILITY_OF_REPEAT or stopping.is_set():
                break
            else:
                seen.repeated += 1
                await asyncio.sleep(rng.uniform(0.05, 0.5))
        await asyncio.sleep(rng.uniform(0, 0.1))


async def _create(
    session: aiohttp.ClientSession, gateway: GatewayProcess, body: dict[str, Any], key: str, seen: Seen
) -> str | None:
    """Create an image, and return the ID of the operation; None if there is no usable answer."""
    with suppress(aiohttp.ClientError, OSError, TimeoutError):
        async with session.post(
            gateway.rest + IMAGES, json=body, headers={"Idempotency-Key": key}
        ) as response:
            seen.codes[response.status] += 1
            text = await response.text()
            if response.status == 200:
                operation: str = json.loads(text)["id"]
                return operation
    return None


def _images_of(emulator: Emulator) -> dict[str, str]:
    """Return the IDs of the images in the emulated cloud by their names."""
    images = list(emulator.images())
    names = Counter(image.name for image in images)
    twice = [name for name, count in names.items() if count > 1]
    assert not twice, f"made twice: {twice}"
    return {image.name: image.id for image in images}


async def read_audit(ledger: str, *words: str) -> tuple[int, str]:
    """Run an audit command, and return its exit code and its output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "audit", *words, "--ledger", ledger, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def list_calls(ledger: str) -> list[dict[str, Any]]:
    """Return all calls in a ledger."""
    code, output = await read_audit(ledger, "list", "--limit", "0", "--json")
    assert code == 0, output[-2000:]
    return [json.loads(line) for line in output.splitlines()]


async def _wait_until_settled(ledger: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + SETTLED_S
    while True:
        calls = await list_calls(ledger)
        open_calls = [call for call in calls if call["outcome"] in {"pending", "unknown"}]
        if not open_calls:
            return calls
        assert time.monotonic() < deadline, f"not settled: {open_calls[:3]}"
        await asyncio.sleep(0.5)


def _compare(calls: list[dict[str, Any]], images: dict[str, str], seen: Seen) -> dict[str, Any]:
    creates = [call for call in calls if call["method"].endswith("ImageService/Create")]
    made = {call["name"]: call for call in creates if call["outcome"] == "ok"}
    missing = set(images) - set(made)
    assert not missing, f"images that no successful call in the ledger has made: {sorted(missing)[:5]}"
    invented = set(made) - set(images)
    assert not invented, f"successful calls in the ledger without an image: {sorted(invented)[:5]}"
    for name, call in made.items():
        assert call["resource_id"] == images[name], call
    for name, operation in seen.answered.items():
        found = {call["operation_id"] for call in creates if call["name"] == name and call["outcome"] == "ok"}
        assert found == {operation}, f"{name}: answered {operation}, in the ledger {found}"
    return {
        "asked": seen.asked,
        "repeated": seen.repeated,
        "answered": len(seen.answered),
        "images": len(images),
        "calls in the ledger": len(calls),
        "outcomes": dict(Counter(call["outcome"] for call in creates)),
    }


async def _verify(ledger: str) -> None:
    code, output = await read_audit(ledger, "verify")
    assert code == 0, output[-2000:]
