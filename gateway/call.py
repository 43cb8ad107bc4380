"""One call. It has a caller, a request, and a response from the upstream."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import field
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from gateway.errors import GatewayError
from gateway.errors.mode import ENFORCE, EnforceMode
from gateway.value_class import value_class

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from google.protobuf.message import Message

    from gateway.schema import Method
    from gateway.telemetry import Span

IDEMPOTENCY_KEY = "idempotency-key"
"""The name of the metadata that contains the idempotency key.

If several requests with the same key arrive, the upstream carries out the change only once.
"""

HARMLESS_METADATA = frozenset({IDEMPOTENCY_KEY, "x-client-request-id", "x-client-trace-id", "baggage"})
"""The metadata that holds no credentials. A call with other metadata cannot be sent again by the gateway."""

_KEY_NAMESPACE = UUID("7b3c5a0e-52a7-5d1c-9c56-1d5f0e8a4b62")
"""The namespace of derived idempotency keys. It must never change, because replicas must agree."""

_UUIDS = 128  # the number of UUIDs that are made together
_UUID = b"........-....-4...-....-............ "  # each dot is a random digit
_RANDOM_DIGITS = [place for place, sign in enumerate(_UUID) if sign == ord(".")]
_VARIANT = 19  # the place of the digit whose two upper bits are fixed
_TO_VARIANT = bytes.maketrans(b"0123456789abcdef", b"89ab" * 4)

_unused_uuids: list[str] = []
# Otherwise two processes would use the same identifiers.
os.register_at_fork(after_in_child=_unused_uuids.clear)


@value_class(frozen=True, slots=True, kw_only=True)
class Caller:
    """The caller of one call. An attribute whose value is unknown is empty.

    Attributes:
        id: the name of the caller, which is unique among the callers of the same kind.
        kind: the way in which the caller was identified: `none`, `mtls`, `jwt` or `token`.
        groups: the groups or roles of the caller.
        address: the IP address of the peer, which may be a proxy.
        claims: the further attributes of the caller, keyed by name. Each value is a text.
    """

    id: str = ""
    kind: str = "none"
    groups: tuple[str, ...] = ()
    address: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)


@value_class(frozen=True, slots=True, eq=False)
class RequestHead:
    """The facts about a call that are known before its request message is received.

    Attributes:
        address: the IP address of the peer; empty if the peer has none.
        headers: the received gRPC metadata, or the received HTTP headers that a gateway may use, as pairs of
            a name in lower case and a value. A name may occur several times, then with the values in the
            order in which they were received.
        certificate: the certificate of the caller in DER form, which the listener has verified; None if the
            caller presented none.
        method: the full name of the called method, as `package.Service/Method`; empty if it is not served.
        certificate_error: the error of a certificate that has become invalid since the TLS handshake; None if
            it is valid.
    """

    address: str
    headers: Sequence[tuple[str, str | bytes]] = field(repr=False)  # holds the caller's credentials
    certificate: bytes | None = None
    method: str = ""
    certificate_error: GatewayError | None = None


@value_class(frozen=True, slots=True, eq=False)
class Call:
    """A call whose request a listener has read.

    Attributes:
        id: the request ID that the caller sees.
        method: the called method.
        caller: the caller.
        request: the request message. It is not modified after policies have evaluated it.
        metadata: the caller's metadata that is passed to the upstream; the names are in lower case.
        deadline: the latest time at which the call ends, in seconds of the event loop's clock.
        span: the SERVER span of the call.
        idempotency_key: the key that is sent to the upstream; empty for a read whose caller sent no key.
        caller_deadline: the time at which the caller stops waiting; infinite if the caller set no time. A
            wait for an operation may last longer than `deadline`, but not longer than this time.
        facts: the facts that are added to the log line about the call. The stages of the call add facts.
        mode: whether a refusal ends the call, or is only observed.
        raw: the serialized request, exactly as the caller sent it. If it is not None, the upstream receives
            it instead of `request`. Only calls in the mode `observe` that arrived over gRPC have it.
    """

    id: str
    method: Method
    caller: Caller
    request: Message = field(repr=False)  # may hold a signed link
    metadata: Mapping[str, str | bytes] = field(repr=False)  # holds the caller's credentials
    deadline: float
    span: Span
    idempotency_key: str = field(default="", repr=False)
    caller_deadline: float = math.inf
    facts: dict[str, str] = field(default_factory=dict)
    mode: EnforceMode = ENFORCE
    raw: bytes | None = field(default=None, repr=False)


@value_class(frozen=True, slots=True, eq=False)
class Reply:
    """The upstream's response to a call.

    Attributes:
        message: the response message, of the method's response type.
        metadata: the response metadata that callers can use; the names are in lower case.
        warnings: the texts of the warnings, one for each broken rule that only warns.
    """

    message: Message
    metadata: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    def with_warnings(self, warnings: tuple[str, ...]) -> Reply:
        """Return a copy of the reply that has the given warnings.

        If there are no warnings, return the reply itself.
        """
        return Reply(self.message, self.metadata, warnings) if warnings else self


class ReplyStream:
    """The stream of the upstream's response messages to one call.

    The stream is an asynchronous iterator over messages of the method's response type. If the upstream fails,
    the iterator raises GatewayError. The function that receives a stream must close the stream, even if the
    function has read no message.

    Attributes:
        warnings: the texts of the warnings, one for each broken rule that only warns. They are also added to
            an error that ends the stream.
        observe: a function that is called with each message that is read; None for no function.
    """

    __slots__ = ("_messages", "_on_close", "observe", "warnings")

    def __init__(
        self, messages: AsyncGenerator[Message, None], on_close: Callable[[], None] | None = None
    ) -> None:
        """Initialize the stream without warnings.

        Args:
            messages: the messages of the stream.
            on_close: a function that is called when the stream is closed.
        """
        self._messages = messages
        self._on_close = on_close
        self.warnings: tuple[str, ...] = ()
        self.observe: Callable[[Message], None] | None = None

    def with_warnings(self, warnings: tuple[str, ...]) -> ReplyStream:
        """Set the warnings, and return the stream."""
        self.warnings = warnings
        return self

    def __aiter__(self) -> ReplyStream:
        return self

    async def __anext__(self) -> Message:
        try:
            message = await anext(self._messages)
        except GatewayError as error:
            error.warnings += self.warnings
            raise
        if self.observe is not None:
            self.observe(message)
        return message

    async def aclose(self) -> None:
        """Close the stream. The iterator returns no further messages."""
        await self._messages.aclose()
        if self._on_close is not None:
            self._on_close()


def choose_idempotency_key(
    method: Method, metadata: Mapping[str, str | bytes], derived_for: Caller | None = None
) -> str:
    """Return the idempotency key of a call.

    If the caller sent a key, the result is this key, or a key that is derived from it. If the caller sent no
    key, the result is a new key for a call that changes something, or an empty text for a read.

    Args:
        method: the called method.
        metadata: the caller's metadata.
        derived_for: the caller, if the upstream receives credentials of the gateway's own. All callers are
            then one caller for the upstream, so their keys must differ. None if the upstream receives the
            caller's credentials, and so the caller's key.
    """
    own = metadata.get(IDEMPOTENCY_KEY)
    if isinstance(own, str) and own.strip():  # a blank key would not identify a change
        return own if derived_for is None else derive_idempotency_key(derived_for, metadata, own)
    return "" if method.is_read else new_uuid()


def derive_idempotency_key(caller: Caller, metadata: Mapping[str, str | bytes], key: str) -> str:
    """Return the key that an upstream receives instead of a caller's key. It is the same in all replicas."""
    return str(uuid5(_KEY_NAMESPACE, json.dumps([*find_scope(caller, metadata), key])))


