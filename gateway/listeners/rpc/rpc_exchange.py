"""One gRPC call and its response."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import grpc.aio

from gateway.call import Caller
from gateway.listeners.exchange import SERVER_ERRORS, Exchange, describe_caller, shorten
from gateway.listeners.response_size import to_trailing_metadata
from gateway.telemetry import SharedAttributes, set_shared

if TYPE_CHECKING:
    from gateway.errors import Code, GatewayError
    from gateway.listeners.context import ListenerContext
    from gateway.serving.snapshot import Snapshot

RpcContext: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

OTHER = "_OTHER"
"""The common name of all methods that are not served.

In metrics, a common name prevents an unlimited number of time series.
"""
_CACHED = 1024  # maximum number of entries in each cache
_MAX_AGENT = 256  # maximum number of characters of a cached user agent


class RpcExchange(Exchange):
    """One gRPC call and its response.

    Attributes:
        path: the path of the call, which is a text of the caller.
        metadata: the metadata that the caller sent.
    """

    def __init__(
        self,
        context: ListenerContext,
        snapshot: Snapshot,
        path: str,
        rpc_context: RpcContext,
        server: SharedAttributes,
    ) -> None:
        """Start the exchange.

        Args:
            context: the context of the listener.
            snapshot: the snapshot that serves the call.
            path: the path of the call.
            rpc_context: the call's context of the gRPC library.
            server: the attributes of spans that describe the listener.
        """
        method = snapshot.methods.get(path)
        self.path = path
        self._name = OTHER if method is None else method.name
        self._rpc_context = rpc_context
        self.metadata: list[tuple[str, str | bytes]] = list(rpc_context.invocation_metadata() or ())
        headers = {name: value for name, value in self.metadata if isinstance(value, str)}
        attributes = _start(self._name)
        self._server = server
        self._agent = headers.get("user-agent", "")
        super().__init__(context, snapshot, self._name, headers, attributes)
        self.method = method
        self._metrics = context.metrics
        self.facts = {"method": self._name}

    async def abort(self, error: GatewayError) -> None:
        """End the call with an error. This method raises an exception, like `abort` of the gRPC library."""
        message, trailing = to_trailing_metadata(error, self.id, self.headers())
        code = next(one for one in grpc.StatusCode if one.value[0] == error.code)
        await self._rpc_context.abort(code, message, trailing)

    def finish(self, code: Code) -> None:
        """Report the response in the trace, the metrics and the log."""
        duration_s = self.end(code.name, code)
        self._metrics.record_call(duration_s, self._name, code.name, self.span)

    def describe(self, status: int | str, code: Code) -> SharedAttributes:
        """Set what only this span has, and return the attributes that it has in common with other spans.

        https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
        """
        span = self.span
        set_shared(span, self._server)
        if self.method is None:
            span.set_attribute("rpc.method_original", shorten(self.path.removeprefix("/")))
        if code in SERVER_ERRORS:
            self.set_error(code.name)
        agent = self._agent
        if len(agent) > _MAX_AGENT:
            span.set_attribute("user_agent.original", shorten(agent))
            agent = ""
        return _describe(status, agent, (self.caller.address, self.caller.kind, self.caller.id))


@lru_cache(_CACHED)
def _start(method: str) -> SharedAttributes:
    """Return the attributes with which a span starts."""
    return SharedAttributes({"rpc.system.name": "grpc", "rpc.method": method})


@lru_cache(_CACHED)
def _describe(status: int | str, agent: str, peer: tuple[str, str, str]) -> SharedAttributes:
    """Return the attributes of all spans whose calls are the same in these respects.

    Args:
        status: the name of the status code.
        agent: the user agent of the caller; empty if there is none, or it is described elsewhere.
        peer: the address, the kind and the ID of the caller.
    """
    address, kind, caller_id = peer
    return SharedAttributes(
        {
            **describe_caller(Caller(address=address, kind=kind, id=caller_id)),
            "rpc.response.status_code": status,
            **({"user_agent.original": shorten(agent)} if agent else {}),
        }
    )
