"""Classifies the errors of upstream calls: the upstream's own, or made by the channel to it.

Both arrive as the same exception. Trailing metadata show that a status of the
upstream arrived. An upstream may send a status without them; then the channel
is known by the code and by the few texts that it uses for errors of its own.
They are those of the locked version of grpcio; tests with real channels hold
each of them. Initial metadata show nothing: the connection may break after them.
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

# The stream ended without a status; the cause follows.
_NO_STATUS = "Stream removed ("
# There is no connection, or no address to connect to. The text shows addresses.
_NO_CONNECTION = ("failed to connect to all addresses", "errors resolving ")
# Until the call is sent, and from then on.
_DEADLINE = ("Deadline Exceeded", f"{_NO_STATUS}Deadline Exceeded)")
# The channel drops a message or metadata over its own limits, and the status with them. RESOURCE_EXHAUSTED
# would invite the caller to try again, which does not help.
_MESSAGE_TOO_LARGE = f"{_NO_STATUS}CLIENT: Received message larger than max"
_METADATA_TOO_LARGE = f"{_NO_STATUS}received metadata size exceeds hard limit"


def to_gateway_error(error: grpc.aio.AioRpcError, upstream: str) -> GatewayError:
    """Return the error that the call ends with.

    An error of the upstream passes on: code, message and details. An error
    that the channel made becomes one of the gateway's own, which does not show
    addresses to the caller.

    Args:
        error: as grpc raised it.
        upstream: name of the upstream in the configuration.
    """
    code, text = Code(error.code().value[0]), error.details() or ""
    if code is Code.RESOURCE_EXHAUSTED and text.startswith(_METADATA_TOO_LARGE):
        return _metadata_too_large(upstream)  # those that were read are there
    made_by_channel = None if error.trailing_metadata() else _channel_error(code, text, upstream)
    return made_by_channel or UpstreamError(code, _clean(text), _read_details(error))


def unreadable_response(upstream: str) -> GatewayError:
    """Return the error for a response that is not of the method's type. The call was carried out."""
    message = f"the response of the upstream {upstream} cannot be read; the call itself was carried out"
    return GatewayError(Code.INTERNAL, "REPLY_UNREADABLE", message)


def _channel_error(code: Code, text: str, upstream: str) -> GatewayError | None:
    """Return the error for what the channel reports; None when the text is none of the channel's."""
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
    """Return the details as they came, also those of types unknown here."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS and isinstance(value, bytes):
            try:
                return list(status_pb2.Status.FromString(value).details)
            except DecodeError:
                return []
    return []


def _clean(text: str) -> str:
    """Replace control characters: an upstream's text ends up in logs and terminals."""
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )
