"""A response with a body of bytes, which is written in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import ClientConnectionResetError, HttpVersion11, hdrs, web
from aiohttp.helpers import rfc822_formatted_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.web_request import BaseRequest

_MAX_BYTES = 16_384  # a larger body is not copied behind its head
_FIRST_FINAL = 200
_WITHOUT_BODY = frozenset({204, 205, 304})


class BodyResponse(web.Response):
    """A response with a body of bytes, without cookies and compression.

    aiohttp takes twice as long to write a response, because its responses can be streamed, compressed,
    chunked, and without a length. This class writes the most frequent kind of response itself: with HTTP/1.1,
    and on a connection that stays open. Everything else is left to aiohttp.
    """

    def __init__(
        self, body: bytes, content_type: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Create the response.

        Args:
            body: the body.
            content_type: the value of the header Content-Type.
            status: the status.
            headers: further headers, none of them about the connection or the length of the body.
        """
        given = {hdrs.CONTENT_TYPE: content_type, **headers} if headers else {hdrs.CONTENT_TYPE: content_type}
        web.StreamResponse.__init__(self, status=status, headers=given)  # that of web.Response adds nothing
        self._body = self._given = body

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Send the whole response, or leave it to aiohttp."""
        body, status = self._given, self._status
        if (
            request.version is not HttpVersion11
            or self._keep_alive is False
            or not request.keep_alive
            or request.method == hdrs.METH_HEAD
            or status < _FIRST_FINAL
            or status in _WITHOUT_BODY
            or not 0 < len(body) <= _MAX_BYTES
            or not "".join(self._headers.values()).isprintable()
        ):
            return await super().prepare(request)
        protocol = request.protocol
        transport = protocol.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("Cannot write to closing transport")
        data = self._make_head(len(body)).encode() + body
        request.writer.output_size += len(data)  # shows aiohttp that the response has been started
        transport.write(data)
        self._keep_alive = self._eof_sent = True
        self._body_length = len(data)
        if protocol.writing_paused:
            await request.writer.drain()
        return None

    def _make_head(self, size: int) -> str:
        headers = self._headers
        lines = "\r\n".join(map(": ".join, headers.items()))
        date = "" if hdrs.DATE in headers else f"\r\nDate: {rfc822_formatted_time()}"
        start = f"HTTP/1.1 {self._status} {self._reason}\r\nContent-Length: {size}\r\n"
        return f"{start}{lines}{date}\r\n\r\n"
