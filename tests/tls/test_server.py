"""TLS of both listeners, with real connections: who is refused, and what a change of the files does."""

from __future__ import annotations

import asyncio
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from opentelemetry.sdk.resources import Resource

from gateway.config import ListenerTls
from gateway.faults import FaultsError
from gateway.telemetry import Health, Metrics
from gateway.tls import ServerTls
from tests.tls.authority import CLIENT, DAY, SERVER, Authority, Issued, replace_file, self_signed, sign_with
from tests.tls.served import REFUSED, Files, Served, client_context, serve

Start = Callable[..., Any]
OTHER = Authority("other")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture(params=["rest", "grpc"])
async def start(request: pytest.FixtureRequest, files: Files) -> AsyncIterator[Start]:
    """Start servers of a protocol; arguments are keys of the TLS section."""
    async with AsyncExitStack() as stack:

        async def begin(**keys: Any) -> Served:
            return await stack.enter_async_context(serve(request.param, files, **keys))

        yield begin


async def test_the_certificate_of_a_client_is_known(start: Start, files: Files) -> None:
    served = await start(client_ca=True)
    assert await served.call(files.clients.issue("ci")) == "ci"
    assert await served.call(files.clients.issue("ci", usages=[CLIENT])) == "ci"
    assert await served.call(files.clients.issue("ci", usages=[])) == "ci"
    middle = files.clients.make_authority("middle")
    assert await served.call(middle.issue("ci", sends_chain=True)) == "ci"
    assert await served.call(middle.issue("ci")) == REFUSED


async def test_an_intermediate_ca_may_be_trusted_without_its_root(start: Start, files: Files) -> None:
    root, files.clients = files.clients, files.clients.make_authority("middle")
    served = await start(client_ca=True)
    assert await served.call(files.clients.issue("ci")) == "ci"
    assert await served.call(root.issue("ci")) == REFUSED


