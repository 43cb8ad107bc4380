"""The calls that the gateway itself makes to upstreams, to settle changes and to poll operations."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from google.protobuf.message import DecodeError

from gateway.call import Call, Caller, Reply
from gateway.errors import Code, GatewayError
from gateway.telemetry import without_sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.call import ReplyStream
    from gateway.ledger.work import OpenCall
    from gateway.schema import Method
    from gateway.telemetry import Span

GET_OPERATION = "/yandex.cloud.operation.OperationService/Get"
"""The gRPC path of the method that returns an operation."""


class _CallForwarder(Protocol):
    async def forward(self, call: Call) -> Reply | ReplyStream: ...


class Serving(Protocol):
    """What serves at present: the methods by their gRPC paths, and the forwarder of calls."""

    @property
    def methods(self) -> Mapping[str, Method]:
        """The methods that are served."""
        ...

    @property
    def forwarder(self) -> _CallForwarder:
        """The forwarder of calls to upstreams."""
        ...


class OwnCalls:
    """Makes calls with the active snapshot."""

    def __init__(self, get_serving: Callable[[], Serving], deadline_s: float) -> None:
        """Initialize the object.

        Args:
            get_serving: a function that returns what serves at present.
            deadline_s: the maximum duration of a call, in seconds.
        """
        self._get_serving = get_serving
        self._deadline_s = deadline_s

    def find(self, path: str) -> Method | None:
        """Return a method by its gRPC path; None if it is not served."""
        return self._get_serving().methods.get(path)

    async def poll(self, open_call: OpenCall, method: Method) -> Reply:
        """Return the operation of a call.

        Raises:
            GatewayError: the call has failed.
        """
        request = method.request(operation_id=open_call.operation_id)
        return await self.make(open_call, method, request)

    async def make(
        self, open_call: OpenCall, method: Method, request: Any, *, span: Span | None = None, key: str = ""
    ) -> Reply:
        """Make a call that belongs to the trace of an open call, and return its reply.

        Args:
            open_call: the open call for which the call is made.
            method: the method to call.
            request: the request message.
            span: the parent of the CLIENT span; None if the call is not traced.
            key: the idempotency key; empty for a read.

        Raises:
            GatewayError: the call has failed.
        """
        traceparent = open_call.trace_headers.get("traceparent", "")
        call = Call(
            id=open_call.call_id,
            method=method,
            caller=Caller(),
            request=request,
            metadata={},
            deadline=asyncio.get_running_loop().time() + self._deadline_s,
            span=span or without_sampling(traceparent),
            idempotency_key=key,
        )
        reply = await self._get_serving().forwarder.forward(call)
        if not isinstance(reply, Reply):
            await reply.aclose()
            raise GatewayError(Code.UNIMPLEMENTED, "STREAM", "the gateway itself makes only unary calls")
        return reply


def parse_request(method: Method, data: bytes) -> Any:
    """Return a recorded request; None if it is no request of the method any more."""
    try:
        return method.request.FromString(data)
    except DecodeError:
        return None
