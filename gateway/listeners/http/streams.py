"""Streamed responses over HTTP: one JSON text on each line, or server-sent events if the caller accepts them.

An error after the first message cannot change the status line any more. It is the
last element of the stream, a Status. In NDJSON its "@type" distinguishes it from a
message; as an event it is named `error`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"

_STATUS_TYPE = b'{"@type":"type.googleapis.com/google.rpc.Status",'


class Framing(Protocol):
    """The separators of the elements of a stream."""

    content_type: str

    def frame(self, text: bytes) -> bytes:
        """Return a message as it is sent."""
        ...

    def frame_error(self, status: bytes) -> bytes:
        """Return the Status that ends the stream."""
        ...


class _Lines:
    content_type = LINES

    def frame(self, text: bytes) -> bytes:
        return text + b"\n"

    def frame_error(self, status: bytes) -> bytes:
        return _STATUS_TYPE + status[1:] + b"\n"


class _Events:
    content_type = EVENTS

    def frame(self, text: bytes) -> bytes:
        return b"data: " + text + b"\n\n"

    def frame_error(self, status: bytes) -> bytes:
        return b"event: error\ndata: " + status + b"\n\n"


def choose_framing(request: BaseRequest) -> Framing:
    """Return the framing that a request asks for."""
    accepted = ",".join(request.headers.getall("accept", []))
    media_types = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
    return _Events() if EVENTS in media_types else _Lines()


def make_stream(framing: Framing) -> web.StreamResponse:
    """Return the response for a stream; its head is not sent yet."""
    response = web.StreamResponse(headers={"Cache-Control": "no-store"})
    response.content_type = framing.content_type
    return response
