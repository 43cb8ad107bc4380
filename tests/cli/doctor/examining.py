"""Configurations for the checks, and servers that have the faults which they find."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from gateway.cli.doctor.examination import Check, Examination
from gateway.cli.doctor.report import CheckReport, CheckResult, CheckStatus
from gateway.config.load import load_with_origins
from tests.conftest import ROOT
from tests.tls.authority import Issued

STEP_S = 20.0
"""Longer than any step takes that is not meant to end by its timeout."""

NOBODY = "127.0.0.1:1"
"""An address on which nothing listens."""


def make_examination(
    folder: Path, *, step_s: float = STEP_S, environment: Mapping[str, str] | None = None, **sections: Any
) -> Examination:
    """Return an examination of a configuration file that is written to a folder.

    Args:
        folder: the folder of the file.
        step_s: the maximum time of one step, in seconds.
        environment: the environment variables.
        sections: the sections of the configuration that differ from those of tests.
    """
    file = folder / "gateway.yaml"
    file.write_text(json.dumps(make_sections(**sections)))
    file.chmod(0o600)
    given = dict(environment or {})
    config, origins = load_with_origins(file, given)
    # The real list of mounts would make the results depend on the machine that runs the tests.
    mounts = folder / "mountinfo"
    mounts.write_text("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n")
    return Examination(
        config=config, origins=origins, file=file, environment=given, step_s=step_s, mounts=mounts
    )


def make_sections(**sections: Any) -> dict[str, Any]:
    """Return the sections of a configuration without faults, with others in their places."""
    upstream = {"address": NOBODY, "tls": False}
    given: dict[str, Any] = {
        **{name: {"listen": "127.0.0.1:0"} for name in ("rest", "grpc", "admin")},
        "upstreams": {"baremetal": upstream, "operation": upstream},
        "policies": {"path": str(ROOT / "policies")},
        "ledger": {"enabled": False},
        "decision_log": {"type": "none"},
        "discovery": {"enabled": False},  # it has no address without a port
    }
    return given | sections


async def examine(check: Check, examination: Examination) -> list[CheckResult]:
    """Return the results of one check."""
    report = CheckReport("test")
    await check(examination, report)
    for one in report.results:
        assert bool(one.fix) == (one.status is CheckStatus.FINDING)
    return report.results


async def find(check: Check, examination: Examination) -> list[CheckResult]:
    """Return the findings of one check."""
    return [one for one in await examine(check, examination) if one.status is CheckStatus.FINDING]


def one_upstream(address: str, **keys: Any) -> dict[str, Any]:
    """Return the section `upstreams` with `baremetal` at an address. Nothing listens at the other one's."""
    return {"upstreams": {"baremetal": {"address": address, **keys}, "operation": {"address": NOBODY}}}


@asynccontextmanager
async def serve_grpc(
    issued: Issued | None = None,
    *,
    clients: bytes | None = None,
    respond: Callable[[grpc.aio.ServicerContext[bytes, bytes]], Awaitable[bytes]] | None = None,
) -> AsyncIterator[str]:
    """Serve gRPC, and yield the address as `localhost:port`.

    Args:
        issued: the certificate of the server; None for plaintext.
        clients: the CA certificates that clients need, as PEM.
        respond: handles every call; without it, every method is unknown.
    """
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    if respond is not None:
        server.add_generic_rpc_handlers([_Handler(respond)])
    if issued is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        pair = [(issued.key, issued.pem)]
        credentials = grpc.ssl_server_credentials(pair, clients, require_client_auth=clients is not None)
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, respond: Any) -> None:
        self._respond = respond

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        assert handler_call_details is not None

        async def handle(_: bytes, context: Any) -> Any:
            return await self._respond(context)

        return grpc.unary_unary_rpc_method_handler(handle)


@asynccontextmanager
async def serve_bytes(data: bytes | None, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Accept connections, and yield the address.

    Args:
        data: what is sent after the first bytes of a client, before the connection is closed; None to send
            nothing and to keep the connection open.
        context: the TLS context; None for plaintext.
    """
    writers = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while data is None:
                if not await reader.read(4096):
                    return
            await reader.read(1)
            writer.write(data)
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def server_context(issued: Issued, folder: Path, *protocols: str) -> ssl.SSLContext:
    """Return the TLS context of a server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*issued.write(folder, "served"))
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context
