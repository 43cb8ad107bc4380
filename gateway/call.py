"""One call: who calls, what is called, and what the upstream responds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

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
    request: Message = field(repr=False)  # may hold a signed link
    metadata: Mapping[str, str | bytes] = field(repr=False)  # holds the caller's credentials
    deadline: float
    span: Span
    idempotency_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reply:
    """The upstream's response to a call.

    Attributes:
        message: the message of the method's response type.
        metadata: the metadata of the response, as far as callers can use it; names are in lower case.
        warnings: texts of rules that warn.
    """

    message: Message
    metadata: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    def with_warnings(self, warnings: tuple[str, ...]) -> Reply:
        """Return the reply with its warnings."""
        return replace(self, warnings=warnings) if warnings else self


class ReplyStream:
    """The upstream's responses to a call of a method that streams them.

    An iterator of messages of the method's response type; GatewayError ends it where the upstream fails.
    Whoever takes a stream closes it, also one that was never read.

    Attributes:
        warnings: texts of rules that warn; an error that ends the stream carries them too.
    """

    __slots__ = ("_messages", "_on_close", "warnings")

    def __init__(
        self, messages: AsyncGenerator[Message, None], on_close: Callable[[], None] | None = None
    ) -> None:
        """Prepare.

        Args:
            messages: the messages of the stream.
            on_close: called when the stream is closed.
        """
        self._messages = messages
        self._on_close = on_close
        self.warnings: tuple[str, ...] = ()

    def with_warnings(self, warnings: tuple[str, ...]) -> ReplyStream:
        """Return the stream with its warnings."""
        self.warnings = warnings
        return self

    def __aiter__(self) -> ReplyStream:
        return self

    async def __anext__(self) -> Message:
        try:
            return await anext(self._messages)
        except GatewayError as error:
            error.warnings += self.warnings
            raise

    async def aclose(self) -> None:
        """End the stream."""
        await self._messages.aclose()
        if self._on_close is not None:
            self._on_close()


def choose_idempotency_key(method: Method, metadata: Mapping[str, str | bytes]) -> str:
    """Return the key of a call: the caller's own, or a new one for a change; empty for a read without one."""
    own = metadata.get(IDEMPOTENCY_KEY)
    if isinstance(own, str) and own.strip():  # an empty key would name no change
        return own
    return "" if method.is_read else str(uuid4())
