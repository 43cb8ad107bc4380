"""The errors of upstream calls. An error comes from the upstream, or from the channel to the upstream.

The gRPC library raises the same type of exception for both kinds of errors. If the exception has trailing
metadata, the error comes from the upstream. But an upstream may also send an error without trailing metadata.
So if there is no trailing metadata, the status code and the text of the error are compared with the few
errors that a channel can raise. This module contains the texts of the locked version of grpcio. Tests with
real channels check each text. Initial metadata does not show where an error comes from, because the
connection may break after the initial metadata has arrived.

Each error also has the attribute `may_have_acted`. If it is not certain that the upstream did not carry out
the call, the attribute is true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from gateway.errors import Code, GatewayError, UpstreamError

if TYPE_CHECKING:
    import grpc.aio
    from google.protobuf.any_pb2 import Any as AnyMessage

_DETAILS = "grpc-status-details-bin"

# The start of the error text for a stream that ended without a status. The rest of the text is the cause.
_NO_STATUS = "Stream removed ("
# The starts of the error texts if the gateway cannot connect to an upstream, or cannot find its address.
# These texts contain addresses.
_NO_CONNECTION = ("failed to connect to all addresses", "errors resolving ")
# The error texts if the deadline passes. The first text is for a call that is not sent yet, and the second
# text is for a call that has been sent.
_DEADLINE = ("Deadline Exceeded", f"{_NO_STATUS}Deadline Exceeded)")
# If a message or the metadata is larger than the limit, the channel drops it together with the status of the
# call. The channel's status code RESOURCE_EXHAUSTED is not passed to callers, because they would repeat the
# call in vain.
_MESSAGE_TOO_LARGE = f"{_NO_STATUS}CLIENT: Received message larger than max"
_METADATA_TOO_LARGE = f"{_NO_STATUS}received metadata size exceeds hard limit"
# The status codes of an upstream that do not show whether it carried out the call. Each other status code
# means that the upstream refused the call.
_UNCERTAIN = frozenset(
    {
        Code.CANCELLED,
        Code.UNKNOWN,
        Code.DEADLINE_EXCEEDED,
        Code.INTERNAL,
        Code.UNAVAILABLE,
        Code.DATA_LOSS,
    }
)


def to_gateway_error(error: grpc.aio.AioRpcError, upstream: str) -> GatewayError:
    """Return the error with which the call ends.

    The status code, the error message and the details of an upstream's error are passed to the caller. An
    error of the channel is replaced by an error of the gateway. The gateway's error does not show addresses
    to the caller.

    Args:
        error: the exception that grpc raised.
        upstream: the name of the upstream in the configuration.
    """
    code, text = Code(error.code().value[0]), error.details() or ""
    if code is Code.RESOURCE_EXHAUSTED and text.startswith(_METADATA_TOO_LARGE):
        return _metadata_too_large(upstream)  # even if a part of the metadata was read
    made_by_channel = None if error.trailing_metadata() else _channel_error(code, text, upstream)
    if made_by_channel is not None:
        return made_by_channel
    return UpstreamError(code, _clean(text), _read_details(error), may_have_acted=code in _UNCERTAIN)


def unreadable_response(upstream: str) -> GatewayError:
    """Return the error for a response that cannot be parsed. The upstream has carried out the call."""
    message = f"the response of the upstream {upstream} cannot be read; the call itself was carried out"
    return GatewayError(Code.INTERNAL, "REPLY_UNREADABLE", message, may_have_acted=True)


def _channel_error(code: Code, text: str, upstream: str) -> GatewayError | None:
    """Return the gateway's error for an error of the channel; None if the error is not from the channel."""
    match code:
        case Code.UNAVAILABLE if text.startswith((_NO_STATUS, *_NO_CONNECTION)):
            message = f"the upstream {upstream} cannot be reached; try again later"
            was_connected = text.startswith(_NO_STATUS)
            return GatewayError(code, "UPSTREAM_UNAVAILABLE", message, may_have_acted=was_connected)
        case Code.DEADLINE_EXCEEDED if text in _DEADLINE:
            message = f"the upstream {upstream} did not respond within the call's deadline"
            return GatewayError(code, "DEADLINE_EXCEEDED", message, may_have_acted=True)
        case Code.RESOURCE_EXHAUSTED if text.startswith(_MESSAGE_TOO_LARGE):
            message = f"the response of the upstream {upstream} is too large; the call itself was carried out"
            return GatewayError(Code.INTERNAL, "REPLY_TOO_LARGE", message, may_have_acted=True)
        case _:
            return None


def _metadata_too_large(upstream: str) -> GatewayError:
    message = (
        f"the metadata of the response of the upstream {upstream} is too large to be read; "
        "whether the call was carried out is not known"
    )
    return GatewayError(Code.INTERNAL, "REPLY_TOO_LARGE", message, may_have_acted=True)


def _read_details(error: grpc.aio.AioRpcError) -> list[AnyMessage]:
    """Return the details of an upstream's error unchanged, even if the gateway does not know their types."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS and isinstance(value, bytes):
            try:
                return list(status_pb2.Status.FromString(value).details)
            except DecodeError:
                return []
    return []


def _clean(text: str) -> str:
    """Return a text without control characters, because logs and terminals show the texts of upstreams."""
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )
