"""Conditions of the health over HTTP: what makes each one degraded or failed, and what makes it ok again."""

from __future__ import annotations

import asyncio
import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from gateway.app import Gateway
from gateway.emulator import InjectedFault
from gateway.errors import Code
from gateway.schema import Schema
from tests.conftest import GOOD_IMAGE, IMAGES, ROOT, Running, Start, make_config, plain_telemetry
from tests.served_bundle import last_good_options
from tests.waiting import GENEROUS_S
from tests.wire.conftest import Upstream, Wire, sets, wire, wire_schema
from tests.wire.conftest import _Handler as Handler

__all__ = ["sets", "wire", "wire_schema"]  # fixtures

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"


async def conditions(running: Any, status: int = 200) -> dict[str, dict[str, str]]:
    async with running.client.get(
        f"http://{running.addresses.admin}/readyz?verbose", headers={"Accept": "application/json"}
    ) as response:
        assert response.status == status
        body = await response.json()
    assert body["status"] == ("ready" if status == 200 else "not ready")
    for one in body["conditions"]:
        assert list(one) == ["name", "status", "reason", "since"]
        assert datetime.fromisoformat(one["since"]).utcoffset() is not None
        assert (one["reason"] == "") == (one["status"] == "ok")
    return {one["name"]: one for one in body["conditions"]}


async def create(running: Running, name: str = "image-1") -> int:
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE | {"name": name}) as response:
        await response.read()
        return response.status


async def test_each_part_has_a_condition(start: Start, tmp_path: Path) -> None:
    running = await start(decision_log__type="file", decision_log__path=tmp_path / "records.jsonl")
    found = await conditions(running)
    assert {name: one["status"] for name, one in found.items()} == dict.fromkeys(
        (
            "listeners",
            "upstream/baremetal",
            "upstream/operation",
            "decision_log",
            "bundle",
            "reload",
            "load",
            "telemetry",
        ),
        "ok",
    )
    async with running.client.get(running.admin("/readyz")) as response:
        assert "conditions" not in await response.json()


async def test_an_upstream_that_cannot_be_reached(start: Start) -> None:
    running = await start()
    address = running.emulator.address
    await running.emulator.stop()
    assert await create(running) == 503
    degraded = await conditions(running)
    one = degraded["upstream/baremetal"]
    assert one["status"] == "degraded"
    assert one["reason"].startswith(f"{address}: failed to connect")
    assert degraded["upstream/operation"]["status"] == "ok"
    await asyncio.sleep(0.005)
    assert await create(running) == 503
    assert (await conditions(running))["upstream/baremetal"]["since"] == one["since"]
    await running.emulator.start(address)
    async with asyncio.timeout(GENEROUS_S):
        while await create(running) == 503:
            await asyncio.sleep(0.05)
    again = (await conditions(running))["upstream/baremetal"]
    assert (again["status"], again["since"] > one["since"]) == ("ok", True)


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.INTERNAL, Code.NOT_FOUND])
async def test_an_upstream_that_responds_with_an_error_can_be_reached(start: Start, code: Code) -> None:
    running = await start()
    running.emulator.inject(InjectedFault(method=CREATE, code=code, times=None))
    assert await create(running) >= 400
    assert (await conditions(running))["upstream/baremetal"]["status"] == "ok"


async def test_a_stream_without_messages_is_a_response(wire: Wire, wire_schema: Schema) -> None:
    upstream = Upstream(wire_schema)
    server = await upstream.start()
    wired = await wire(upstreams__baremetal__address=upstream.address)
    await server.stop(0)

    async def watch() -> int:
        async with wired.client.get(wired.url("/wire/events")) as response:
            await response.read()
            return response.status

    assert await watch() == 503
    assert (await conditions(wired))["upstream/baremetal"]["status"] == "degraded"
    server = grpc.aio.server(handlers=[Handler(upstream)])
    server.add_insecure_port(upstream.address)
    await server.start()
    async with asyncio.timeout(GENEROUS_S):
        while await watch() != 200:
            await asyncio.sleep(0.05)
    assert (await conditions(wired))["upstream/baremetal"]["status"] == "ok"
    await server.stop(0)


