"""One call: who calls, what is called, and what the upstream responds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from google.protobuf.message import Message

    from gateway.schema import Method
    from gateway.telemetry import Span

IDEMPOTENCY_KEY = "idempotency-key"
"""The metadata that names a change: an upstream carries out several attempts with one key only once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The caller of one call. Unknown attributes are empty.

    Attributes:
        id: name of the caller, unique for its kind.
        kind: how it was identified: `none`, `mtls`, `jwt` or `token`.
        groups: groups or roles that it belongs to.
        address: IP address of the peer, which may be a proxy.
        claims: further attributes of the identity, each as text.
    """

    id: str = ""
    kind: str = "none"
    groups: tuple[str, ...] = ()
    address: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """A request that a listener has read.

    Attributes:
        id: the request ID that the caller sees.
        method: the method that is called.
        caller: who calls.
        request: the message; nothing changes it after policies have evaluated it.
        metadata: what goes to the upstream with the message; names are in lower case.
        deadline: when the call ends at the latest, by the event loop's clock, in seconds.
        span: the SERVER span.
        idempotency_key: sent with each attempt of a change; empty for a read.
    """

    id: str
    method: Method
    caller: Caller
    request: Message
    metadata: Mapping[str, str | bytes] = field(repr=False)  # holds the caller's credentials
    deadline: float
    span: Span
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reply:
    """The upstream's response to a call.

    Attributes:
        message: of the method's response type.
        metadata: of the response, as far as callers can use it; names are in lower case.
        warnings: texts of rules that warn.
    """

    message: Message
    metadata: Mapping[str, str]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReplyStream:
    """The upstream's responses to a call of a method that streams them.

    Attributes:
        messages: of the method's response type; GatewayError ends them where the upstream fails. Whoever
            takes the stream closes it.
        warnings: texts of rules that warn.
    """

    messages: AsyncGenerator[Message, None]
    warnings: tuple[str, ...] = ()


def choose_idempotency_key(method: Method, metadata: Mapping[str, str | bytes]) -> str:
    """Return the key of a call: the caller's own, or a new one for a change; empty for a read without one."""
    own = metadata.get(IDEMPOTENCY_KEY)
    if isinstance(own, str) and own.strip():  # an empty key would name no change
        return own
    return "" if method.is_read else str(uuid4())
