"""A small server of each protocol with TLS. It checks the certificates of its clients, and names them."""

from __future__ import annotations

import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
from aiohttp import web
from aiohttp.web_request import BaseRequest
from cryptography import x509
from google.protobuf import descriptor_pool
from opentelemetry.sdk.resources import Resource

from gateway.config import Address, Config, ListenerTls
from gateway.errors import GatewayError
from gateway.listeners import HttpServer
from gateway.listeners.http.server import certificate_of as http_certificate
from gateway.listeners.rpc.peer_certificates import certificate_of as rpc_certificate
from gateway.listeners.rpc.peer_certificates import make_credentials
from gateway.telemetry import Health, Metrics
from gateway.tls import ServerTls
from gateway.transcode import JsonWriter
from tests.tls.authority import Authority, Issued, replace_file

REFUSED = "REFUSED"
"""The result of a call whose connection is refused."""


@dataclass(slots=True)
class Files:
    """The TLS files of a listener."""

    folder: Path
    authority: Authority = field(default_factory=Authority)
    clients: Authority = field(default_factory=lambda: Authority("clients"))

    def section(self, **keys: Any) -> ListenerTls:
        """Write the files, and return their section. Without `client_ca`, clients present no certificate."""
        paths = {name: self.folder / f"{name}.pem" for name in ("client_ca", "crl")}
        certificate, key = self.authority.issue("server").write(self.folder, "server")
        replace_file(paths["client_ca"], self.clients.pem)
        replace_file(paths["crl"], self.clients.revoke())
        known = {name: paths[name] if value is True else value for name, value in keys.items()}
        return ListenerTls(certificate=certificate, key=key, **known)


@dataclass(slots=True)
class Served:
    """A server of one protocol: `rest` or `grpc`. Its clock is `later_s` seconds ahead."""

    protocol: str
    files: Files
    health: Health
    roots: bytes
    port: int = 0
    later_s: float = 0.0
    tls: ServerTls = field(init=False)

    def condition(self) -> tuple[str, str]:
        (one,) = self.health.conditions
        return one.status, one.reason

    @asynccontextmanager
    async def connect(self, client: Issued | None = None) -> AsyncIterator[Any]:
        """Yield a function that makes a call on one connection."""
        if self.protocol == "grpc":
            async with grpc.aio.secure_channel(
                f"127.0.0.1:{self.port}", self._credentials(client)
            ) as channel:
                yield lambda: _call_rpc(channel)
        else:
            context = client_context(self.roots, client)
            connector = aiohttp.TCPConnector(ssl=context, limit=1)
            async with aiohttp.ClientSession(connector=connector) as session:
                yield lambda: _call_http(session, f"https://127.0.0.1:{self.port}/")

    async def call(self, client: Issued | None = None) -> str:
        """Make a call on a new connection.

        Return the name of the client, the reason of the error, or REFUSED.
        """
        async with self.connect(client) as call:
            return str(await call())

    def _credentials(self, client: Issued | None) -> grpc.ChannelCredentials:
        pair = (client.key, client.pem) if client else (None, None)
        return grpc.ssl_channel_credentials(self.roots, *pair)


def client_context(roots: bytes, client: Issued | None) -> ssl.SSLContext:
    """Return the TLS context of a client."""
    context = ssl.create_default_context(cadata=roots.decode())
    if client is not None:
        with tempfile.TemporaryDirectory() as folder:
            context.load_cert_chain(*client.write(Path(folder), "client"))
    return context


@asynccontextmanager
async def serve(protocol: str, files: Files, **keys: Any) -> AsyncIterator[Served]:
    """Serve one protocol with TLS. The arguments are keys of the TLS section, as in `Files.section`."""
    served = Served(protocol, files, Health(), files.authority.pem)
    served.tls = ServerTls(
        protocol,
        files.section(**keys),
        served.health,
        Metrics(Resource({})),
        lambda: time.time() + served.later_s,
    )
    begin: Callable[[ServerTls], Awaitable[tuple[int, Any]]]
    begin = _serve_rpc if protocol == "grpc" else _serve_http
    served.port, server = await begin(served.tls)
    yield served
    await server.stop(0)


def _name(tls: ServerTls, certificate: bytes | None) -> str:
    if certificate is None:
        return "anonymous"
    assert tls.clients is not None
    tls.clients.check(certificate)
    name = x509.load_der_x509_certificate(certificate).subject.rfc4514_string()
    return name.removeprefix("CN=")


async def _serve_http(tls: ServerTls) -> tuple[int, Any]:
    async def handle(request: BaseRequest) -> web.Response:
        try:
            return web.Response(text=_name(tls, http_certificate(request)))
        except GatewayError as error:
            return web.Response(status=401, text=error.reason)

    server = HttpServer("rest", handle, JsonWriter(descriptor_pool.Default()), 16384)
    address = await server.start(Address(host="127.0.0.1", port=0), tls, Config().rest)
    return address.port, server


async def _serve_rpc(tls: ServerTls) -> tuple[int, Any]:
    server = grpc.aio.server(handlers=[_Handler(tls)])
    port = server.add_secure_port("127.0.0.1:0", make_credentials(tls))
    await server.start()
    return port, server


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, tls: ServerTls) -> None:
        self._tls = tls

    def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        async def respond(_: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
            try:
                return _name(self._tls, rpc_certificate(context)).encode()
            except GatewayError as error:
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, error.reason)
                raise

        return grpc.unary_unary_rpc_method_handler(respond)


async def _call_rpc(channel: grpc.aio.Channel) -> str:
    callable_: Any = channel.unary_unary("/test.Service/Call")
    try:
        return str((await callable_(b"", timeout=10)).decode())
    except grpc.aio.AioRpcError as error:
        is_refused = error.code() is grpc.StatusCode.UNAVAILABLE
        return REFUSED if is_refused else str(error.details())


async def _call_http(session: aiohttp.ClientSession, url: str) -> str:
    try:
        async with session.get(url) as response:
            return await response.text()
    except (aiohttp.ClientError, OSError):  # with TLS 1.3, a client learns of the refusal when it reads
        return REFUSED
