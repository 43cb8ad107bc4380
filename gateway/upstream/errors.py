"""What an upstream's failure means to the caller."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from gateway.errors import Code, GatewayError, UpstreamError

if TYPE_CHECKING:
    import grpc.aio
    from google.protobuf.any_pb2 import Any as AnyMessage

_DETAILS = "grpc-status-details-bin"

# Said by the channel, of an answer that came. No back-off helps, and no retry.
_TOO_LARGE = re.compile(r"CLIENT: Received message larger than max")
# Metadata over the channel's own limit are dropped before anyone sees the status in them.
_METADATA_TOO_LARGE = re.compile(r"received metadata size exceeds (?:soft|hard) limit")
# What the channel itself says when it has no answer. Nothing else tells its words from an upstream's:
# both arrive as the same exception. An address in the text is the channel's as well.
_CHANNEL_WORDS = {
    Code.UNAVAILABLE: re.compile(
        r"failed to connect|connections? to all|Socket closed|Connection (?:reset|refused)|GOAWAY|recvmsg|"
        r"(?:ipv4|ipv6|unix|dns):|DNS resolution failed|errors resolving|address lookup failed|keepalive|"
        r"Stream removed|Transport closed",
        re.IGNORECASE,
    ),
    Code.DEADLINE_EXCEEDED: re.compile(r"^(?:Stream removed \()?Deadline Exceeded\)?$"),
    Code.CANCELLED: re.compile(r"Locally cancelled|Channel closed", re.IGNORECASE),
}


def to_gateway_error(error: grpc.aio.AioRpcError, upstream: str) -> GatewayError:
    """Return the error to answer with.

    What the upstream itself said is passed on: code, message and details. What
    the channel made up, having no answer, becomes an error of the gateway's own
    that does not show addresses to the caller.

    Args:
        error: as grpc raised it.
        upstream: name of the upstream in the configuration.
    """
    code = Code(error.code().value[0])
    if _TOO_LARGE.search(error.details() or ""):
        message = f"the answer of the upstream {upstream} is too large; the call itself was carried out"
        return GatewayError(Code.INTERNAL, "REPLY_TOO_LARGE", message)
    if _is_metadata_too_large(error, code):
        message = f"the metadata of the response of the upstream {upstream} is too large to be read"
        return GatewayError(
            Code.INTERNAL, "REPLY_TOO_LARGE", f"{message}; whether the call was carried out is not known"
        )
    if not _is_channels(error, code):
        return UpstreamError(code, _clean(error.details() or ""), _read_details(error))
    if code is Code.DEADLINE_EXCEEDED:
        return GatewayError(
            code, "DEADLINE_EXCEEDED", f"the upstream {upstream} did not answer within the call's deadline"
        )
    if code is Code.CANCELLED:
        return GatewayError(code, "CANCELLED", "the call was cancelled")
    return GatewayError(
        Code.UNAVAILABLE,
        "UPSTREAM_UNAVAILABLE",
        f"the upstream {upstream} cannot be reached; try again later",
    )


def unreadable_response(upstream: str) -> GatewayError:
    """Return the error for a response that is not of the method's type. The call was carried out."""
    message = f"the response of the upstream {upstream} cannot be read; the call itself was carried out"
    return GatewayError(Code.INTERNAL, "REPLY_UNREADABLE", message)


def _is_metadata_too_large(error: grpc.aio.AioRpcError, code: Code) -> bool:
    """Return whether the channel dropped the metadata of a response."""
    return (
        code is Code.RESOURCE_EXHAUSTED
        and not error.trailing_metadata()
        and _METADATA_TOO_LARGE.search(error.details() or "") is not None
    )


def _is_channels(error: grpc.aio.AioRpcError, code: Code) -> bool:
    """Tell whether the channel made the error up; with metadata it came from the upstream for sure."""
    words = _CHANNEL_WORDS.get(code)
    if words is None or error.initial_metadata() or error.trailing_metadata():
        return False
    return words.search(error.details() or "") is not None


def _read_details(error: grpc.aio.AioRpcError) -> list[AnyMessage]:
    """Return the details as they came; of types unknown here as well."""
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
