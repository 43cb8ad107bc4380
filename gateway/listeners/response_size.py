"""The size limits for the gRPC metadata and the Warning headers of a response.

By default, gRPC clients accept 8 KiB of metadata. If a response has more metadata, a client reports the error
RESOURCE_EXHAUSTED instead of the response. Some clients do this only for some of these responses, at random.
Then the caller does not see the code and the reasons of the gateway's error. So the error message, the
details and the warnings share one limit.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from gateway.errors import DOMAIN, MORE, GatewayError, to_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from google.protobuf.message import Message

_DETAILS = "grpc-status-details-bin"
_WARNING = "x-policy-warning"

# The gateway uses at most 7 of the 8 KiB. The last KiB is for headers that gRPC and proxies add.
_METADATA_BYTES = 7 * 1024
# The number of bytes that HTTP/2 counts for each header in addition to its name and its value, see
# https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2.
_HEADER_BYTES = 32
_MESSAGE_BYTES = 2048
_MARKER_BYTES = 160  # for the text that shows the number of omitted violations and details
_RESERVED_FOR_WARNINGS = 1024
_MIN_DETAIL_BYTES = 256  # no detail is cut below this size
_FIELD_BYTES = 8  # the maximum size of the tag and the length prefix of a field
_MAX_REQUEST_ID = 256

_MAX_WARNING = 512
_MAX_CACHED = 2048  # the maximum number of characters of warnings whose headers are cached
_MAX_HTTP_WARNINGS = 10
_MAX_RPC_WARNINGS = 3
# Most proxies and clients accept about 8 KiB of headers. Some accept only 4 KiB, as nginx does by default.
_HTTP_WARNING_BYTES = 3 * 1024
_UNSAFE = re.compile(r"[^\x20-\x7e]|[\"\\]")
_NOT_ASCII = re.compile(r"[^\x20-\x7e]")


def to_trailing_metadata(
    error: GatewayError, request_id: str, headers: Mapping[str, str]
) -> tuple[str, tuple[tuple[str, str | bytes], ...]]:
    """Return the error message and the trailing metadata of a call that ends with an error.

    The headers of the error become metadata. The code, the ErrorInfo and the RequestInfo are always present.
    If the other details are too large, some of them are omitted, and the error message ends with the number
    of omitted violations and details.

    Args:
        error: the error that ends the call.
        request_id: the request ID for the RequestInfo.
        headers: the metadata that every response has.
    """
    headers = dict(headers) | {name.lower(): value for name, value in error.headers.items()}
    space = _METADATA_BYTES - sum(_header_size(name, value) for name, value in headers.items())
    status = to_status(error, request_id)
    status.message = fit_message(status.message, _MESSAGE_BYTES - _MARKER_BYTES)
    warnings = to_warning_metadata(error.warnings)
    reserved = min(sum(_header_size(*one) for one in warnings), _RESERVED_FOR_WARNINGS)
    space -= _header_size("grpc-message", "") + _header_size(_DETAILS, "") + reserved
    _shrink(status, (space - _wire_size(status.message)) * 3 // 4)
    data: bytes = status.SerializeToString()
    space -= _wire_size(status.message) + _base64_size(data) - reserved
    return status.message, ((_DETAILS, data), *headers.items(), *to_warning_metadata(error.warnings, space))


def to_warning_metadata(texts: Sequence[str], space: int = _METADATA_BYTES) -> tuple[tuple[str, str], ...]:
    """Return the metadata that shows warnings.

    If warnings are omitted, the last entry shows the number of omitted warnings.

    Args:
        texts: the texts of the warnings.
        space: the maximum total size of the metadata, in bytes.
    """
    shown = _choose(texts, _to_ascii, _MAX_RPC_WARNINGS, space, _header_size(_WARNING, ""))
    return tuple((_WARNING, text) for text in shown)


def to_warning_headers(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values of the Warning headers that show warnings.

    https://www.rfc-editor.org/rfc/rfc7234#section-5.5 describes the format of these headers.
    """
    if sum(map(len, texts)) > _MAX_CACHED:
        return _make_warning_headers(texts)
    return _cached_warning_headers(texts)


