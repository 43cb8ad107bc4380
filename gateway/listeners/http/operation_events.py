"""An operation as server-sent events: GET of the operation with `Accept: text/event-stream`.

Each event has an ID that is derived from the state of the operation. A client that connects again sends the
ID of the last event that it has received, possibly to another replica, and does not receive this state again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.listeners.http.streams import Events, accepts_events
from gateway.operations.own_calls import GET_OPERATION
from gateway.operations.waiting import STOPPING, WATCH, state_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.web_request import BaseRequest
    from google.protobuf.message import Message

    from gateway.errors import GatewayError
    from gateway.listeners.http.http_exchange import HttpExchange
    from gateway.schema import Method

HEARTBEAT_S = 15.0
"""The time without an event after which a comment is sent, in seconds. Proxies close silent connections."""
HEARTBEAT = b":\n\n"


class OperationEvents(Events):
    """The framing of an operation's states.

    Attributes:
        last_id: the ID of the last event that the client has received; empty if there is none.
    """

    headers: Mapping[str, str] = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

    def __init__(self, last_id: str) -> None:
        self.last_id = last_id
        self.heartbeat_s = HEARTBEAT_S

    def frame(self, text: bytes, message: Message) -> bytes:
        """Return an event with an ID; nothing if the client has received the state already."""
        event_id = state_id(message)
        if event_id == self.last_id:
            return b""
        self.last_id = event_id
        return f"id: {event_id}\n".encode() + super().frame(text, message)

    def frame_error(self, error: GatewayError, status: bytes) -> bytes:
        """Return an event of the type `error`; nothing if the gateway stops, so the client reconnects."""
        return b"" if error.reason == STOPPING else super().frame_error(error, status)

    def is_complete(self, first: Message) -> bool:
        """Return whether the client has received the last state of the operation already."""
        operation: Any = first
        return bool(operation.done) and state_id(first) == self.last_id


def find_watch(request: BaseRequest, exchange: HttpExchange, method: Method) -> Method | None:
    """Return the method that streams the states of an operation; None if the request is no request for it."""
    if method.path != GET_OPERATION or not accepts_events(request):
        return None
    return exchange.snapshot.methods.get(f"/{WATCH}")


def to_watch_request(watch: Method, request: Message) -> Message:
    """Return the request of the method that streams the states of an operation.

    Args:
        watch: the method.
        request: the request of OperationService/Get.
    """
    asked: Any = request
    return watch.request(operation_id=asked.operation_id)


def make_framing(request: BaseRequest) -> OperationEvents:
    """Return the framing for a request."""
    return OperationEvents(request.headers.get("last-event-id", ""))
