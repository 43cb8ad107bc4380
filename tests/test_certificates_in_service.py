"""Client certificates that have become invalid on an open connection, for a gateway as a whole."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio
import pytest

from tests.conftest import IMAGES, Running, Start
from tests.identified import Response, call, identifying
from tests.served_bundle import metric
from tests.test_tls_in_service import http_client, look, text_of, tls_of
from tests.tls.authority import Authority, Issued, replace_file
from tests.tls.served import Files

PROTOCOLS = ["rest", "grpc"]
CHALLENGE = 'ClientCertificate realm="baremetal-gateway"'

Call = Callable[[], Awaitable[Response]]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


async def start_with(start: Start, files: Files, *, crl: bool = False, **callers: Any) -> Running:
    """Start a gateway whose callers have certificates on both listeners."""
    tls = text_of(files, client_ca=True, **({"crl": True} if crl else {}))
    return await start(rest__tls=tls, grpc__tls=tls, **identifying(files.folder, "mtls", **callers))


@asynccontextmanager
async def connected(running: Running, files: Files, client: Issued, protocol: str) -> AsyncIterator[Call]:
    """A context manager for one open connection. It yields a function that lists images on it."""
    if protocol == "grpc":
        credentials = grpc.ssl_channel_credentials(files.authority.pem, client.key, client.pem)
        async with grpc.aio.secure_channel(str(running.addresses.grpc), credentials) as channel:
            yield lambda: call(running, channel=channel)
        return
    async with http_client(files, client) as session:

        async def get() -> Response:
            url = f"https://{running.addresses.rest}{IMAGES}?folderId=b1gexample"
            async with session.get(url) as response:
                tree, text = await response.json(), await response.text()
            headers = {name.lower(): value for name, value in response.headers.items()}
            reason = tree["details"][0]["reason"] if tree.get("code") else ""
            return Response(tree.get("code", 0), reason, headers, text)

        yield get


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_certificate_that_is_revoked_is_refused_on_an_open_connection(
    start: Start, files: Files, protocol: str, logs: pytest.LogCaptureFixture
) -> None:
    running = await start_with(start, files, crl=True, failed_attempts="2/hour")
    client, other = files.clients.issue("ci"), files.clients.issue("other")
    async with (
        connected(running, files, client, protocol) as list_images,
        connected(running, files, other, protocol) as list_as_other,
    ):
        assert [(await list_images()).code, (await list_as_other()).code] == [0, 0]
        replace_file(files.folder / "crl.pem", files.clients.revoke([client]))
        look(running)
        count = len(running.emulator.calls)
        refused = await list_images()
        assert (refused.code, refused.reason) == (16, "CERTIFICATE_REVOKED")
        assert refused.headers["www-authenticate"] == CHALLENGE
        await list_images()
        limited = await list_images()
        assert (limited.code, limited.reason) == (8, "RATE_LIMITED")
        assert len(running.emulator.calls) == count
        assert (await list_as_other()).code == 0
    name = 'gateway_callers_failures_total{kind="mtls",reason="REVOKED"}'
    assert metric(running, name) == "2.0"
    lines = [one for one in logs.records if one.message == "caller refused"]
    assert [vars(one)["reason"] for one in lines] == ["REVOKED"] * 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_certificate_that_expires_is_refused_on_an_open_connection(
    start: Start, files: Files, protocol: str
) -> None:
    running = await start_with(start, files)
    client = files.clients.issue("ci")
    async with connected(running, files, client, protocol) as list_images:
        assert (await list_images()).code == 0
        clients = tls_of(running, protocol).clients
        assert clients is not None
        clients._now = lambda: time.time() + 400 * 86400  # noqa: SLF001 - a test cannot wait for a year
        refused = await list_images()
    assert (refused.code, refused.reason) == (16, "CERTIFICATE_EXPIRED")
    assert refused.headers["www-authenticate"] == CHALLENGE


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_certificate_of_another_ca_reaches_no_method(
    start: Start, files: Files, protocol: str
) -> None:
    running = await start_with(start, files)
    client = Authority("clients").issue("ci")
    if protocol == "grpc":
        async with connected(running, files, client, protocol) as list_images:
            assert (await list_images()).code == 14
    else:
        with pytest.raises(aiohttp.ClientError):
            async with connected(running, files, client, protocol) as list_images:
                await list_images()
    assert not running.emulator.calls
