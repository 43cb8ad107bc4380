"""Classifies the errors of upstream calls: errors of the upstream, and errors of the channel to the upstream.

The library raises the same type of exception for both. If the exception has trailing metadata, the error is
from the upstream. But an upstream may send an error without trailing metadata. So without trailing metadata,
an error of the channel is recognized by its code and its text. The channel uses only a few texts. This module
has the texts of the locked version of grpcio, and tests with real channels check each text. Initial metadata
does not show where an error is from, because the connection may break after the initial metadata.
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

# The start of the text for a stream that ended without a status. The cause follows in the text.
_NO_STATUS = "Stream removed ("
# The texts for an upstream without a connection, or without an address. These texts contain addresses.
_NO_CONNECTION = ("failed to connect to all addresses", "errors resolving ")
# The text for a deadline that passes before the call is sent, and the text for a deadline that passes later.
_DEADLINE = ("Deadline Exceeded", f"{_NO_STATUS}Deadline Exceeded)")
# The channel drops a message or metadata that is larger than its limits, and also the status of the call. The
# channel's code RESOURCE_EXHAUSTED is not passed on: callers would try again, which does not help.
_MESSAGE_TOO_LARGE = f"{_NO_STATUS}CLIENT: Received message larger than max"
_METADATA_TOO_LARGE = f"{_NO_STATUS}received metadata size exceeds hard limit"


def to_gateway_error(error: grpc.aio.AioRpcError, upstream: str) -> GatewayError:
    """Return the error that the call ends with.

    The code, the message and the details of an upstream's error are passed on. An error of the channel is
    replaced by an error of the gateway, which does not show addresses to the caller.

    Args:
        error: the exception that grpc raised.
        upstream: the name of the upstream in the configuration.
    """
    code, text = Code(error.code().value[0]), error.details() or ""
    if code is Code.RESOURCE_EXHAUSTED and text.startswith(_METADATA_TOO_LARGE):
        return _metadata_too_large(upstream)  # even if a part was read
    made_by_channel = None if error.trailing_metadata() else _channel_error(code, text, upstream)
    return made_by_channel or UpstreamError(code, _clean(text), _read_details(error))


def unreadable_response(upstream: str) -> GatewayError:
    """Return the error for a response that cannot be parsed. The call itself was carried out."""
    message = f"the response of the upstream {upstream} cannot be read; the call itself was carried out"
    return GatewayError(Code.INTERNAL, "REPLY_UNREADABLE", message)


def _channel_error(code: Code, text: str, upstream: str) -> GatewayError | None:
    """Return the gateway's error for an error of the channel; None if the text is not from the channel."""
    match code:
        case Code.UNAVAILABLE if text.startswith((_NO_STATUS, *_NO_CONNECTION)):
            message = f"the upstream {upstream} cannot be reached; try again later"
            return GatewayError(code, "UPSTREAM_UNAVAILABLE", message)
        case Code.DEADLINE_EXCEEDED if text in _DEADLINE:
            message = f"the upstream {upstream} did not respond within the call's deadline"
            return GatewayError(code, "DEADLINE_EXCEEDED", message)
        case Code.RESOURCE_EXHAUSTED if text.startswith(_MESSAGE_TOO_LARGE):
            message = f"the response of the upstream {upstream} is too large; the call itself was carried out"
            return GatewayError(Code.INTERNAL, "REPLY_TOO_LARGE", message)
        case _:
            return None


def _metadata_too_large(upstream: str) -> GatewayError:
    message = f"the metadata of the response of the upstream {upstream} is too large to be read"
    return GatewayError(
        Code.INTERNAL, "REPLY_TOO_LARGE", f"{message}; whether the call was carried out is not known"
    )


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
    """Replace control characters, because the text of an upstream is shown in logs and terminals."""
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )
