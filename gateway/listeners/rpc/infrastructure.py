"""The methods of gRPC itself, which the gRPC listener serves: health and server reflection.

Their calls do not reach the pipeline. No policy is evaluated, nothing is recorded, and they take no slot of
`limits.concurrency`. They are counted in the metrics, and logged at the level DEBUG.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeAlias

import grpc

from gateway.errors import Code, GatewayError
from gateway.listeners.errors import internal_error
from gateway.listeners.metadata import new_identifiers
from gateway.listeners.response_size import to_trailing_metadata
from gateway.listeners.rpc import health_service, reflection_service
from gateway.listeners.rpc.health_service import HealthService
from gateway.listeners.rpc.reflection_service import ReflectionService
from gateway.listeners.rpc.stream_limit import StreamLimit
from gateway.listeners.rpc.unread_replies import SEND_S, UnreadReplies, peer_address

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from google.protobuf.message import Message

    from gateway.config import Grpc
    from gateway.listeners.context import ListenerContext
    from gateway.listeners.rpc.rpc_exchange import RpcContext
    from gateway.telemetry import Health

_log = logging.getLogger(__name__)

Behavior: TypeAlias = "Callable[[RpcContext], AsyncIterator[Message]]"
"""A method: a function that yields the response messages of a call."""

_REFLECTIONS = 32
_REFLECTIONS_PER_ADDRESS = 8


class InfrastructureMethods:
    """The handlers of the infrastructure methods.

    Attributes:
        unread: the limits on responses that callers do not read.
    """

    def __init__(self, context: ListenerContext, section: Grpc, health: Health) -> None:
        self._context = context
        # A client watches the health once for each of its connections.
        total, per_address = section.max_connections, section.max_connections_per_address
        self._health = HealthService(health, context.active)
        self._reflection = ReflectionService(context.active) if section.reflection else None
        self.unread = UnreadReplies(3 * total + _REFLECTIONS, reflection_service.IDLE_S + SEND_S)
        self._handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {}
        for name, behavior in self._health.methods.items():
            self._add(f"{health_service.SERVICE}/{name}", behavior, StreamLimit(total, per_address))
        if self._reflection is not None:
            limit = StreamLimit(_REFLECTIONS, _REFLECTIONS_PER_ADDRESS)
            for service in reflection_service.SERVICES:
                for name, behavior in self._reflection.methods.items():
                    self._add(f"{service}/{name}", behavior, limit)

    def find(self, path: str) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """Return the handler of an infrastructure method, by the path of a call; None for other paths."""
        return self._handlers.get(path)

    def start(self) -> None:
        """Start to observe the health."""
        self._health.start()

    def stop(self) -> None:
        """End all calls, so that they do not delay the stop of the gateway."""
        self._health.stop()
        if self._reflection is not None:
            self._reflection.stop()

    def _add(self, name: str, behavior: Behavior, limit: StreamLimit) -> None:
        async def respond(_: object, rpc_context: RpcContext) -> AsyncGenerator[bytes, None]:
            report = _Report(self._context, name, peer_address(rpc_context.peer())[0])
            self.unread.begin(rpc_context)
            try:
                with limit.admit(report.address):
                    async with aclosing(behavior(rpc_context)) as messages:  # type: ignore[type-var]
                        async for message in messages:
                            with self.unread.sending(rpc_context):
                                yield message.SerializeToString()
                self.unread.send(rpc_context)
                report.code = Code.OK
            except GatewayError as error:
                await report.abort(rpc_context, error)
            except (GeneratorExit, asyncio.CancelledError):
                raise
            except Exception:  # noqa: BLE001 - the last line: whatever it is, no traceback reaches a caller
                _log.exception("infrastructure call failed", extra=report.fields)
                await report.abort(rpc_context, internal_error(report.headers["x-server-trace-id"]))
            finally:
                report.finish()

        self._handlers[f"/{name}"] = grpc.stream_stream_rpc_method_handler(respond)


class _Report:
    """What is reported about one call.

    Attributes:
        address: the IP address of the peer.
        code: the code of the response.
        headers: the metadata of error responses, which identifies the call.
    """

    def __init__(self, context: ListenerContext, name: str, address: str) -> None:
        self.address = address
        self.code = Code.CANCELLED
        self.headers = new_identifiers()
        self._name = name
        self._metrics = context.metrics
        self._started = time.perf_counter()

    @property
    def fields(self) -> dict[str, object]:
        """The fields of log lines about the call."""
        request_id, trace_id = self.headers["x-request-id"], self.headers["x-server-trace-id"]
        return {"call_id": request_id, "trace_id": trace_id, "method": self._name, "address": self.address}

    async def abort(self, rpc_context: RpcContext, error: GatewayError) -> None:
        """End the call with an error. This method raises an exception, like `abort` of the gRPC library."""
        self.code = error.code
        message, trailing = to_trailing_metadata(error, self.headers["x-request-id"], self.headers)
        code = next(one for one in grpc.StatusCode if one.value[0] == error.code)
        await rpc_context.abort(code, message, trailing)

    def finish(self) -> None:
        """Report the end of the call in the metrics and the log."""
        self._metrics.record_call(time.perf_counter() - self._started, self._name, self.code.name)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("responded", extra=self.fields | {"status": self.code.name})