def _make_warning_headers(texts: tuple[str, ...]) -> tuple[str, ...]:
    overhead = len('Warning: 299 - ""\r\n')
    shown = _choose(texts, _to_quotable, _MAX_HTTP_WARNINGS, _HTTP_WARNING_BYTES, overhead)
    return tuple([f'299 - "{text}"' for text in shown])


_cached_warning_headers = lru_cache(256)(_make_warning_headers)


def fit_message(message: str, space: int) -> str:
    """Cut an error message so that its encoded form has at most `space` bytes.

    gRPC encodes `%`, and each byte that is not printable ASCII, as three bytes.
    """
    if len(message) <= space and _wire_size(message) <= space:
        return message
    sizes = accumulate(_wire_size(char) for char in message[:space])
    kept = sum(size <= space - _wire_size("…") for size in sizes)
    return f"{message[:kept]}…"


def _wire_size(message: str) -> int:
    """Return the size of an error message in gRPC's percent-encoding, in bytes."""
    if message.isascii() and message.isprintable() and "%" not in message:
        return len(message)
    return sum(1 if b" "[0] <= byte <= b"~"[0] and byte != b"%"[0] else 3 for byte in _encode(message))


def _encode(text: str) -> bytes:
    return text.encode(errors="replace")


def _base64_size(data: bytes) -> int:
    """Return the number of base64 digits that a binary value needs. Padding is not counted."""
    return -(-len(data) * 4 // 3)


def _header_size(name: str, value: str) -> int:
    return _HEADER_BYTES + len(name) + len(value)


# --- warnings


def _choose(
    texts: Sequence[str], encode: Callable[[str], str], limit: int, space: int, overhead: int
) -> list[str]:
    """Return the first texts that fit, in encoded form.

    If texts are omitted, the last text of the result shows the number of omitted texts.
    """
    if not texts:
        return []
    shown = [_cut(text, encode) for text in texts[:limit]]
    sizes = list(accumulate(len(text) + overhead for text in shown))
    if len(texts) <= limit and sizes[-1] <= space:
        return shown
    reserved = len(_left_out(len(texts))) + overhead
    kept = sum(size <= space - reserved for size in sizes)
    return [*shown[:kept], _left_out(len(texts) - kept)]


def _left_out(count: int) -> str:
    return f"and {count} more, see the decision log"


def _cut(text: str, encode: Callable[[str], str]) -> str:
    shown = encode(text[:_MAX_WARNING])
    if len(text) <= _MAX_WARNING and len(shown) <= _MAX_WARNING:
        return shown
    # An escaped character takes two characters. So a text of half the maximum length always fits.
    return encode(text[: _MAX_WARNING - 3 if len(shown) == _MAX_WARNING else _MAX_WARNING // 2 - 3]) + "..."


def _to_ascii(text: str) -> str:
    return _NOT_ASCII.sub("?", text)


def _to_quotable(text: str) -> str:
    return _UNSAFE.sub(lambda match: f"\\{match[0]}" if match[0] in '"\\' else "?", text)


# --- details


def _shrink(status: status_pb2.Status, space: int) -> None:
    """Shorten the details of a status, so that the status has at most `space` bytes.

    The number of omitted violations and details is appended to the error message.
    """
    if status.ByteSize() <= space:
        return
    space -= len(_encode(status.message)) + _FIELD_BYTES + _MARKER_BYTES
    kept: dict[int, AnyMessage] = {}
    violations = 0
    for index in sorted(range(len(status.details)), key=lambda index: _rank(status.details[index])):
        shorter, cut = _shorten(status.details[index], space)
        if shorter is not None:
            kept[index] = shorter
            space -= shorter.ByteSize() + _FIELD_BYTES
            violations += cut
    details = len(status.details) - len(kept)
    shown = [kept[index] for index in sorted(kept)]
    del status.details[:]
    status.details.extend(_count_in_info(shown, violations))
    status.message += _marker(violations, details)


def _marker(violations: int, details: int) -> str:
    counts = [
        f"{count} {noun}{'s' if count > 1 else ''}"
        for count, noun in ((violations, "violation"), (details, "detail"))
        if count
    ]
    if not counts:
        return ""
    return f" ({' and '.join(counts)} left out: larger than what gRPC clients accept)"


def _rank(detail: AnyMessage) -> int:
    """Return the rank of a detail. If not all details fit, the details with lower ranks are kept.

    The details that identify the call and the error have the lowest ranks.
    """
    for rank, kind in enumerate((error_details_pb2.RequestInfo, error_details_pb2.ErrorInfo)):
        if detail.Is(kind.DESCRIPTOR):
            return rank
    return 2


def _shorten(detail: AnyMessage, space: int) -> tuple[AnyMessage | None, int]:
    """Return the detail and the number of omitted violations.

    The detail is shortened if necessary. The returned detail is None if it cannot be shortened enough.
    """
    # An ErrorInfo takes at most half of the space, so that there is space for violations.
    is_info = detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)
    if detail.ByteSize() + _FIELD_BYTES <= (space // 2 if is_info else space):
        return detail, 0
    try:
        if is_info:
            return _pack(_shorten_info(error_details_pb2.ErrorInfo.FromString(detail.value), space // 2)), 0
        if detail.Is(error_details_pb2.RequestInfo.DESCRIPTOR):
            request_id = error_details_pb2.RequestInfo.FromString(detail.value).request_id
            return _pack(error_details_pb2.RequestInfo(request_id=request_id[:_MAX_REQUEST_ID])), 0
        if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR) and space > _MIN_DETAIL_BYTES:
            whole = error_details_pb2.BadRequest.FromString(detail.value)
            request = _shorten_violations(whole, space - _MIN_DETAIL_BYTES // 2)
            return _pack(request), len(whole.field_violations) - len(request.field_violations)
    except DecodeError:  # the value of an upstream's detail may be malformed
        pass
    return None, 0


def _shorten_info(info: error_details_pb2.ErrorInfo, space: int) -> error_details_pb2.ErrorInfo:
    """Return an ErrorInfo with only the metadata entries that fit."""
    shorter = error_details_pb2.ErrorInfo(
        reason=info.reason[:_MIN_DETAIL_BYTES], domain=info.domain[:_MIN_DETAIL_BYTES]
    )
    space -= shorter.ByteSize() + _FIELD_BYTES
    for name, value in sorted(info.metadata.items()):
        space -= len(_encode(name)) + len(_encode(value)) + 2 * _FIELD_BYTES
        if space >= 0:
            shorter.metadata[name] = value
    return shorter


def _shorten_violations(request: error_details_pb2.BadRequest, space: int) -> error_details_pb2.BadRequest:
    """Return a BadRequest with the violations that fit.

    If the last violation only shows the number of further violations, it has priority over the others.
    """
    whole = list(request.field_violations)
    last = [one for one in whole[-1:] if one.reason == MORE]
    sizes = accumulate(one.ByteSize() + _FIELD_BYTES for one in [*last, *whole[: len(whole) - len(last)]])
    kept = sum(size <= space for size in sizes)
    shown = [*whole[: kept - len(last)], *last] if kept else []
    return error_details_pb2.BadRequest(field_violations=shown)


def _count_in_info(details: Iterable[AnyMessage], violations: int) -> list[AnyMessage]:
    """Return the details, and set the number of omitted violations in the gateway's ErrorInfo.

    The number is an entry in the metadata of the ErrorInfo, so that programs can read it.
    """
    result = list(details)
    for index, detail in enumerate(result):
        info = error_details_pb2.ErrorInfo()
        if violations and detail.Is(info.DESCRIPTOR) and detail.Unpack(info) and info.domain == DOMAIN:
            info.metadata["violations_left_out"] = str(violations)
            result[index] = _pack(info)
    return result


def _pack(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