ATTACKS: dict[str, Callable[[Authority], Issued | None]] = {
    "no certificate": lambda _: None,
    "a certificate of another CA": lambda _: OTHER.issue(),
    "a certificate of a CA of the same name": lambda _: Authority("clients").issue(),
    "a certificate of an unknown intermediate CA": lambda _: OTHER.make_authority("x").issue(
        sends_chain=True
    ),
    "a self-signed certificate": lambda _: self_signed(),
    "an expired certificate": lambda ca: ca.issue(lifetime=(-2 * DAY, -DAY)),
    "a certificate that is not valid yet": lambda ca: ca.issue(lifetime=(DAY, 2 * DAY)),
    "a certificate for servers only": lambda ca: ca.issue(usages=[SERVER]),
    "a certificate that signed another one": lambda ca: Authority(own=ca.issue()).issue(sends_chain=True),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_refused_at_the_handshake(start: Start, files: Files, attack: str) -> None:
    served = await start(client_ca=True)
    assert await served.call(ATTACKS[attack](files.clients)) == REFUSED
    assert await served.call(files.clients.issue("ci")) == "ci"


@pytest.mark.parametrize("attack", ATTACKS)
async def test_an_optional_certificate_has_to_be_valid(files: Files, attack: str) -> None:
    async with serve("rest", files, client_ca=True, client_auth="optional") as served:
        expected = "anonymous" if attack == "no certificate" else REFUSED
        assert await served.call(ATTACKS[attack](files.clients)) == expected
        assert await served.call(files.clients.issue("ci")) == "ci"


async def test_without_a_ca_no_certificate_is_known(start: Start, files: Files) -> None:
    served = await start()
    assert served.tls.clients is None
    assert await served.call() == "anonymous"
    assert await served.call(files.clients.issue("ci")) == "anonymous"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_versions_before_tls_1_2_are_refused(start: Start, version: ssl.TLSVersion) -> None:
    served = await start()
    with pytest.raises(ssl.SSLError, match="EOF occurred"):  # the server closes the connection
        await asyncio.to_thread(_handshake, served, version)
    assert await asyncio.to_thread(_handshake, served, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert await asyncio.to_thread(_handshake, served, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"


def _handshake(served: Served, version: ssl.TLSVersion) -> str | None:
    context = client_context(served.roots, None)
    context.set_alpn_protocols(["h2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")  # so that OpenSSL offers the old versions
    with (
        socket.create_connection(("127.0.0.1", served.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        return connection.version()


async def test_a_certificate_is_refused_on_an_open_connection_when_it_is_revoked(
    start: Start, files: Files
) -> None:
    served, one, other = await start(client_ca=True, crl=True), *map(files.clients.issue, ("one", "other"))
    async with served.connect(one) as call, served.connect(other) as call_other:
        assert (await call(), await call_other()) == ("one", "other")
        replace_file(files.folder / "crl.pem", files.clients.revoke([one]))
        served.tls.watch.look()
        assert (await call(), await call_other()) == ("CERTIFICATE_REVOKED", "other")
    assert await served.call(one) == "CERTIFICATE_REVOKED"


async def test_a_certificate_that_expires_on_an_open_connection_is_refused(
    start: Start, files: Files
) -> None:
    served = await start(client_ca=True)
    async with served.connect(files.clients.issue("ci", lifetime=(-DAY, timedelta(hours=1)))) as call:
        assert await call() == "ci"
        served.later_s = 3601
        assert await call() == "CERTIFICATE_EXPIRED"


async def test_a_list_that_is_out_of_date_degrades_and_refuses(start: Start, files: Files) -> None:
    served = await start(client_ca=True, crl=True)
    replace_file(files.folder / "crl.pem", files.clients.revoke(lifetime=(-2 * DAY, -DAY)))
    served.tls.watch.look()
    status, reason = served.condition()
    assert status == "degraded"
    assert reason.startswith(f"{files.folder}/crl.pem: the list of CN=clients is out of date since 20")
    assert await served.call(files.clients.issue("ci")) == "CERTIFICATE_UNVERIFIED"
    replace_file(files.folder / "crl.pem", files.clients.revoke())
    served.tls.watch.look()
    assert served.condition() == ("ok", "")
    assert await served.call(files.clients.issue("ci")) == "ci"


async def test_a_ca_that_was_removed_is_not_trusted_any_more(start: Start, files: Files) -> None:
    served, client = await start(client_ca=True), files.clients.issue("ci")
    async with served.connect(client) as call:
        assert await call() == "ci"
        replace_file(files.folder / "client_ca.pem", OTHER.pem)
        served.tls.watch.look()
        assert await call() == "CERTIFICATE_UNTRUSTED"
    assert await served.call(client) == REFUSED
    assert await served.call(OTHER.issue("new")) == "new"


async def test_a_session_of_a_removed_ca_cannot_be_resumed(files: Files) -> None:
    """The certificate of a resumed session is not verified again, so the session must not survive its CA."""
    async with serve("rest", files, client_ca=True) as served:
        context = client_context(served.roots, files.clients.issue("ci"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # its sessions are known after the handshake
        session, text = await asyncio.to_thread(_get, served, context, None)
        assert text.endswith("ci")
        resumed, text = await asyncio.to_thread(_get, served, context, session)
        assert resumed is not None
        assert text.endswith("ci")  # the certificate is known in a resumed session
        replace_file(files.folder / "client_ca.pem", OTHER.pem)
        served.tls.watch.look()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(_get, served, context, session)


def _get(
    served: Served, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[ssl.SSLSession | None, str]:
    with (
        socket.create_connection(("127.0.0.1", served.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost", session=session) as connection,
    ):
        assert connection.session_reused is (session is not None)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = b""
        while data := connection.recv(4096):
            text += data
        return connection.session, text.decode()


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
async def test_no_session_is_resumed_after_a_change(protocol: str, files: Files) -> None:
    async with serve(protocol, files, client_ca=True) as served:
        context = client_context(served.roots, files.clients.issue("ci"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # its sessions are known after the handshake
        context.set_alpn_protocols(["h2"])
        session, _ = await asyncio.to_thread(_resume, served, context, None)
        assert await asyncio.to_thread(_resume, served, context, session) == (session, True)
        files.section()
        served.tls.watch.look()
        _, is_resumed = await asyncio.to_thread(_resume, served, context, session)
        assert not is_resumed


def _resume(
    served: Served, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[ssl.SSLSession | None, bool | None]:
    """Return the session of a connection, and whether it is the given one."""
    with (
        socket.create_connection(("127.0.0.1", served.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost", session=session) as connection,
    ):
        return connection.session, connection.session_reused


async def test_a_new_certificate_is_used_for_new_connections_only(start: Start, files: Files) -> None:
    served = await start()
    before = await _serial(served)
    async with served.connect() as call:
        assert await call() == "anonymous"
        files.authority.issue("server").write(files.folder, "server")
        served.tls.watch.look()
        assert await _serial(served) != before
        assert await call() == "anonymous"  # on the connection that was open
    assert served.condition() == ("ok", "")


async def _serial(served: Served) -> bytes:
    """Return the certificate that the server presents."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", served.port, ssl=client_context(served.roots, None), server_hostname="localhost"
    )
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await asyncio.gather(reader.read(), writer.wait_closed(), return_exceptions=True)
    return certificate


async def test_half_written_files_are_not_used(start: Start, files: Files) -> None:
    served = await start(client_ca=True)
    client, new = files.clients.issue("ci"), files.authority.issue("server")
    path = files.folder / "server.pem"
    for data in (b"", new.pem[:300], new.pem):  # the last one does not fit the old key
        path.write_bytes(data)
        served.tls.watch.look()
        status, reason = served.condition()
        assert status == "degraded"
        assert "server." in reason
        assert await served.call(client) == "ci"
    (files.folder / "server.key").write_bytes(new.key)
    served.tls.watch.look()
    assert served.condition() == ("ok", "")
    assert served.tls.files.chain == new.pem
    assert await served.call(client) == "ci"


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
async def test_no_call_fails_during_rotations(protocol: str, tmp_path: Path) -> None:
    """Calls on one open connection, and on a new connection each, while all files change three times."""
    files = Files(tmp_path)
    async with serve(protocol, files, client_ca=True, crl=True) as served:
        client, counts, is_over = files.clients.issue("ci"), [0, 0], False

        async def call_on_open_connection() -> None:
            async with served.connect(client) as call:
                while not is_over:
                    assert await call() == "ci"
                    counts[0] += 1

        async def call_on_new_connections() -> None:
            while not is_over:
                assert await served.call(client) == "ci"
                counts[1] += 1

        callers = [asyncio.create_task(call_on_open_connection())]
        callers += [asyncio.create_task(call_on_new_connections()) for _ in range(3)]
        for _ in range(3):
            seen = list(counts)
            files.section()
            served.tls.watch.look()
            while min(now - then for now, then in zip(counts, seen, strict=True)) < 5:
                await asyncio.sleep(0.01)
                assert not any(one.done() for one in callers)
        is_over = True
        await asyncio.gather(*callers)
        assert served.condition() == ("ok", "")


def test_every_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    tls = ListenerTls(
        certificate=tmp_path / "a", key=tmp_path / "b", client_ca=tmp_path / "c", crl=tmp_path / "d"
    )
    with pytest.raises(FaultsError) as caught:
        ServerTls("rest", tls, Health(), Metrics(Resource({})))
    assert [fault.key for fault in caught.value.faults] == [
        "rest.tls.certificate",
        "rest.tls.key",
        "rest.tls.client_ca",
    ]


def test_a_certificate_that_openssl_refuses(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is the point
    issued = sign_with(key).write(tmp_path, "weak")
    tls = ListenerTls(certificate=issued[0], key=issued[1])
    with pytest.raises(FaultsError) as caught:
        ServerTls("rest", tls, Health(), Metrics(Resource({})))
    (fault,) = caught.value.faults
    assert str(fault) == f"{tmp_path}/weak.pem: rest.tls.certificate: cannot be used: ee key too small"


def test_an_expired_certificate_degrades(files: Files) -> None:
    health, section = Health(), files.section()
    files.authority.issue(lifetime=(-2 * DAY, -DAY)).write(files.folder, "server")
    ServerTls("rest", section, health, Metrics(Resource({})))
    (condition,) = health.conditions
    assert (condition.name, condition.status) == ("rest.tls", "degraded")
    assert "the certificate has expired at 20" in condition.reason
