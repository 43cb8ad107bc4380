"""The request message of a gRPC call. The message is read with limits on time and size."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc.aio
from google.protobuf.message import DecodeError

from gateway.errors import Code, GatewayError, invalid_request
from gateway.errors.mode import ENFORCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from google.protobuf.message import Message

    from gateway.errors.mode import EnforceMode
    from gateway.schema import Method


_SMALL_BYTES = 4096


async def read_request(
    read: Callable[[], Any], receiving: AbstractAsyncContextManager[None], max_bytes: int
) -> bytes:
    """Return the single request message of a call, which is not parsed yet.

    Args:
        read: the `read` method of the gRPC context of the call.
        receiving: the context manager that limits the time to receive the message.
        max_bytes: the maximum size of the message, in bytes.

    Raises:
        GatewayError: the message is missing, too large or late.
    """
    try:
        async with receiving:
            data = await read()
    except TimeoutError as error:
        message = "the request message did not arrive within the call's deadline"
        raise GatewayError(Code.DEADLINE_EXCEEDED, "BODY_TIMEOUT", message) from error
    if data is grpc.aio.EOF:
        raise invalid_request("the call has no request message")
    if len(data) > max_bytes:
        message = f"the request is larger than {max_bytes} bytes"
        raise GatewayError(Code.RESOURCE_EXHAUSTED, "BODY_TOO_LARGE", message)
    return bytes(data)


async def read_small_request(
    read: Callable[[], Any], kind: type[Message], timeout_s: float | None
) -> Message | None:
    """Return the next request message of a call of an infrastructure method; None after the last message.

    Args:
        read: the `read` method of the gRPC context of the call.
        kind: the class of the message.
        timeout_s: the maximum time to receive the message, in seconds; None if the caller of this function
            limits the time.

    Raises:
        GatewayError: the message is too large, late or malformed.
    """
    try:
        async with asyncio.timeout(timeout_s):
            data = await read()
    except TimeoutError as error:
        message = f"the request message did not arrive within {timeout_s:g} s"
        raise GatewayError(Code.DEADLINE_EXCEEDED, "BODY_TIMEOUT", message) from error
    if data is grpc.aio.EOF:
        return None
    if len(data) > _SMALL_BYTES:
        message = f"the request is larger than {_SMALL_BYTES} bytes"
        raise GatewayError(Code.RESOURCE_EXHAUSTED, "BODY_TOO_LARGE", message)
    try:
        return kind.FromString(bytes(data))
    except DecodeError as error:
        raise invalid_request("the request message is malformed") from error


def parse_request(method: Method, data: bytes, mode: EnforceMode = ENFORCE) -> Message:
    """Parse the request message of a call.

    Args:
        method: the method that is called.
        data: the serialized message.
        mode: whether unknown fields end the call, or are only observed. Then they are not in the result.

    Raises:
        GatewayError: the message is malformed, or has unknown fields. Unknown fields are refused because no
            policy rule could evaluate them.
    """
    try:
        message = method.request.FromString(data)
    except DecodeError as error:
        raise invalid_request(f"the request is no {method.request.DESCRIPTOR.full_name}") from error
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    if known.ByteSize() != message.ByteSize():
        text = "the request has fields that the gateway does not know, so policies cannot evaluate them"
        mode.refuse(invalid_request(text))
        return known
    return message
