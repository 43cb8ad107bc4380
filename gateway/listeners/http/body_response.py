"""A response with a body of bytes, which is written in one step."""

from __future__ import annotations

import time
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.web_response import REASON_PHRASES
from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.web_request import BaseRequest

SERVER = "baremetal-gateway"
"""The value of the header Server of every response."""
_MAX_BYTES = 16_384  # a larger body is not copied behind its head
_MAX_TYPE = 128  # a longer Content-Type is not kept
_WITHOUT_BODY = frozenset({204, 205, 304})
_CACHED = 64


class BodyResponse(web.Response):
    """A response with a body of bytes, without cookies and compression.

    aiohttp takes three times as long for a response, because its responses can be streamed, compressed,
    chunked, and without a length. This class writes the most frequent kind of response itself: with HTTP/1.1,
    and on a connection that stays open. Everything else is left to aiohttp.
    """

    _headers: CIMultiDict[str] | None = None  # type: ignore[assignment] # made when it is needed

    def __init__(
        self, body: bytes, content_type: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Create the response.

        Args:
            body: the body.
            content_type: the value of the header Content-Type.
            status: the status.
            headers: further headers, none of them about the server, the connection, the date, or the type or
                the length of the body.
        """
        self._body = self._given = body
        self._type = content_type
        self._status = int(status)  # as of an HTTPStatus
        self._reason = REASON_PHRASES.get(status, "")
        self._state = {}
        self._lines = [*headers.items()] if headers else []

    def add_header(self, name: str, value: str) -> None:
        """Add a header. The same restrictions apply as to the headers of the constructor."""
        if self._headers is None:
            self._lines.append((name, value))
        else:
            self._headers.add(name, value)

    def add_headers(self, headers: Mapping[str, str]) -> None:
        """Add headers. The same restrictions apply as to the headers of the constructor."""
        if self._headers is None:
            self._lines += headers.items()
        else:
            self._headers.extend(headers)

    @property
    def headers(self) -> CIMultiDict[str]:
        """All headers. They can be modified. Whoever only adds headers takes less time with add_header()."""
        if self._headers is None:
            self._headers = CIMultiDict(
                [(hdrs.CONTENT_TYPE, self._type), (hdrs.SERVER, SERVER), *self._lines]
            )
        return self._headers

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Send the whole response, or leave it to aiohttp."""
        if self.send(request):
            if request.protocol.writing_paused:
                await request.writer.drain()
            return None
        self._headers = self.headers
        return await super().prepare(request)

    def send(self, request: BaseRequest) -> bool:
        """Write the whole response and return true, or return false because it is left to aiohttp."""
        body, protocol = self._given, request.protocol
        transport = protocol.transport
        if (
            request.version is not HttpVersion11
            or not request.keep_alive
            or self._keep_alive is False
            or request.method == hdrs.METH_HEAD
            or not 0 < len(body) <= _MAX_BYTES
            or len(self._type) > _MAX_TYPE
            or self._headers is not None
            or self._eof_sent
            or transport is None
            or transport.is_closing()
        ):
            return False
        start = _make_start(self._status, self._type, int(time.time()))
        lines = "".join([f"\r\n{name}: {value}" for name, value in self._lines])
        if not start or _has_more_lines(lines, len(self._lines)):
            return False
        data = f"{start}{len(body)}{lines}\r\n\r\n".encode() + body
        request.writer.output_size += len(data)  # shows aiohttp that the response has been started
        transport.write(data)
        self._keep_alive = self._eof_sent = True
        self._body_length = len(data)
        return True


@lru_cache(_CACHED)
def _make_start(status: int, content_type: str, now: int) -> str:  # noqa: ARG001 - so the date changes
    """Return the start of all responses with a status and a type in one second.

    The text ends before the length of the body. It is empty if the response is left to aiohttp.

    Args:
        status: the status.
        content_type: the value of the header Content-Type.
        now: the present time, in seconds.
    """
    if status < HTTPStatus.OK or status in _WITHOUT_BODY or not content_type.isprintable():
        return ""
    return (
        f"HTTP/1.1 {status} {REASON_PHRASES.get(status, '')}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Server: {SERVER}\r\n"
        f"Date: {rfc822_formatted_time()}\r\n"
        "Content-Length: "
    )


def _has_more_lines(text: str, count: int) -> bool:
    """Return whether a text has more lines than were put into it. So a header would contain another one."""
    return text.count("\n") != count or text.count("\r") != count or "\0" in text
