"""The facts on the status page, and the secrets that are not among them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import BaseModel, SecretStr

from gateway import __version__
from gateway.app import Gateway
from gateway.config import Config
from gateway.config.load import load_with_origins
from tests.conftest import ROOT, Running, plain_telemetry

SECRET = "canary-4d1f"


async def read(running: Running, accept: str = "*/*") -> dict[str, Any]:
    async with running.client.get(running.admin("/statusz"), headers={"Accept": accept}) as response:
        assert response.status == 200
        found: dict[str, Any] = await response.json()
        return found


async def test_the_facts(running: Running) -> None:
    found = await read(running)
    about, parts = (
        ["version", "status", "started", "uptime_s"],
        ["snapshot", "conditions", "ledger", "limits"],
    )
    assert list(found) == [*about, *parts, "configuration"]
    assert (found["version"], found["status"]) == (__version__, "ready")
    assert found["uptime_s"] > 0
    assert found["snapshot"]["bundle"].startswith("sha256:")
    assert found["snapshot"]["descriptors"].startswith("sha256:")
    assert found["snapshot"]["shadow"] is None
    assert {"listeners", "bundle", "reload"} <= {one["name"] for one in found["conditions"]}
    values = {one["key"]: one["value"] for one in found["configuration"]}
    assert values["limits.deadline_s"] == 30
    assert {one["source"] for one in found["configuration"]} == {None}


def _secret_keys(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[str]:
    """Yield the keys of the configuration that hold secrets."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if not field.repr or kind is SecretStr:
            yield f"{prefix}{name}"
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _secret_keys(kind, f"{prefix}{name}.")


async def test_no_secret_is_shown(tmp_path: Path) -> None:
    """Each key that holds a secret has one. A new key of this kind fails the first assertion."""
    assert set(_secret_keys()) == {"ledger.url", "limits.store"}  # and the tokens of static credentials
    closed = {"address": "127.0.0.1:1", "tls": False}
    own = {"credentials": {"type": "static", "token": f"{SECRET}-own"}}
    sections = {
        **{name: {"listen": "127.0.0.1:0"} for name in ("rest", "grpc", "admin")},
        "upstreams": {"baremetal": closed | own, "operation": closed},
        "credentials": {"type": "static", "token": SECRET},
        "ledger": {"url": f"postgresql://user:{SECRET}@127.0.0.1:1/a?passfile={SECRET}"},
        "limits": {"store": f"redis://user:{SECRET}@127.0.0.1:1/0", "rate": "1000/second"},
        "policies": {"path": str(ROOT / "policies")},
    }
    file = tmp_path / "gateway.yaml"
    file.write_text(json.dumps(sections))
    config, origins = load_with_origins(file, {})
    gateway = Gateway(config, plain_telemetry(), origins=origins)
    addresses = await gateway.start()
    try:
        async with aiohttp.ClientSession() as client:
            for page in ("/statusz", "/readyz", "/readyz?verbose", "/metrics"):
                for accept in ("application/json", "text/html", "text/plain"):
                    url = f"http://{addresses.admin}{page}"
                    async with client.get(url, headers={"Accept": accept}) as response:
                        assert SECRET not in await response.text(), page
            async with client.get(f"http://{addresses.admin}/statusz") as response:
                found = await response.json()
    finally:
        await gateway.stop()
    shown = {one["key"]: (one["value"], one["source"]) for one in found["configuration"]}
    assert shown["credentials.token"] == ("***", f"{file}:1")
    assert shown["limits.deadline_s"] == (30, "default")


@pytest.mark.parametrize("change", ["bundle", "descriptors"])
async def test_the_hashes_are_those_of_the_snapshot(running: Running, change: str) -> None:
    snapshot = running.gateway._active.snapshot  # noqa: SLF001
    expected = {"bundle": snapshot.bundle_hash, "descriptors": snapshot.descriptors_hash}
    assert (await read(running))["snapshot"][change] == expected[change]
