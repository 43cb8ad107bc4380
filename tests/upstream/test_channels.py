"""Channels to the upstreams, with real certificates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from opentelemetry.sdk.resources import Resource

from gateway.config import Upstream
from gateway.faults import FaultsError
from gateway.schema import Schema
from gateway.telemetry import Health, Metrics
from gateway.upstream import Channels
from tests.tls.authority import Authority, replace_file
from tests.tls.served import REFUSED, Files, Served, serve

GET = "yandex.cloud.operation.OperationService/Get"


@asynccontextmanager
async def opened(**upstreams: Upstream) -> AsyncIterator[Channels]:
    channels = Channels(upstreams, Health(), Metrics(Resource({})))
    yield channels
    await channels.close()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """An upstream that demands a client certificate, and responds with its name."""
    files = Files(tmp_path)
    async with serve("grpc", files, client_ca=True) as one:
        replace_file(tmp_path / "roots.pem", files.authority.pem)
        files.clients.issue("first").write(tmp_path, "own")
        yield one


def upstream(served: Served, folder: Path, **keys: Any) -> Upstream:
    own = {"certificate": folder / "own.pem", "key": folder / "own.key"}
    roots = {"root_certificates": folder / "roots.pem"}
    return Upstream(address=f"127.0.0.1:{served.port}", **(own | roots | keys))


async def call(channels: Channels, schema: Schema) -> str:
    """Return the response of the upstream, or REFUSED."""
    try:
        return (await channels["a"].unary(schema.methods[GET])(b"", 10, {})).data.decode()
    except grpc.aio.AioRpcError as error:
        return REFUSED if error.code() is grpc.StatusCode.UNAVAILABLE else str(error)


def reload(channels: Channels) -> None:
    for watch in channels.watches:
        watch.look()


async def test_every_upstream_has_a_channel() -> None:
    async with opened(
        a=Upstream(address="127.0.0.1:1", tls=False), b=Upstream(address="127.0.0.1:1")
    ) as channels:
        assert channels["a"] is not channels["b"]
        assert channels.watches == []


async def test_missing_certificates_are_named_together(tmp_path: Path) -> None:
    lost = {
        name: Upstream(
            address="127.0.0.1:1",
            root_certificates=tmp_path / f"{name}.pem",
            certificate=tmp_path / "c",
            key=tmp_path / "k",
        )
        for name in ("a", "b")
    }
    with pytest.raises(FaultsError) as caught:
        Channels(lost, Health(), Metrics(Resource({})))
    keys = ("root_certificates", "certificate", "key")
    assert [fault.key for fault in caught.value.faults] == [
        f"upstreams.{name}.{key}" for name in ("a", "b") for key in keys
    ]


async def test_the_gateway_presents_its_certificate(served: Served, tmp_path: Path, schema: Schema) -> None:
    async with opened(a=upstream(served, tmp_path)) as channels:
        assert await call(channels, schema) == "first"
    async with opened(a=upstream(served, tmp_path, certificate=None, key=None)) as channels:
        assert await call(channels, schema) == REFUSED


async def test_an_upstream_of_an_unknown_ca_is_refused(
    served: Served, tmp_path: Path, schema: Schema
) -> None:
    (tmp_path / "other.pem").write_bytes(Authority("other").pem)
    for roots in (None, tmp_path / "other.pem"):
        async with opened(a=upstream(served, tmp_path, root_certificates=roots)) as channels:
            assert await call(channels, schema) == REFUSED


@pytest.mark.parametrize(("name", "expected"), [("localhost", "first"), ("other.example", REFUSED)])
async def test_the_name_of_an_upstream_can_be_another_one(
    served: Served, tmp_path: Path, schema: Schema, name: str, expected: str
) -> None:
    async with opened(a=upstream(served, tmp_path, server_name=name)) as channels:
        assert await call(channels, schema) == expected


async def test_changed_certificates_are_used_for_new_calls(
    served: Served, tmp_path: Path, schema: Schema
) -> None:
    clients = served.files.clients
    async with opened(a=upstream(served, tmp_path)) as channels:
        assert await call(channels, schema) == "first"
        old = channels["a"].current
        clients.issue("second").write(tmp_path, "own")
        reload(channels)
        assert await call(channels, schema) == "second"
        assert channels["a"].current is not old


async def test_changed_root_certificates_are_used_for_new_calls(
    served: Served, tmp_path: Path, schema: Schema
) -> None:
    async with opened(a=upstream(served, tmp_path)) as channels:
        for pem, expected in ((Authority("other").pem, REFUSED), (served.roots, "first")):
            replace_file(tmp_path / "roots.pem", pem)
            reload(channels)
            assert await call(channels, schema) == expected


async def test_half_written_files_keep_the_channel(served: Served, tmp_path: Path, schema: Schema) -> None:
    health = Health()
    channels = Channels({"a": upstream(served, tmp_path)}, health, Metrics(Resource({})))
    pem = (tmp_path / "own.pem").read_bytes()
    old = channels["a"].current
    for data in (b"", pem[:200], pem[:-10]):
        (tmp_path / "own.pem").write_bytes(data)
        reload(channels)
        (condition,) = [one for one in health.conditions if one.name == "upstreams.a.tls"]
        assert condition.status == "degraded"
        assert condition.reason.startswith(f"{tmp_path}/own.pem: upstreams.a.certificate: ")
        assert channels["a"].current is old
        assert await call(channels, schema) == "first"
    (tmp_path / "own.pem").write_bytes(pem)
    reload(channels)
    (condition,) = [one for one in health.conditions if one.name == "upstreams.a.tls"]
    assert condition.status == "ok"
    await channels.close()


async def test_no_call_fails_during_rotations(served: Served, tmp_path: Path, schema: Schema) -> None:
    """The certificate of the gateway, the roots and the certificate of the upstream change under load."""
    clients, is_over, counts = served.files.clients, False, [0] * 4
    async with opened(a=upstream(served, tmp_path)) as channels:
        names = set()

        async def make_calls(number: int) -> None:
            while not is_over:
                names.add(await call(channels, schema))
                counts[number] += 1

        callers = [asyncio.create_task(make_calls(number)) for number in range(4)]
        for number in range(3):
            clients.issue(f"client {number}").write(tmp_path, "own")
            replace_file(tmp_path / "roots.pem", served.roots + Authority("other").pem * number)
            reload(channels)
            served.tls.watch.look()
            await _until_each_has_made(20, counts)
        is_over = True
        await asyncio.gather(*callers)
    assert names - {"first"} == {"client 0", "client 1", "client 2"}


async def _until_each_has_made(calls: int, counts: Iterable[int]) -> None:
    before = list(counts)
    while min(now - then for now, then in zip(counts, before, strict=True)) < calls:
        await asyncio.sleep(0.01)
