"""Checks whether the addresses of the listeners are free, or used by a gateway that runs."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc.aio
from cryptography import x509

from gateway.cli.doctor.report import quote_peer
from gateway.faults import FaultsError
from gateway.tls.pem_files import load_certificates

if TYPE_CHECKING:
    from gateway.cli.doctor.examination import Examination
    from gateway.cli.doctor.report import CheckReport
    from gateway.config import Address, ListenerTls
    from gateway.config.listeners import Admin, Grpc, Rest

_SERVER = "baremetal-gateway"
_HEALTH = "/grpc.health.v1.Health/Check"
_ANY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to connect, not to listen


async def check_listeners(examination: Examination, report: CheckReport) -> None:
    """Check the addresses of all listeners."""
    config, step_s = examination.config, examination.step_s
    sections: dict[str, Rest | Grpc | Admin] = {
        "rest": config.rest,
        "grpc": config.grpc,
        "admin": config.admin,
    }
    await asyncio.gather(
        *(_check(name, one.listen, one.tls, step_s, report) for name, one in sections.items())
    )


async def _check(
    name: str, listen: Address, tls: ListenerTls | None, step_s: float, report: CheckReport
) -> None:
    subject = f"{name}.listen"
    if not listen.port:
        report.ok(subject, "any free port")
        return
    error = await asyncio.to_thread(_why_not_bound, listen)
    if error is None:
        report.ok(subject, f"{listen} is free")
    elif error.errno != errno.EADDRINUSE:
        report.find(subject, *_explain(listen, error, subject))
    elif await _is_gateway(name, listen, tls, step_s):
        report.ok(subject, f"{listen} is used by a gateway that runs")
        if name == "admin" and tls is None:
            await _report_conditions(listen, step_s, report)
    else:
        report.find(
            subject,
            f"{listen} is used by another program",
            f"stop the program (`ss -ltnp 'sport = :{listen.port}'` shows it), or change {subject}",
        )


def _why_not_bound(listen: Address) -> OSError | None:
    """Return the error for an address that cannot be used. The sockets do not listen, so nobody connects."""
    try:
        found = socket.getaddrinfo(
            listen.host or None, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the listeners
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                one.bind(address)
    except OSError as error:
        return error
    return None


def _explain(listen: Address, error: OSError, key: str) -> tuple[str, str]:
    if isinstance(error, socket.gaierror):
        return f"the name {listen.host} cannot be resolved", f"set {key} to an address of this machine"
    if error.errno == errno.EACCES:
        return (
            f"this user may not listen on port {listen.port}",
            f"set {key} to a port of 1024 or higher, or give the process CAP_NET_BIND_SERVICE",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"{listen.host} is no address of this machine",
            f"set {key} to an address that `ip address` shows",
        )
    return f"{listen}: {os.strerror(error.errno or 0)}", f"set {key} to another address"


async def _is_gateway(name: str, listen: Address, tls: ListenerTls | None, step_s: float) -> bool:
    """Return whether a gateway listens on an address.

    With TLS, it presents the certificate of the configuration. A client certificate may be needed for more.
    """
    with suppress(OSError, ValueError, TimeoutError, FaultsError, aiohttp.ClientError, grpc.RpcError):
        async with asyncio.timeout(step_s):
            if tls is not None:
                own = load_certificates(tls.certificate, f"{name}.tls.certificate").certificates[0]
                return await _read_certificate(listen) == own
            if name == "grpc":
                return await _serves_health(listen)
            page = "/livez" if name == "admin" else "/"
            async with aiohttp.ClientSession() as session, session.get(_url(listen, page)) as response:
                return response.headers.get("Server") == _SERVER
    return False


async def _read_certificate(listen: Address) -> x509.Certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    host = _ANY_ADDRESS.get(listen.host, listen.host)
    _, writer = await asyncio.open_connection(host, listen.port, ssl=context)
    try:
        return x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(True))  # noqa: FBT003
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _serves_health(listen: Address) -> bool:
    async with grpc.aio.insecure_channel(_target(listen)) as channel:
        call: Any = channel.unary_unary(_HEALTH)
        await call(b"")
    return True


async def _report_conditions(listen: Address, step_s: float, report: CheckReport) -> None:
    """Add a finding for each condition with which the gateway that runs has a problem."""
    conditions: list[dict[str, str]] = []
    with suppress(OSError, ValueError, TimeoutError, aiohttp.ClientError):
        async with (
            asyncio.timeout(step_s),
            aiohttp.ClientSession(headers={"Accept": "application/json"}) as session,
            session.get(_url(listen, "/readyz?verbose")) as response,
        ):
            conditions = (await response.json()).get("conditions", [])
    for one in conditions:
        if one["status"] != "ok":
            report.find(
                one["name"],
                f"the gateway that runs reports {one['status']} since {one['since']}: "
                f"{quote_peer(one['reason'])}",
                "see docs/operations.md#conditions for this condition",
            )


def _target(listen: Address) -> str:
    host = _ANY_ADDRESS.get(listen.host, listen.host)
    return f"[{host}]:{listen.port}" if ":" in host else f"{host}:{listen.port}"


def _url(listen: Address, path: str) -> str:
    return f"http://{_target(listen)}{path}"
