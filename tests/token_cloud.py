"""An emulated cloud that requires tokens, and gateways with credentials of their own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from gateway.emulator import Emulator
from gateway.emulator.token_server import EXCHANGE_PATH, TokenServer
from tests.conftest import GOOD_IMAGE, IMAGES, Running, start_gateway
from tests.service_accounts import ACCOUNT, register, write_key
from tests.settling import CREATE, LIST

if TYPE_CHECKING:
    from contextlib import AsyncExitStack
    from pathlib import Path


class Cloud:
    """An emulated cloud that requires tokens, and the sections of gateways that get them there.

    Attributes:
        ahead_s: how far the clock of the cloud is ahead, in seconds.
    """

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.ahead_s = 0.0
        self.emulator = Emulator(requires_token=True, clock=lambda: time.time() + self.ahead_s)
        self.server = TokenServer(self.emulator.tokens)
        self.folder = folder
        self.stack = stack
        emulator = self.emulator
        register(emulator)
        emulator.tokens.accept("given-canary")
        emulator.tokens.trust_workload("given-canary", ACCOUNT)
        (folder / "token").write_text("given-canary")
        write_key(folder / "key.json")

    async def open(self) -> None:
        """Start the cloud. The stack stops it."""
        await self.stack.enter_async_context(self.emulator)
        await self.stack.enter_async_context(self.server)

    def last(self, seconds: float) -> None:
        """Let operations last for a time. This resets the cloud."""
        self.emulator._delay_s = seconds  # noqa: SLF001 - it is set at the start otherwise
        self.emulator.reset()

    def section(self, kind: str) -> dict[str, Any]:
        sections: dict[str, dict[str, Any]] = {
            "static": {"token": "given-canary"},
            "file": {"path": self.folder / "token"},
            "metadata": {"address": self.server.address},
            "service_account_key": {
                "file": self.folder / "key.json",
                "iam": self.emulator.address,
                "tls": False,
            },
            "workload_identity": {
                "service_account_id": ACCOUNT,
                "token_file": self.folder / "token",
                "url": f"http://{self.server.address}{EXCHANGE_PATH}",
            },
        }
        return {f"credentials__{key}": value for key, value in ({"type": kind} | sections[kind]).items()}

    async def start(self, kind: str = "metadata", **sections: Any) -> Running:
        """Start a gateway whose upstream is this cloud."""
        addresses = {
            f"upstreams__{name}__address": self.emulator.address for name in ("baremetal", "operation")
        }
        given = addresses | self.section(kind) | sections
        running = await start_gateway(self.stack, is_traced=True, **given)
        fields = {name: getattr(running, name) for name in Running.__slots__}
        return Running(**fields | {"emulator": self.emulator})

    async def stop(self) -> None:
        """Stop the gateways and the cloud."""
        await self.stack.aclose()

    def authorizations(self, method: str = LIST) -> list[Any]:
        """Return what the cloud has received as `authorization`."""
        found = [dict(call.metadata) for call in self.emulator.calls if call.method == method]
        return [metadata.get("authorization") for metadata in found]

    def keys(self) -> list[str]:
        found = [dict(call.metadata) for call in self.emulator.calls if call.method == CREATE]
        return [str(metadata["idempotency-key"]) for metadata in found]


async def list_images(running: Running, **headers: str) -> tuple[int, dict[str, Any]]:
    url = running.url(f"{IMAGES}?folderId=b1gexample")
    async with running.client.get(url, headers=headers) as response:
        return response.status, await response.json()


async def create(running: Running, name: str = "image-1", **headers: str) -> tuple[int, dict[str, Any]]:
    body = GOOD_IMAGE | {"name": name}
    async with running.client.post(running.url(IMAGES), json=body, headers=headers) as response:
        return response.status, await response.json()


async def condition(running: Running, name: str = "credentials.shared") -> tuple[int, str, str]:
    async with running.client.get(
        running.admin("/readyz?verbose"), headers={"Accept": "application/json"}
    ) as response:
        page = await response.json()
        found = next(one for one in page["conditions"] if one["name"] == name)
        return response.status, found["status"], found["reason"]


def reason_of(body: dict[str, Any]) -> str:
    return str(body["details"][0].get("reason", ""))
