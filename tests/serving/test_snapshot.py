"""The active snapshot: replaced as a whole, and kept by the calls that it serves."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.emulator import InjectedFault
from tests.conftest import GOOD_IMAGE, IMAGES, Start
from tests.policy.making import binding_text, policy_text

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"


async def test_a_call_keeps_its_snapshot_to_its_end(start: Start, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.yaml"
    bundle.write_text(policy_text("true") + binding_text())
    running = await start(policies__path=bundle, policies__settle_s=0.01)
    running.emulator.inject(InjectedFault(method=CREATE, delay_s=0.5))

    async def create() -> int:
        async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as response:
            return response.status

    before = running.gateway._active.snapshot  # noqa: SLF001 - what is replaced
    first = asyncio.create_task(create())
    await asyncio.sleep(0.1)
    bundle.write_text(policy_text("false") + binding_text())
    await running.gateway.reload()
    after = running.gateway._active.snapshot  # noqa: SLF001
    assert after is not before
    assert after.bundle_hash != before.bundle_hash
    assert (await create(), await first) == (403, 200)
