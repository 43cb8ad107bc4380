"""The intent of a change, and the events that follow it."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from gateway.call import Reply
from gateway.errors import Code, GatewayError
from gateway.ledger.batch import Entry
from gateway.ledger.events import ATTEMPT, OUTCOME, SETTLEMENT, make_event, now_us, to_update
from gateway.ledger.operation_facts import has_secret, is_operation, read_operation
from gateway.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from gateway.call import ReplyStream
    from gateway.ledger.writer import LedgerWriter

FIRST_POLL_US = 1_000_000
"""The time between the start of an operation and its first poll, in microseconds."""

CONSEQUENCES = frozenset({Code.ALREADY_EXISTS, Code.NOT_FOUND, Code.FAILED_PRECONDITION})
"""The status codes that may be a consequence of the first request, if a change is sent again. For example, an
image that the first request has deleted is not found. Usually the upstream knows the key and does not return
such a code, but it may have forgotten the key."""
UNRELATED = frozenset(
    {
        Code.UNAVAILABLE,
        Code.RESOURCE_EXHAUSTED,
        Code.ABORTED,
        Code.UNAUTHENTICATED,
        Code.PERMISSION_DENIED,
    }
)
"""The status codes with which an upstream may refuse a change that is sent again, before it looks at the key.
They say nothing about the first request."""

_MAX_REPLY = 16 * 1024


class Intent:
    """A change that is forwarded. Its intent is committed.

    Attributes:
        id: the ID of the call that the events belong to.
        kind: the kind of the event at the end. It is `settlement` if the call settles an earlier call.
        idempotency_key: the key that the upstream must receive.
    """

    def __init__(
        self,
        writer: LedgerWriter,
        call: str,
        idempotency_key: str,
        *,
        epoch: int = 0,
        kind: str = OUTCOME,
        by: str = "",
        is_followed: bool,
        is_same_request: bool = True,
        is_observed: bool = False,
        has_own_key: bool = False,
        on_end: Callable[[Reply | None, BaseException | None], None] | None = None,
    ) -> None:
        """Initialize the intent.

        Args:
            writer: the writer of the ledger.
            call: the ID of the call.
            idempotency_key: the key that the upstream must receive.
            epoch: the epoch of the call. It is higher if another replica has taken over the call meanwhile.
            kind: the kind of the event at the end.
            by: the way in which the outcome is established, if the kind is `settlement`.
            is_followed: whether the gateway itself may poll the operation that the call starts.
            is_same_request: whether the request is the one that was forwarded for the call before. It is
                another one if policies that were reloaded meanwhile have mutated it in another way.
            is_observed: whether the mode of the call is `observe`. Nobody sends such a call again, so what
                happened to it is always true. It may be dropped if too many entries wait.
            has_own_key: whether the caller sent an idempotency key. The reply is kept for its repetition.
            on_end: a function that is called at the end with the reply, or the error.
        """
        self.id = call
        self.idempotency_key = idempotency_key
        self.kind = kind
        self._writer = writer
        self._epoch = epoch
        self._by = by
        self._is_followed = is_followed
        self._is_same_request = is_same_request
        self._is_observed = is_observed
        self._has_own_key = has_own_key
        self._on_end = on_end

    def note_attempt(self, number: int, error: GatewayError) -> None:
        """Record an attempt that has failed and is followed by another attempt."""
        facts = {"attempt": number, "code": error.code.name, "message": redact_text(error.message)}
        self._writer.offer_quietly(Entry(event=make_event(ATTEMPT, self.id, facts)))

    def end(self, reply: Reply | ReplyStream | None, error: BaseException | None) -> None:
        """Record the end of the forwarded call.

        Args:
            reply: the reply of the upstream; None if the call has failed.
            error: the error with which the call has failed.
        """
        facts, frees_key = self._describe_error(error) if error else (self._describe(reply), False)
        if self._by:
            facts["by"] = self._by
        event = make_event(self.kind, self.id, facts)
        due_us = self._find_due(facts)
        shown = {"id": self.id, **facts}
        # A success is always true. A failure says nothing if another replica has sent the request meanwhile.
        fence = None if facts["outcome"] == "ok" or self._is_observed else self._epoch
        row = to_update(shown, due_us=due_us)
        entry = Entry(event=event, row=row, frees_key=frees_key, fence=fence)
        if self._is_observed:
            self._writer.offer_quietly(entry)
        else:
            self._writer.add(entry)
        if self._on_end is not None:
            self._on_end(reply if isinstance(reply, Reply) else None, error)

    def _describe(self, reply: Reply | ReplyStream | None) -> dict[str, Any]:
        """Return the facts of an event about a reply."""
        facts: dict[str, Any] = {"outcome": "ok", "code": Code.OK.name}
        if isinstance(reply, Reply):
            describe = describe_reply if self._has_own_key else describe_operation
            facts |= describe(reply.message)
        return facts

    def _describe_error(self, error: BaseException) -> tuple[dict[str, Any], bool]:
        """Return the facts of an event about an error, and whether the upstream has refused the change.

        The outcome stays pending if an effect is possible.
        """
        is_refusal = _is_refusal(error, is_repeat=self.kind == SETTLEMENT)
        if not self._is_same_request and isinstance(error, GatewayError):
            is_refusal &= error.code is not Code.INVALID_ARGUMENT  # the upstream may know the key
        outcome = "error" if is_refusal else "pending"
        if not isinstance(error, GatewayError):
            unknown = {"code": Code.UNKNOWN.name, "message": type(error).__name__}
            return {"outcome": outcome, **unknown}, is_refusal
        shown = {"outcome": outcome, "code": error.code.name, "message": redact_text(error.message)}
        return shown | ({"reason": error.reason} if error.reason else {}), is_refusal

    def _find_due(self, facts: dict[str, Any]) -> int | None:
        """Return the time at which the call needs further work; None if nothing is left to do."""
        time_us = now_us()
        if facts["outcome"] == "pending":
            return time_us
        operation = facts.get("operation")
        if operation and not operation["done"] and self._is_followed:
            return time_us + FIRST_POLL_US
        return None


def describe_operation(message: Message) -> dict[str, Any]:
    """Return the operation in a reply."""
    return {"operation": read_operation(message).to_json()} if is_operation(message) else {}


def describe_reply(message: Message) -> dict[str, Any]:
    """Return the operation in a reply, and the serialized reply, if it may be kept.

    A reply may hold secrets, such as a new key. So only operations are kept, and only if they are small and
    redaction would remove nothing.
    """
    facts = describe_operation(message)
    if not facts:
        return facts
    data = message.SerializeToString()
    if len(data) <= _MAX_REPLY and not has_secret(message):
        facts["reply"] = b64encode(data).decode()
    return facts


def _is_refusal(error: BaseException, *, is_repeat: bool) -> bool:
    """Return whether it is certain that the upstream has not carried out the change.

    Args:
        error: the error of the call.
        is_repeat: whether the call repeats an earlier request, which may have been carried out.
    """
    if not isinstance(error, GatewayError) or error.may_have_acted:
        return False
    return not (is_repeat and error.code in CONSEQUENCES | UNRELATED)
