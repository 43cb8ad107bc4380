"""The HTTP server of the emulated metadata service and of the emulated token exchange."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from aiohttp import web

if TYPE_CHECKING:
    from types import TracebackType

    from gateway.emulator.token_issuer import TokenIssuer

METADATA_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
EXCHANGE_PATH = "/oauth/token"
MACHINE = "ajevirtualmachine000"
"""The service account of the emulated virtual machine."""

_FORM = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
}


class TokenServer:
    """Issues tokens over HTTP. As an async context manager, it listens on a free port of loopback.

    Attributes:
        address: the address on which the server listens, as `host:port`; empty while it is stopped.
        requests: the number of requests that have arrived.
        fail_with: the status of each response; None if requests are handled.
        delay_s: the time before each response, in seconds.
    """

    def __init__(self, issuer: TokenIssuer) -> None:
        self.address = ""
        self.requests = 0
        self.fail_with: int | None = None
        self.delay_s = 0.0
        self._issuer = issuer
        self._runner: web.ServerRunner | None = None

    async def start(self, port: int = 0) -> str:
        """Listen on a port of 127.0.0.1, and return the address. Port 0 means any free port."""
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        host, bound = self._runner.addresses[0][:2]
        self.address = f"{host}:{bound}"
        return self.address

    async def stop(self) -> None:
        """Close the listener. If the server is not started, do nothing."""
        runner, self._runner, self.address = self._runner, None, ""
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        await asyncio.sleep(self.delay_s)
        if self.fail_with is not None:
            return web.json_response({"error": "server_error"}, status=self.fail_with)
        if request.path == METADATA_PATH and request.method == "GET":
            return self._answer_machine(request)
        if request.path == EXCHANGE_PATH and request.method == "POST":
            return await self._exchange(request)
        return web.json_response({"error": "not_found"}, status=404)

    def _answer_machine(self, request: web.BaseRequest) -> web.Response:
        if request.headers.get("Metadata-Flavor") != "Google":
            return web.Response(status=403, text="Missing Metadata-Flavor: Google header")
        return self._respond(self._issuer.issue(MACHINE))

    async def _exchange(self, request: web.BaseRequest) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if {name: form.get(name) for name in _FORM} != _FORM:
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        issued = self._issuer.exchange_workload(form.get("subject_token", ""), form.get("audience", ""))
        if issued is None:
            body = {"error": "invalid_grant", "error_description": "the subject token is not accepted"}
            return web.json_response(body, status=401)
        return self._respond(issued)

    def _respond(self, issued: tuple[str, float]) -> web.Response:
        body = {"access_token": issued[0], "expires_in": self._issuer.life_s, "token_type": "Bearer"}
        return web.json_response(body)
