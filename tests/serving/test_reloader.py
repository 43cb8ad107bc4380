"""A bundle that changes while the gateway serves."""

from __future__ import annotations

import asyncio
import gc
import re
import shutil
import weakref
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.bundles import read_bundle
from gateway.serving.builder import Builder
from gateway.serving.reloader import Reloader
from tests.conftest import GOOD_IMAGE, IMAGES, ROOT, Running, Start, make_config, plain_telemetry

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))


def approve(bundle: Path, bucket: str) -> None:
    file = bundle / "params.yaml"
    changed = bundle.parent / "changed"  # moved in whole: a watcher must not see it half written
    changed.write_text(re.sub(r"buckets: .*", f"buckets: [{bucket}]", file.read_text()))
    changed.replace(file)


async def status_of_a_create(running: Running) -> int:
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as answer:
        return answer.status


async def facts(running: Running) -> dict[str, object]:
    async with running.client.get(running.admin("/readyz")) as answer:
        assert answer.status == 200
        return dict(await answer.json())


async def test_a_changed_bundle_is_put_in_force(start: Start, bundle: Path) -> None:
    running = await start(policies__path=bundle)
    before = (await facts(running))["bundle"]
    assert await status_of_a_create(running) == 200
    approve(bundle, "other")
    await running.gateway.reload()
    assert await status_of_a_create(running) == 403
    assert (await facts(running))["bundle"] != before
    assert 'gateway_bundle_reloads_total{outcome="active"} 1.0' in running.metrics.expose().decode()


async def test_a_bad_bundle_leaves_the_last_good_one(
    start: Start, bundle: Path, logs: pytest.LogCaptureFixture
) -> None:
    running = await start(policies__path=bundle)
    before = await facts(running)
    good = (bundle / "naming.yaml").read_text()
    (bundle / "naming.yaml").write_text(good.replace("request.name", "request.nam"))
    await running.gateway.reload()
    await running.gateway.reload()
    assert await status_of_a_create(running) == 200
    now = await facts(running)
    assert now["bundle"] == before["bundle"]
    assert "undefined field 'nam'" in str(now["reload_faults"])
    assert "the active snapshot stays" in logs.text
    assert 'gateway_bundle_reloads_total{outcome="refused"} 1.0' in running.metrics.expose().decode()
    (bundle / "naming.yaml").write_text(good)
    await running.gateway.reload()
    assert "reload_faults" not in await facts(running)


async def test_nothing_keeps_a_snapshot_that_was_replaced(start: Start, bundle: Path) -> None:
    running = await start(policies__path=bundle)
    replaced: list[weakref.ref[Any]] = []
    for number in range(3):
        snapshot = running.gateway._active.snapshot  # noqa: SLF001
        replaced += [weakref.ref(snapshot.writer), weakref.ref(snapshot.methods[f"/{CREATE}"].request)]
        del snapshot
        assert await status_of_a_create(running) == (403 if number else 200)
        async with running.client.post(running.url(IMAGES), json={"labels": {"a": 1}, "no": 1}) as answer:
            assert answer.status == 400
        approve(bundle, f"bucket-{number}")
        await running.gateway.reload()
    await asyncio.sleep(0)  # the last exchange's task
    gc.collect()
    assert not any(one() for one in replaced)


async def test_a_vanished_bundle_leaves_the_last_good_one(start: Start, bundle: Path) -> None:
    running = await start(policies__path=bundle)
    shutil.rmtree(bundle)
    await running.gateway.reload()
    assert await status_of_a_create(running) == 200
    assert "reload_faults" in await facts(running)


async def test_files_are_watched(start: Start, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reloader.watch, "__defaults__", (0.02,))
    running = await start(policies__path=bundle, policies__reload="true")
    before = (await facts(running))["bundle"]
    approve(bundle, "other")
    async with asyncio.timeout(10):
        while (await facts(running))["bundle"] == before:
            await asyncio.sleep(0.02)
    assert await status_of_a_create(running) == 403


async def test_files_that_still_change_are_waited_for(start: Start, bundle: Path) -> None:
    running = await start(policies__path=bundle, policies__settle_s=0.3)
    reloading = asyncio.create_task(running.gateway.reload())
    approve(bundle, "half-written")
    for _ in range(20):
        await asyncio.sleep(0.02)
        approve(bundle, "half-written")  # an editor goes on writing
        assert await status_of_a_create(running) != 403
    approve(bundle, "golden-images, other")
    await reloading
    assert (await facts(running))["bundle"] == read_bundle(bundle).hash
    assert await status_of_a_create(running) != 403


async def test_files_that_never_settle_are_reported(start: Start, bundle: Path) -> None:
    running = await start(policies__path=bundle, policies__settle_s=0.02)
    before = (await facts(running))["bundle"]

    async def flap() -> None:
        while True:
            for bucket in ("one", "two"):
                approve(bundle, bucket)
                await asyncio.sleep(0)

    approve(bundle, "two")  # the first read finds a change
    flapping = asyncio.create_task(flap())
    await running.gateway.reload()
    flapping.cancel()
    told = await facts(running)
    assert told["bundle"] == before
    assert "params.yaml" in str(told["reload_faults"])
    assert "kept changing: nothing may change for 0.02 s" in str(told["reload_faults"])
    assert "gateway_bundle_stale 1.0" in running.metrics.expose().decode()
    approve(bundle, "golden-images")
    await running.gateway.reload()
    told = await facts(running)
    assert "reload_faults" not in told


async def test_a_watch_survives_whatever_goes_wrong(
    start: Start, bundle: Path, monkeypatch: pytest.MonkeyPatch, logs: pytest.LogCaptureFixture
) -> None:
    running = await start(policies__path=bundle)
    reloader = running.gateway._reloader  # noqa: SLF001 - what watches
    build = Builder.build

    def fail(_: object, _sources: object) -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr(Builder, "build", fail)
    approve(bundle, "other")
    await reloader.reload()
    assert "the gateway failed" in str((await facts(running))["reload_faults"])
    assert "gateway_bundle_stale 1.0" in running.metrics.expose().decode()
    assert "inner workings" in logs.text
    assert await status_of_a_create(running) == 200
    monkeypatch.setattr(Builder, "build", build)
    approve(bundle, "third")
    await reloader.reload()
    assert "reload_faults" not in await facts(running)
    assert await status_of_a_create(running) == 403


async def test_each_new_snapshot_is_announced_once(bundle: Path) -> None:
    announced: list[str] = []
    config = make_config("127.0.0.1:1", policies__path=bundle, policies__reload=False)
    gateway = Gateway(config, plain_telemetry(), lambda: announced.append("active"))
    await gateway.start()
    try:
        assert len(announced) == 1
        approve(bundle, "other")
        await gateway.reload()
        await gateway.reload()
        assert len(announced) == 2
        (bundle / "naming.yaml").write_text("nonsense")
        await gateway.reload()
        assert len(announced) == 2
    finally:
        await gateway.stop()
