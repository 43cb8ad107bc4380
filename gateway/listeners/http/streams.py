"""Response streams over HTTP. The format is server-sent events if the caller accepts them, otherwise NDJSON.

If an error occurs after the first message, the HTTP status can no longer be changed. Then the last element of
the stream is a google.rpc.Status that describes the error. In NDJSON, the key "@type" distinguishes the
Status from a response message. In server-sent events, the Status is an event of the type `error`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from aiohttp.web_request import BaseRequest
    from google.protobuf.message import Message

    from gateway.call import ReplyStream
    from gateway.errors import GatewayError

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"

_STATUS_TYPE = b'{"@type":"type.googleapis.com/google.rpc.Status",'


class Framing(Protocol):
    """The format in which the elements of a stream are sent.

    Attributes:
        headers: the headers of the response.
        heartbeat_s: the time without a message after which a heartbeat is sent, in seconds; None for no
            heartbeats.
    """

    content_type: str
    headers: Mapping[str, str]
    heartbeat_s: float | None

    def frame(self, text: bytes, message: Message) -> bytes:
        """Return the bytes to send for a response message.

        Args:
            text: the message as JSON.
            message: the message.
        """
        ...

    def frame_error(self, error: GatewayError, status: bytes) -> bytes:
        """Return the bytes to send for the error that ends a stream.

        Args:
            error: the error.
            status: the Status of the error as JSON.
        """
        ...


class _Lines:
    content_type = LINES
    headers: Mapping[str, str] = {"Cache-Control": "no-store"}
    heartbeat_s: float | None = None

    def frame(self, text: bytes, _message: Message) -> bytes:
        return text + b"\n"

    def frame_error(self, _error: GatewayError, status: bytes) -> bytes:
        return _STATUS_TYPE + status[1:] + b"\n"


class Events:
    """Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

    content_type = EVENTS
    headers: Mapping[str, str] = {"Cache-Control": "no-store"}
    heartbeat_s: float | None = None

    def frame(self, text: bytes, _message: Message) -> bytes:
        """Return an event without an ID."""
        return b"data: " + text + b"\n\n"

    def frame_error(self, _error: GatewayError, status: bytes) -> bytes:
        """Return an event of the type `error`."""
        return b"event: error\ndata: " + status + b"\n\n"


def accepts_events(request: BaseRequest) -> bool:
    """Return whether the Accept headers of a request contain the media type of server-sent events."""
    accepted = ",".join(request.headers.getall("accept", []))
    return EVENTS in {part.partition(";")[0].strip().lower() for part in accepted.split(",")}


def choose_framing(request: BaseRequest) -> Framing:
    """Return the framing that the Accept headers of a request select."""
    return Events() if accepts_events(request) else _Lines()


def make_stream(framing: Framing) -> web.StreamResponse:
    """Return the response for a stream. The head of the response is not sent yet."""
    response = web.StreamResponse(headers=framing.headers)
    response.content_type = framing.content_type
    return response


async def with_heartbeats(
    messages: ReplyStream, heartbeat_s: float | None
) -> AsyncGenerator[Message | None, None]:
    """Yield the messages of a stream, and None each time no message has arrived for some time."""
    pending: asyncio.Task[Message] | None = None
    try:
        while True:
            pending = asyncio.ensure_future(anext(messages))
            while not (await asyncio.wait([pending], timeout=heartbeat_s))[0]:
                yield None
            try:
                message = pending.result()
            except StopAsyncIteration:
                return
            yield message
    finally:
        if pending is not None and not pending.done():
            pending.cancel()
            await asyncio.wait([pending])