def find_scope(caller: Caller, metadata: Mapping[str, str | bytes]) -> tuple[str, str]:
    """Return the scope of a caller's idempotency keys.

    The scope is the ID of the caller. If callers are anonymous, it is the hash of the credentials, so that a
    caller cannot read the operation of another caller by means of its key. Each metadata that the
    configuration passes to upstreams may be a credential.
    """
    if caller.id:
        return caller.kind, caller.id
    digest = hashlib.sha256()
    for name in sorted(metadata.keys() - HARMLESS_METADATA):
        value = metadata[name]
        given = value if isinstance(value, bytes) else value.encode()
        digest.update(f"{name} {len(given)} ".encode() + given)
    return "credential", digest.hexdigest()


def new_uuid() -> str:
    """Return a random UUID, which cannot be guessed.

    `uuid.uuid4` makes a system call and an object for each UUID. Here, one system call gives the random bytes
    of many UUIDs.
    """
    try:
        return _unused_uuids.pop()  # one step for the interpreter, so threads do not get the same identifier
    except IndexError:
        _unused_uuids.extend(_make_uuids())
        return _unused_uuids.pop()


def _make_uuids() -> list[str]:
    """Return new UUIDs.

    They are made digit by digit, each digit in all of them at once. The version and the variant are those of
    https://www.rfc-editor.org/rfc/rfc9562#section-5.4.
    """
    digits = os.urandom(_UUIDS * len(_RANDOM_DIGITS) // 2).hex().encode()
    text, size = bytearray(_UUID * _UUIDS), len(_UUID)
    for number, place in enumerate(_RANDOM_DIGITS):
        text[place::size] = digits[number * _UUIDS : (number + 1) * _UUIDS]
    text[_VARIANT::size] = text[_VARIANT::size].translate(_TO_VARIANT)
    return text.decode().split()
