"""A bundle whose files are emptied and half written while a real process serves with it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.emulator import Emulator
from tests.conftest import GOOD_IMAGE, IMAGES, ROOT
from tests.policy.making import binding_text, policy_text
from tests.processes import COMMAND, free_ports, process_environment, wait_until_ready

ELSEWHERE = "https://storage.yandexcloud.net/not-approved/a.iso"
DEADLINE_S = 60


@dataclass(frozen=True, slots=True)
class Served:
    """A process that serves before an emulator."""

    process: subprocess.Popen[str]
    client: aiohttp.ClientSession
    emulator: Emulator
    rest: str
    admin: str
    log: Path

    async def create(self, **changes: Any) -> int:
        async with self.client.post(f"http://{self.rest}{IMAGES}", json=GOOD_IMAGE | changes) as answer:
            return answer.status

    async def facts(self) -> dict[str, Any]:
        async with self.client.get(f"http://{self.admin}/readyz") as answer:
            assert answer.status == 200
            return dict(await answer.json())

    async def until(self, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_S):
            while not is_so(facts := await self.facts()):
                await asyncio.sleep(0.02)
        return facts

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)


@asynccontextmanager
async def serve(folder: Path, **environment: str) -> AsyncIterator[Served]:
    ports, log = free_ports(), folder / "gateway.log"
    async with Emulator(delay_s=0) as emulator, aiohttp.ClientSession() as client:
        upstreams = {
            f"GATEWAY__UPSTREAMS__{name}": f"{{address: '{emulator.address}', tls: false}}"
            for name in ("BAREMETAL", "OPERATION")
        }
        with log.open("w") as file:  # a pipe that nobody reads would hold the process up
            process = subprocess.Popen(
                [*COMMAND, "serve"],
                cwd=folder,
                env=process_environment(ports, upstreams, environment),
                stdout=subprocess.DEVNULL,
                stderr=file,
                text=True,
            )
        try:
            rest, admin = (ports[f"GATEWAY__{name}__LISTEN"] for name in ("REST", "ADMIN"))
            wait_until_ready(f"http://{admin}/readyz", process)
            yield Served(process, client, emulator, rest, admin, log)
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))


@pytest.mark.parametrize("is_watched", ["true", "false"])
async def test_an_emptied_policy_file_opens_no_gate(tmp_path: Path, bundle: Path, is_watched: str) -> None:
    file = bundle / "approved-source.yaml"
    whole = file.read_text()
    options = {"GATEWAY__POLICIES__SETTLE_S": "0.1", "GATEWAY__POLICIES__RELOAD": is_watched}
    async with serve(tmp_path, **options) as served:
        before = await served.facts()
        assert await served.create(uri=ELSEWHERE) == 403
        file.write_text("")
        if is_watched == "false":
            served.reload()
        facts = await served.until(lambda facts: "reload_faults" in facts)
        assert await served.create(uri=ELSEWHERE) == 403
        assert facts["bundle"] == before["bundle"]
        assert "approved-source.yaml: contains no document" in str(facts["reload_faults"])

        file.write_text(whole.replace("is not approved", "is none of ours"))
        served.reload()
        facts = await served.until(lambda facts: facts["bundle"] != before["bundle"])
        assert "reload_faults" not in facts
        assert await served.create(uri=ELSEWHERE) == 403
        assert not served.emulator.calls
    assert "Traceback" not in served.log.read_text()


async def test_no_create_passes_while_a_file_is_written_again_and_again(tmp_path: Path, bundle: Path) -> None:
    file = bundle / "approved-source.yaml"
    whole = file.read_text()
    # Where a writer may be: nothing is there yet, a text is cut, the binding is not there yet.
    cuts = [0, len(whole) // 3, whole.index("---"), len(whole)]
    statuses = set()
    async with serve(tmp_path, GATEWAY__POLICIES__SETTLE_S="0.1") as served:
        for _ in range(10):
            for cut in cuts:
                file.write_text(whole[:cut])
                served.reload()
                statuses |= {await served.create(uri=ELSEWHERE) for _ in range(5)}
        assert statuses == {403}
        file.write_text(whole + "# written whole\n")
        before = (await served.facts())["bundle"]
        await served.until(lambda facts: facts["bundle"] != before and "reload_faults" not in facts)
        assert await served.create(uri=ELSEWHERE) == 403
        assert not served.emulator.calls
        assert await served.create() == 200


async def test_a_part_that_is_a_bundle_too_is_not_taken_while_the_file_is_written(tmp_path: Path) -> None:
    """The first half of this file is a bundle without the rule that denies."""
    folder = tmp_path / "policies"
    folder.mkdir()
    half = policy_text("request.name != ''", name="named") + binding_text("n", "named")
    whole = half + policy_text("!request.uri.contains('not-approved')") + binding_text()
    (folder / "all.yaml").write_text(whole)
    # Long enough that the slowest machine is done before it has passed.
    async with serve(tmp_path, GATEWAY__POLICIES__SETTLE_S="20") as served:
        statuses = set()
        for _ in range(5):
            for text in (half, "", whole):
                (folder / "all.yaml").write_text(text)
                served.reload()
                statuses |= {await served.create(uri=ELSEWHERE) for _ in range(5)}
        assert statuses == {403}
        assert not served.emulator.calls
