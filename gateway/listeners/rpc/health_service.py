"""The service grpc.health.v1.Health. It shows whether the gateway is ready.

All served services have the status of the gateway.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from gateway.errors import Code, GatewayError
from gateway.listeners.rpc.requests import read_small_request
from gateway.schema import infrastructure_descriptors, load_pool, message_class

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from google.protobuf.message import Message

    from gateway.listeners.rpc.infrastructure import Behavior
    from gateway.listeners.rpc.rpc_exchange import RpcContext
    from gateway.serving.snapshot import ActiveSnapshot
    from gateway.telemetry import Health

SERVICE = "grpc.health.v1.Health"

REQUEST_S = 10.0
"""The maximum time to receive a request message, in seconds."""
_SERVING, _NOT_SERVING, _SERVICE_UNKNOWN = 1, 2, 3  # the numbers of HealthCheckResponse.ServingStatus


class HealthService:
    """The behavior of the methods."""

    def __init__(self, health: Health, active: ActiveSnapshot) -> None:
        self._health = health
        self._active = active
        self._changed = asyncio.Event()
        self._is_stopping = False
        pool, _ = load_pool({"infrastructure": infrastructure_descriptors()})
        self._request = message_class(pool, "grpc.health.v1.HealthCheckRequest")
        self._response: Any = message_class(pool, "grpc.health.v1.HealthCheckResponse")
        self._list_request = message_class(pool, "grpc.health.v1.HealthListRequest")
        self._list_response: Any = message_class(pool, "grpc.health.v1.HealthListResponse")

    @property
    def methods(self) -> Mapping[str, Behavior]:
        """The behavior of each method, by the name of the method."""
        return {"Check": self._check, "List": self._list, "Watch": self._watch}

    def start(self) -> None:
        """Observe the health from now on."""
        loop = asyncio.get_running_loop()

        def notify() -> None:
            loop.call_soon_threadsafe(self._wake)  # some conditions are set in other threads

        self._health.observe(self, notify)

    def stop(self) -> None:
        """Send the last status to all watching calls, and end them with UNAVAILABLE."""
        self._health.unobserve(self)
        self._is_stopping = True
        self._wake()

    async def _check(self, context: RpcContext) -> AsyncIterator[Message]:
        service: str = (await self._read(context, self._request)).service
        status = self._find_status(service)
        if status == _SERVICE_UNKNOWN:
            raise GatewayError(Code.NOT_FOUND, "SERVICE_UNKNOWN", "no service of this name is served")
        yield self._response(status=status)

    async def _list(self, context: RpcContext) -> AsyncIterator[Message]:
        await self._read(context, self._list_request)
        response = self._list_response()
        for service in ("", *sorted(self._services())):
            response.statuses[service].status = self._find_status(service)
        yield response

    async def _watch(self, context: RpcContext) -> AsyncIterator[Message]:
        service: str = (await self._read(context, self._request)).service
        sent = None
        while True:
            changed = self._changed
            status = self._find_status(service)
            if status != sent:
                yield self._response(status=status)
                sent = status
            if self._is_stopping:
                raise GatewayError(Code.UNAVAILABLE, "STOPPING", "the gateway stops")
            await changed.wait()

    async def _read(self, context: RpcContext, kind: type[Message]) -> Any:
        request = await read_small_request(context.read, kind, REQUEST_S)
        if request is None:
            raise GatewayError(Code.INVALID_ARGUMENT, "INVALID_REQUEST", "the call has no request message")
        return request

    def _find_status(self, service: str) -> int:
        if service and service not in self._services():
            return _SERVICE_UNKNOWN
        return _SERVING if self._health.is_ready and not self._is_stopping else _NOT_SERVING

    def _services(self) -> set[str]:
        return {method.service for method in self._active.snapshot.methods.values()}

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