async def test_a_disk_that_is_full_for_a_while(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.symlink_to("/dev/full")
    running = await start(decision_log__type="file", decision_log__path=path)
    assert (await conditions(running))["decision_log"]["status"] == "ok"
    assert await create(running) == 503
    degraded = (await conditions(running))["decision_log"]
    assert degraded["status"] == "degraded"
    assert degraded["reason"] == "calls are refused: No space left on device"
    assert await create(running) == 503
    assert (await conditions(running))["decision_log"]["since"] == degraded["since"]
    os.unlink(path)  # noqa: PTH108 - the link; the next record opens a new file
    assert await create(running) == 200
    again = (await conditions(running))["decision_log"]
    assert (again["status"], again["since"] > degraded["since"]) == ("ok", True)
    assert path.is_file()


async def test_a_bad_bundle(start: Start, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))
    running = await start(policies__path=bundle)
    good = (bundle / "naming.yaml").read_text()
    seen = []
    for wrong in ("nam", "nama"):
        (bundle / "naming.yaml").write_text(good.replace("request.name", f"request.{wrong}"))
        await running.gateway.reload()
        seen.append((await conditions(running))["reload"])
        assert seen[-1]["status"] == "degraded"
        assert f"undefined field '{wrong}'" in seen[-1]["reason"]
    assert seen[0]["since"] == seen[1]["since"]
    (bundle / "naming.yaml").write_text(good)
    await running.gateway.reload()
    again = (await conditions(running))["reload"]
    assert (again["status"], again["since"] > seen[0]["since"]) == ("ok", True)


async def test_a_shadow_bundle_with_faults(start: Start, tmp_path: Path) -> None:
    shadow = Path(shutil.copytree(ROOT / "policies", tmp_path / "shadow"))
    good = (shadow / "naming.yaml").read_text()
    (shadow / "naming.yaml").write_text(good.replace("request.name", "request.nam"))
    running = await start(policies__shadow=shadow)
    one = (await conditions(running))["bundle"]
    assert one["status"] == "degraded"
    assert one["reason"].startswith("the shadow bundle is not evaluated: ")
    assert "undefined field 'nam'" in one["reason"]
    assert await create(running) == 200
    (shadow / "naming.yaml").write_text(good)
    await running.gateway.reload()
    assert (await conditions(running))["bundle"]["status"] == "ok"


async def test_a_start_with_the_last_good_bundle(start: Start, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))
    good = (bundle / "naming.yaml").read_text()
    options = last_good_options(bundle, tmp_path / "kept.json")
    first = await start(**options)
    assert (await conditions(first))["bundle"]["status"] == "ok"
    await first.gateway.stop()
    (bundle / "naming.yaml").write_text(good.replace("request.name", "request.nam"))
    running = await start(**options)
    found = await conditions(running)
    assert found["bundle"]["reason"].startswith("the last good bundle is used since the start")
    assert "undefined field 'nam'" in found["reload"]["reason"]
    (bundle / "naming.yaml").write_text(good)
    await running.gateway.reload()
    assert (await conditions(running))["bundle"]["status"] == "ok"


async def test_a_last_good_bundle_that_cannot_be_saved(start: Start, tmp_path: Path) -> None:
    options = last_good_options(ROOT / "policies", tmp_path / "none" / "kept.json")
    one = (await conditions(await start(**options)))["bundle"]
    assert (one["status"], one["reason"]) == (
        "degraded", "the last good bundle cannot be saved: No such file or directory",
    )  # fmt: skip


async def test_listeners_fail_while_the_gateway_stops(start: Start) -> None:
    running = await start()
    running.emulator.inject(InjectedFault(method=CREATE, delay_s=0.5))
    call = asyncio.create_task(create(running))
    async with asyncio.timeout(GENEROUS_S):
        while not running.emulator.calls:
            await asyncio.sleep(0.01)
    stopping = asyncio.create_task(running.gateway.stop())
    await asyncio.sleep(0.05)
    one = (await conditions(running, 503))["listeners"]
    assert (one["status"], one["reason"]) == ("failed", "stopping")
    assert await call == 200
    await stopping


async def test_listeners_fail_until_the_gateway_has_started() -> None:
    gateway = Gateway(make_config("127.0.0.1:1"), plain_telemetry())
    health = gateway._health  # noqa: SLF001
    assert (health.is_ready, health.conditions[0].reason) == (False, "starting")
    await gateway.start()
    assert health.is_ready
    await gateway.stop()
    assert (health.is_ready, health.conditions[0].reason) == (False, "stopping")
