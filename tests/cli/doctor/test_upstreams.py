"""Upstreams that work, and each fault of an upstream, over real connections."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.cli.doctor.report import CheckResult
from gateway.cli.doctor.upstreams import METHOD, check_upstreams
from gateway.emulator import Emulator
from tests.cli.doctor.examining import (
    NOBODY,
    examine,
    find,
    make_examination,
    one_upstream,
    serve_bytes,
    serve_grpc,
    server_context,
)
from tests.listeners.http2 import END_HEADERS, END_STREAM, HEADERS, field, frame
from tests.tls.authority import DAY, Authority
from tests.upstream.http2_upstream import http_status, sending, upstream

BRIEF_S = 0.5


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def roots(authority: Authority, tmp_path: Path) -> Path:
    path = tmp_path / "roots.pem"
    path.write_bytes(authority.pem)
    return path


async def results_of(folder: Path, address: str, **keys: Any) -> list[CheckResult]:
    step_s = keys.pop("step_s", 20.0)
    environment = keys.pop("environment", None)
    sections = one_upstream(address, **keys)
    results = await examine(
        check_upstreams, make_examination(folder, step_s=step_s, environment=environment, **sections)
    )
    assert {one.subject.partition(".")[0] for one in results} <= {"baremetal", "operation", "upstreams"}
    return [one for one in results if "operation" not in one.subject]


async def finding_of(folder: Path, address: str, **keys: Any) -> tuple[str, str]:
    """Return the message and the fix of the only finding about the upstream `baremetal`."""
    (one,) = [one for one in await results_of(folder, address, **keys) if one.fix]
    return one.message, one.fix


async def test_a_server_in_plaintext(emulator: Emulator, tmp_path: Path) -> None:
    (one,) = await results_of(tmp_path, emulator.address, tls=False)
    assert (one.status, one.message) == ("ok", f"{emulator.address} responds to gRPC (UNIMPLEMENTED)")
    assert not emulator.calls


async def test_a_server_with_tls(authority: Authority, roots: Path, tmp_path: Path) -> None:
    async with serve_grpc(authority.issue()) as address:
        (one,) = await results_of(tmp_path, address, root_certificates=str(roots))
    assert one.status == "ok"
    assert one.message.startswith(f"{address} responds to gRPC (UNIMPLEMENTED), certificate valid until 20")


async def test_a_server_that_requires_credentials_is_alive(tmp_path: Path) -> None:
    metadata: list[Any] = []

    async def refuse(context: Any) -> bytes:
        metadata.extend(context.invocation_metadata())
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")
        return b""

    async with serve_grpc(respond=refuse) as address:
        (one,) = await results_of(
            tmp_path, address, tls=False, credentials={"type": "static", "token": "canary1"}
        )
    assert (one.status, one.message) == ("ok", f"{address} responds to gRPC (UNAUTHENTICATED)")
    assert "authorization" not in dict(metadata)


async def test_a_server_with_a_client_certificate(authority: Authority, roots: Path, tmp_path: Path) -> None:
    certificate, key = authority.issue("gateway").write(tmp_path, "own")
    async with serve_grpc(authority.issue(), clients=authority.pem) as address:
        keys = {"root_certificates": str(roots), "certificate": str(certificate), "key": str(key)}
        (one,) = await results_of(tmp_path, address, **keys)
    assert one.status == "ok"


async def test_a_missing_client_certificate(authority: Authority, roots: Path, tmp_path: Path) -> None:
    async with serve_grpc(authority.issue(), clients=authority.pem) as address:
        message, fix = await finding_of(tmp_path, address, root_certificates=str(roots))
    how = "closes the connection after the TLS handshake; probably it requires a client certificate"
    assert message == f"the upstream {how}, and the gateway has none"
    assert "upstreams.baremetal.certificate" in fix


async def test_a_client_certificate_of_another_ca(authority: Authority, roots: Path, tmp_path: Path) -> None:
    certificate, key = Authority("other").issue("gateway").write(tmp_path, "own")
    async with serve_grpc(authority.issue(), clients=authority.pem) as address:
        keys = {"root_certificates": str(roots), "certificate": str(certificate), "key": str(key)}
        message, _ = await finding_of(tmp_path, address, **keys)
    assert message.endswith("probably it does not accept the client certificate of the gateway")


async def test_a_client_certificate_that_has_expired(
    authority: Authority, roots: Path, tmp_path: Path
) -> None:
    issued = authority.issue("gateway", lifetime=(-2 * DAY, -DAY))
    certificate, key = issued.write(tmp_path, "own")
    async with serve_grpc(authority.issue(), clients=authority.pem) as address:
        keys = {"root_certificates": str(roots), "certificate": str(certificate), "key": str(key)}
        message, fix = await finding_of(tmp_path, address, **keys)
    assert "client certificate" in message
    assert "upstreams.baremetal.certificate" in fix


async def test_a_wrong_ca(authority: Authority, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Authority("other").pem)
    async with serve_grpc(authority.issue()) as address:
        message, fix = await finding_of(tmp_path, address, root_certificates=str(other))
    assert (
        message
        == "the certificate of the upstream is signed by a CA that the gateway does not trust (issuer: CN=CA)"
    )
    assert "upstreams.baremetal.root_certificates" in fix


async def test_the_default_authorities_are_those_of_grpc(
    authority: Authority, roots: Path, tmp_path: Path
) -> None:
    async with serve_grpc(authority.issue()) as address:
        message, _ = await finding_of(tmp_path, address)
        assert "a CA that the gateway does not trust" in message
        # The gRPC library of this process read the variable long ago, so only the handshake can succeed.
        variables = {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(roots)}
        message, _ = await finding_of(tmp_path, address, environment=variables)
    assert message.startswith(f"a gRPC call to {address} has failed: UNAVAILABLE: ")


@pytest.mark.parametrize(
    ("lifetime", "message"),
    [
        ((-2 * DAY, -DAY), "the certificate of the upstream has expired at 20"),
        ((DAY, 2 * DAY), "the certificate of the upstream is valid only from 20"),
    ],
    ids=["expired", "not yet valid"],
)
async def test_a_certificate_that_is_not_valid_now(
    authority: Authority, roots: Path, tmp_path: Path, lifetime: tuple[timedelta, timedelta], message: str
) -> None:
    async with serve_grpc(authority.issue(lifetime=lifetime)) as address:
        found, fix = await finding_of(tmp_path, address, root_certificates=str(roots))
    assert found.startswith(message)
    assert "clock" in fix


async def test_a_certificate_that_expires_soon(authority: Authority, roots: Path, tmp_path: Path) -> None:
    async with serve_grpc(authority.issue(lifetime=(-300 * DAY, 3 * DAY))) as address:
        found, one = await results_of(tmp_path, address, root_certificates=str(roots))
    assert found.message.startswith("the certificate of the upstream expires soon, at 20")
    assert one.status == "ok"


async def test_a_wrong_server_name(authority: Authority, roots: Path, tmp_path: Path) -> None:
    async with serve_grpc(authority.issue()) as address:
        message, fix = await finding_of(
            tmp_path, address, root_certificates=str(roots), server_name="api.example.com"
        )
    assert (
        message == "the certificate of the upstream is not for api.example.com, but for localhost, 127.0.0.1"
    )
    assert "upstreams.baremetal.server_name" in fix


async def test_a_server_name_that_the_certificate_has(
    authority: Authority, roots: Path, tmp_path: Path
) -> None:
    async with serve_grpc(authority.issue()) as address:
        (one,) = await results_of(tmp_path, address, root_certificates=str(roots), server_name="localhost")
    assert one.status == "ok"


async def test_a_plaintext_port_with_tls(emulator: Emulator, tmp_path: Path) -> None:
    message, fix = await finding_of(tmp_path, emulator.address)
    assert message.startswith(f"{emulator.address} does not speak TLS")
    assert "upstreams.baremetal.tls" in fix


async def test_a_tls_port_without_tls(authority: Authority, tmp_path: Path) -> None:
    async with serve_grpc(authority.issue()) as address:
        message, fix = await finding_of(tmp_path, address, tls=False)
    assert message == f"{address} speaks TLS, and upstreams.baremetal.tls is false"
    assert fix == "remove upstreams.baremetal.tls"


async def test_nothing_listens(tmp_path: Path) -> None:
    message, fix = await finding_of(tmp_path, NOBODY)
    assert message == f"cannot connect to {NOBODY}: Connection refused"
    assert "upstreams.baremetal.address" in fix


async def test_a_name_that_cannot_be_resolved(tmp_path: Path) -> None:
    message, fix = await finding_of(tmp_path, "a..b:443")
    assert message.startswith("the name a..b cannot be resolved")
    assert "DNS" in fix


@pytest.mark.parametrize("has_tls", [True, False], ids=["tls", "plaintext"])
async def test_a_server_that_never_responds(tmp_path: Path, *, has_tls: bool) -> None:
    async with serve_bytes(None) as address:
        message, fix = await finding_of(tmp_path, address, tls=has_tls, step_s=BRIEF_S)
    what = "does not respond to the TLS handshake" if has_tls else "sends nothing"
    assert message == f"{address} accepts connections, but {what} within {BRIEF_S:g} s"
    assert "the port may be the wrong one" in fix


async def test_a_server_that_does_not_respond_to_calls(tmp_path: Path) -> None:
    async def wait(_: Any) -> bytes:
        await asyncio.sleep(60)
        return b""

    async with serve_grpc(respond=wait) as address:
        message, _ = await finding_of(tmp_path, address, tls=False, step_s=BRIEF_S)
    assert message.startswith(f"a gRPC call to {address} has failed: DEADLINE_EXCEEDED")


async def test_a_server_that_is_unavailable(tmp_path: Path) -> None:
    async def refuse(context: Any) -> bytes:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "no healthy backend; token=canary2")
        return b""

    async with serve_grpc(respond=refuse) as address:
        message, _ = await finding_of(tmp_path, address, tls=False)
    assert message == f"a gRPC call to {address} has failed: UNAVAILABLE: no healthy backend; token=…"


async def test_a_server_of_http_1(tmp_path: Path) -> None:
    async with serve_bytes(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n") as address:
        message, _ = await finding_of(tmp_path, address, tls=False)
    assert message == f"{address} speaks HTTP/1.1, and gRPC needs HTTP/2"


async def test_a_server_with_tls_and_without_http_2(
    authority: Authority, roots: Path, tmp_path: Path
) -> None:
    context = server_context(authority.issue(), tmp_path, "http/1.1")
    async with serve_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n", context) as address:
        message, _ = await finding_of(tmp_path, address, root_certificates=str(roots))
    assert message == "the server speaks TLS, but does not offer HTTP/2 (ALPN h2)"


async def test_a_server_of_http_2_that_knows_no_grpc(tmp_path: Path) -> None:
    async with upstream(sending(http_status(b"404"))) as port:
        message, _ = await finding_of(tmp_path, f"127.0.0.1:{port}", tls=False)
    assert "speaks HTTP/2, but is no gRPC server: Received http2 header with status: 404" in message


def _respond_at(time: datetime) -> bytes:
    date = format_datetime(time, usegmt=True).encode()
    block = b"\x88" + field(b"content-type", b"application/grpc") + field(b"date", date)
    block += field(b"grpc-status", b"12") + field(b"grpc-message", b"unknown")
    return frame(HEADERS, END_HEADERS | END_STREAM, 1, block)


@pytest.mark.parametrize(
    ("ahead", "message"),
    [
        (timedelta(minutes=10), r"the clock of this machine is \d+ s behind that of baremetal"),
        (timedelta(minutes=-10), r"the clock of this machine is \d+ s ahead of that of baremetal"),
    ],
    ids=["ahead", "behind"],
)
async def test_a_clock_that_differs(tmp_path: Path, ahead: timedelta, message: str) -> None:
    async with upstream(sending(_respond_at(datetime.now(UTC) + ahead))) as port:
        found, fix = await finding_of(tmp_path, f"127.0.0.1:{port}", tls=False)
    assert 540 < int(found.split()[6]) < 660
    assert re.fullmatch(message, found)
    assert "synchronize" in fix


async def test_a_clock_that_agrees(tmp_path: Path) -> None:
    async with upstream(sending(_respond_at(datetime.now(UTC)))) as port:
        _, clock = await results_of(tmp_path, f"127.0.0.1:{port}", tls=False)
    assert clock.message == "its clock agrees with that of this machine within 5 s"


async def test_a_proxy_is_used(emulator: Emulator, tmp_path: Path) -> None:
    variables = {"https_proxy": "http://127.0.0.1:1"}
    first, second = await results_of(tmp_path, emulator.address, tls=False, environment=variables)
    assert (first.status, second.status) == ("skipped", "ok")


async def test_faults_of_files_are_not_repeated(authority: Authority, tmp_path: Path) -> None:
    async with serve_grpc(authority.issue()) as address:
        found = await find(
            check_upstreams,
            make_examination(tmp_path, **one_upstream(address, root_certificates=str(tmp_path / "none"))),
        )
    assert {one.fix for one in found if one.subject == "baremetal"} == {
        "see the findings of the configuration"
    }


def test_the_method_exists_nowhere() -> None:
    assert METHOD.count("/") == 2
