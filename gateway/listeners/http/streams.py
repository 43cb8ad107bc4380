"""Streamed answers over HTTP: a JSON text a line, or server-sent events when the caller accepts those.

An error after the first answer can have no status line any more: it comes as the
last element, a Status. In NDJSON its "@type" tells it from an answer; as an
event it is named `error`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.web_request import BaseRequest

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"

_STATUS_TYPE = b'{"@type":"type.googleapis.com/google.rpc.Status",'


class Framing(Protocol):
    """How the elements of a stream are told apart."""

    content_type: str

    def frame(self, text: bytes) -> bytes:
        """Return an answer as it goes over the wire."""
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


async def open_stream(
    request: BaseRequest, framing: Framing, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Send the head of a streamed answer."""
    answer = web.StreamResponse(headers=headers)
    answer.content_type = framing.content_type
    answer.headers["Cache-Control"] = "no-store"
    await answer.prepare(request)
    return answer
