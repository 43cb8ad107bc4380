"""TLS of a gateway as a whole: rotations under load, conditions, and what is imported without TLS."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest

from gateway.schema import Schema
from gateway.tls import ServerTls
from tests.conftest import IMAGES, ROOT, Running, Start
from tests.tls.authority import DAY, Authority, Issued, replace_file
from tests.tls.served import Files, client_context

LIST = "yandex.cloud.baremetal.v1alpha.ImageService/List"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def text_of(files: Files, **keys: Any) -> str:
    """Return a TLS section as YAML."""
    section = files.section(**keys).model_dump(mode="json", exclude_none=True)
    return json.dumps(section)


def look(running: Running) -> None:
    for watch in running.gateway._watches:  # noqa: SLF001 - a test does not wait for the interval
        watch.look()


def tls_of(running: Running, name: str) -> ServerTls:
    return running.gateway._tls[name]  # noqa: SLF001 - as said


@asynccontextmanager
async def http_client(files: Files, client: Issued | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=client_context(files.authority.pem, client))
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


@asynccontextmanager
async def rpc_client(
    running: Running, files: Files, schema: Schema, client: Issued | None = None
) -> AsyncIterator[Callable[[], Any]]:
    pair = (client.key, client.pem) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(files.authority.pem, *pair)
    async with grpc.aio.secure_channel(str(running.addresses.grpc), credentials) as channel:
        method = schema.methods[LIST]
        callable_: Any = channel.unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.reply.FromString,
        )
        yield lambda: callable_(method.request(folder_id="b1gexample"), timeout=30)


async def test_no_call_fails_while_certificates_change(start: Start, files: Files, schema: Schema) -> None:
    """REST and gRPC, each on one open connection and on new ones, while all files change three times."""
    tls = text_of(files, client_ca=True, crl=True)
    running = await start(rest__tls=tls, grpc__tls=tls)
    client, counts, is_over = files.clients.issue("ci"), [0] * 4, False
    url = f"https://{running.addresses.rest}{IMAGES}?folderId=b1gexample"

    async def get(session: aiohttp.ClientSession, counter: int) -> None:
        async with session.get(url) as response:
            assert response.status == 200
        counts[counter] += 1

    async def call(make: Callable[[], Any], counter: int) -> None:
        await make()
        counts[counter] += 1

    async def on_open_connections(counter: int) -> None:
        async with http_client(files, client) as session, rpc_client(running, files, schema, client) as make:
            while not is_over:
                await get(session, counter)
                await call(make, counter + 1)

    async def on_new_connections(counter: int) -> None:
        while not is_over:
            async with http_client(files, client) as session:
                await get(session, counter)
            async with rpc_client(running, files, schema, client) as make:
                await call(make, counter + 1)

    callers = [asyncio.create_task(on_open_connections(0)), asyncio.create_task(on_new_connections(2))]
    for _ in range(3):
        before = list(counts)
        files.section()
        look(running)
        while min(now - then for now, then in zip(counts, before, strict=True)) < 3:
            await asyncio.sleep(0.01)
            assert not any(one.done() for one in callers)
    is_over = True
    await asyncio.gather(*callers)


async def test_faults_of_changed_files_are_conditions(start: Start, files: Files) -> None:
    running = await start(rest__tls=text_of(files))
    (files.folder / "server.pem").write_bytes(b"")
    look(running)
    async with running.client.get(running.admin("/readyz")) as response:
        assert response.status == 200
        (condition,) = (await response.json())["conditions"]
    assert (condition["name"], condition["status"]) == ("rest.tls", "degraded")
    assert condition["reason"].startswith(f"{files.folder}/server.pem: rest.tls.certificate: contains no")
    async with http_client(files) as session, session.get(f"https://{running.addresses.rest}/x") as response:
        assert response.status == 404


async def test_the_gateway_itself_looks_at_the_files(
    start: Start, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.watching.files.FileWatch.run.__defaults__", (0.01,))
    running = await start(rest__tls=text_of(files))
    new = files.authority.issue("server")
    new.write(files.folder, "server")
    async with asyncio.timeout(20):
        while tls_of(running, "rest").files.chain != new.pem:
            await asyncio.sleep(0.01)


async def test_revoked_certificates_are_refused_by_the_admin_listener(start: Start, files: Files) -> None:
    running = await start(admin__tls=text_of(files, client_ca=True, crl=True, client_auth="optional"))
    client = files.clients.issue("monitor")
    url = f"https://{running.addresses.admin}/livez"
    async with http_client(files, client) as session, http_client(files) as anonymous:
        async with session.get(url) as response:
            assert response.status == 200
        replace_file(files.folder / "crl.pem", files.clients.revoke([client]))
        look(running)
        async with session.get(url) as response:
            assert (response.status, (await response.json())["reason"]) == (401, "CERTIFICATE_REVOKED")
        async with anonymous.get(url) as response:
            assert response.status == 200


async def test_the_metrics_show_when_certificates_expire(start: Start, files: Files) -> None:
    running = await start(rest__tls=text_of(files))
    name = 'gateway_tls_certificate_time_left_seconds{section="rest.tls"} '
    for days in (365, 10):
        files.authority.issue("server", lifetime=(-DAY, days * DAY)).write(files.folder, "server")
        look(running)
        async with running.client.get(running.admin("/metrics")) as response:
            text = await response.text()
        (line,) = [one for one in text.splitlines() if one.startswith(name)]
        assert round(float(line.removeprefix(name)) / 86400, 1) == days


def test_cryptography_is_imported_only_for_tls() -> None:
    program = "import sys, gateway.app; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


async def test_a_client_that_trusts_another_ca_does_not_connect(start: Start, files: Files) -> None:
    running = await start(rest__tls=text_of(files))
    context = ssl.create_default_context(cadata=Authority().pem.decode())
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await running.client.get(f"https://{running.addresses.rest}/", ssl=context)
