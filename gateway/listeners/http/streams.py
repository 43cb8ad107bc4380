"""Response streams over HTTP. The format is server-sent events if the caller accepts them, otherwise NDJSON.

If an error occurs after the first message, the HTTP status can no longer be changed. Then the last element of
the stream is a google.rpc.Status that describes the error. In NDJSON, the key "@type" distinguishes the
Status from a response message. In server-sent events, the Status is an event of the type `error`.
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
    """The format in which the elements of a stream are sent."""

    content_type: str

    def frame(self, text: bytes) -> bytes:
        """Return the bytes to send for a response message. The argument is the message as JSON."""
        ...

    def frame_error(self, status: bytes) -> bytes:
        """Return the bytes to send for the Status that ends a stream. The argument is the Status as JSON."""
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
    """Return the framing that the Accept headers of a request select."""
    accepted = ",".join(request.headers.getall("accept", []))
    media_types = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
    return _Events() if EVENTS in media_types else _Lines()


def make_stream(framing: Framing) -> web.StreamResponse:
    """Return the response for a stream. The head of the response is not sent yet."""
    response = web.StreamResponse(headers={"Cache-Control": "no-store"})
    response.content_type = framing.content_type
    return response
