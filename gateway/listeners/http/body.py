"""The body of an HTTP request. The body is read and decompressed, and its type and its size are checked."""

from __future__ import annotations

import re
import zlib
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.web_exceptions import HTTPException

from gateway.errors import Code, GatewayError, invalid_request
from gateway.listeners.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from aiohttp.web_request import BaseRequest

_MEDIA_TYPE = re.compile(
    r"\s*(?P<type>[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?P<parameters>;.*)?"
)
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]+)\"?", re.IGNORECASE)
# The default content type of `curl -d`. A page of any site can make a browser send a request of this type
# without a preflight request. So requests of this type are refused if they come from a browser.
_CURL_DEFAULT = "application/x-www-form-urlencoded"
_BROWSER_HEADERS = ("origin", "sec-fetch-site")
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_PLAIN = {"", "identity"}
_ENCODINGS = {*_PLAIN, "gzip", "deflate"}
_METHOD_BITS, _DEFLATED = 0x0F, 8  # the compression method in the first byte of zlib data, RFC 1950


async def read_body(
    request: BaseRequest,
    limit_bytes: int,
    receiving: Callable[[], AbstractAsyncContextManager[object]],
    *,
    is_json: bool = True,
) -> bytes:
    """Return the decompressed body of a request. The result is empty if the request has no body.

    Args:
        request: the request whose body is read.
        limit_bytes: the maximum size of the body in bytes, before and after decompression.
        receiving: a function that returns a context manager. If the body has not arrived yet, the context
            manager limits the time to receive the body.
        is_json: whether to refuse a body whose type is not JSON.

    Raises:
        HttpError: the request is refused with the HTTP status 408, 413, 415 or 417.
        GatewayError: INVALID_ARGUMENT if the body is incomplete or malformed, or if the header
            content-type is repeated.
    """
    if not request.body_exists:
        return b""
    if (request.content_length or 0) > limit_bytes:
        raise _too_large(limit_bytes)
    encoding = _read_encoding(request)
    _check_expectation(request)
    if request.content.is_eof():  # most bodies arrive together with the head of the request
        body = _read_arrived(request, limit_bytes)
    else:
        body = await _receive(request, limit_bytes, receiving)
    if encoding not in _PLAIN and body:
        body = _decompress(body, encoding, limit_bytes)
    if body and is_json:
        _check_type(request)
    return body


def _read_arrived(request: BaseRequest, limit_bytes: int) -> bytes:
    """Return the body of a request. The whole body must have arrived already."""
    content = request.content
    error = content.exception()
    if isinstance(error, (web.RequestPayloadError, HTTPException)):
        raise _broken() from error
    if error is not None:
        raise error
    # The public methods do much more, because they can also continue to receive.
    body = b"".join(content._buffer)  # noqa: SLF001 - as said
    content._buffer.clear()  # noqa: SLF001 - the call may last long
    if len(body) > limit_bytes:
        raise _too_large(limit_bytes)
    return body


async def _receive(
    request: BaseRequest, limit_bytes: int, receiving: Callable[[], AbstractAsyncContextManager[object]]
) -> bytes:
    """Wait until the whole body of a request has arrived, and return the body."""
    try:
        async with receiving():
            return await _read_content(request, limit_bytes)
    except TimeoutError as error:
        raise HttpError(
            HTTPStatus.REQUEST_TIMEOUT,
            Code.DEADLINE_EXCEEDED,
            "BODY_TIMEOUT",
            "the body did not arrive within the call's deadline",
        ) from error


async def _read_content(request: BaseRequest, limit_bytes: int) -> bytes:
    chunks, size = [], 0
    try:
        async for chunk in request.content.iter_any():
            size += len(chunk)
            if size > limit_bytes:
                raise _too_large(limit_bytes)
            chunks.append(chunk)
    except (web.RequestPayloadError, HTTPException) as error:
        raise _broken() from error
    return b"".join(chunks)


def _check_expectation(request: BaseRequest) -> None:
    """Send the response 100 Continue if the caller waits for this response.

    The caller asks for this response with the header Expect, which is described in
    https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1.
    """
    expectation = request.headers.get("expect")
    if expectation is None or request.transport is None:
        return
    if expectation.lower() != "100-continue":
        raise HttpError(
            HTTPStatus.EXPECTATION_FAILED,
            Code.INVALID_ARGUMENT,
            "EXPECTATION",
            "the only expectation is 100-continue",
        )
    request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _read_encoding(request: BaseRequest) -> str:
    if "content-encoding" not in request.headers:
        return ""
    given = ",".join(request.headers.getall("content-encoding")).strip().lower()
    if given not in _ENCODINGS:
        raise HttpError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            Code.INVALID_ARGUMENT,
            "CONTENT_ENCODING",
            "the body may be encoded with gzip or deflate, once",
            headers={"Accept-Encoding": "gzip, deflate"},
        )
    return given


def _decompress(data: bytes, encoding: str, limit_bytes: int) -> bytes:
    """Return the content of one complete gzip member or zlib stream.

    Deflate data that is not in the zlib format is accepted too, because some clients send such data.
    """
    bits = _GZIP if encoding == "gzip" else _ZLIB if data[0] & _METHOD_BITS == _DEFLATED else _RAW
    decompressor = zlib.decompressobj(bits)
    try:
        body = decompressor.decompress(data, limit_bytes + 1)
    except zlib.error as error:
        raise _broken() from error
    if len(body) > limit_bytes:
        raise _too_large(limit_bytes)
    if not decompressor.eof or decompressor.unused_data:
        raise _broken()
    return body


def _broken() -> GatewayError:
    return invalid_request("the body is incomplete, or not encoded as its headers say")


def _check_type(request: BaseRequest) -> None:
    given = request.headers.getall("content-type", [])
    if len(given) > 1:
        raise invalid_request("the header content-type is repeated; send it once")
    if not given or given[0] == "application/json":
        return
    match = _MEDIA_TYPE.fullmatch(given[0])
    media_type = match["type"].lower() if match else ""
    charset = _CHARSET.search((match["parameters"] if match else None) or "")
    if charset and charset[1].lower() not in {"utf-8", "utf8"}:
        raise _wrong_type("the charset has to be utf-8")
    is_curl = media_type == _CURL_DEFAULT and not any(name in request.headers for name in _BROWSER_HEADERS)
    if media_type != "application/json" and not media_type.endswith("+json") and not is_curl:
        raise _wrong_type("send JSON, with the header content-type: application/json")


def _wrong_type(message: str) -> HttpError:
    return HttpError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Code.INVALID_ARGUMENT, "MEDIA_TYPE", message)


def _too_large(limit_bytes: int) -> HttpError:
    return HttpError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        Code.INVALID_ARGUMENT,
        "BODY_TOO_LARGE",
        f"the body is larger than {limit_bytes} bytes",
    )
