"""One gRPC call and its response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import grpc.aio

from gateway.listeners.exchange import SERVER_ERRORS, Exchange, shorten
from gateway.listeners.response_size import to_trailing_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.errors import Code, GatewayError
    from gateway.listeners.context import ListenerContext
    from gateway.serving.snapshot import Snapshot

RpcContext: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

OTHER = "_OTHER"
"""The common name of all methods that are not served.

In metrics, a common name prevents an unlimited number of time series.
"""


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
        server: Mapping[str, str | int],
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
        attributes = {"rpc.system.name": "grpc", "rpc.method": self._name}
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

    def describe(self, status: int | str, code: Code) -> dict[str, str | int]:
        """Set the status of the span, and return its further attributes.

        https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
        """
        attributes: dict[str, str | int] = {"rpc.response.status_code": status, **self._server}
        if self.method is None:
            attributes["rpc.method_original"] = shorten(self.path.removeprefix("/"))
        if self._agent:
            attributes["user_agent.original"] = shorten(self._agent)
        if code in SERVER_ERRORS:
            self.set_error(code.name)
        return attributes
