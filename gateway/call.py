"""What one call carries from its listener to the upstream and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from google.protobuf.message import Message

    from gateway.schema import Method
    from gateway.telemetry import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The caller of one call. What is not known is empty.

    Attributes:
        id: name of the caller, unique within its kind.
        kind: how it was identified: `none`, `mtls`, `jwt` or `token`.
        groups: groups or roles that it belongs to.
        address: IP address of the peer, which may be a proxy.
        claims: further facts that the identity carries, each as text.
    """

    id: str = ""
    kind: str = "none"
    groups: tuple[str, ...] = ()
    address: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """A request as a listener understood it.

    Attributes:
        id: the request ID that the caller sees.
        method: what is called.
        caller: who calls.
        request: the message; no one changes it once it is judged.
        metadata: what goes to the upstream beside it, lower-case names.
        deadline: when the call ends at the latest, by the event loop's clock, in seconds.
        span: the SERVER span.
    """

    id: str
    method: Method
    caller: Caller
    request: Message
    metadata: Mapping[str, str | bytes] = field(repr=False)  # holds the caller's credentials
    deadline: float
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReplyStream:
    """The upstream's answers to a call of a method that streams them.

    Attributes:
        messages: of the method's reply type; iterating raises GatewayError where the upstream ends badly.
        warnings: texts of rules that warn.
    """

    messages: AsyncIterator[Message]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reply:
    """The upstream's answer.

    Attributes:
        message: of the method's reply type.
        metadata: what the upstream said beside it, lower-case names.
        warnings: texts of rules that warn.
    """

    message: Message
    metadata: Mapping[str, str]
    warnings: tuple[str, ...] = ()
