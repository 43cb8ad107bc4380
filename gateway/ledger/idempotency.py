"""Idempotency keys: the scope of a key, and the earlier call that has the same key."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.call import IDEMPOTENCY_KEY, find_scope
from gateway.errors import Code, GatewayError
from gateway.ledger.leases import IS_LIVE

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gateway.call import Call
    from gateway.ledger.batch import Store

IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
"""The reason of the error for a key that another request has used."""

_FIND = (
    "SELECT k.request, c.id, c.outcome, c.resource_id, c.operation_id, c.owner IS NOT NULL AND "
    + IS_LIVE.format(owner="c.owner")
    + ", e.body FROM ledger_keys k JOIN ledger_calls c ON c.id = k.call "
    "JOIN ledger_events e ON e.seq = c.seq WHERE k.key = ?"
)
_FIND_REPLY = (
    "SELECT body FROM ledger_events WHERE call = ? AND kind IN ('outcome', 'settlement') ORDER BY seq DESC"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierCall:
    """The call to which an idempotency key belongs.

    Attributes:
        id: the ID of the call.
        request: the SHA-256 of the method and the request.
        forwarded: the SHA-256 of the request that was forwarded; None if it is not known.
        outcome: the outcome of the call.
        resource_id: the ID of the resource that the call has changed, if it is known.
        operation_id: the ID of the operation that the call has started, if it is known.
        is_under_way: whether a live replica carries out the call.
        idempotency_key: the key that the upstream received, as it is recorded.
        reply: the serialized reply of the call; None if the call has no reply, or the reply was not kept.
    """

    id: str
    request: str
    forwarded: str | None
    outcome: str
    resource_id: str | None
    operation_id: str | None
    is_under_way: bool
    idempotency_key: str
    reply: bytes | None

    @property
    def is_settled(self) -> bool:
        """Whether the outcome of the call is known."""
        return self.outcome not in {"pending", "unknown"}


def has_own_key(call: Call) -> bool:
    """Return whether the caller sent an idempotency key."""
    own = call.metadata.get(IDEMPOTENCY_KEY)
    return isinstance(own, str) and bool(own.strip())


def hash_key(call: Call) -> str:
    """Return the SHA-256 of a call's idempotency key within the scope of its caller.

    The scope is that of find_scope(). The key is the one that the caller sent. So the hash stays the same if
    the gateway gets credentials of its own, and the upstream receives another key from then on.
    """
    key = call.metadata.get(IDEMPOTENCY_KEY, call.idempotency_key)
    return hashlib.sha256(json.dumps([*find_scope(call.caller, call.metadata), key]).encode()).hexdigest()


def hash_request(method: str, request: Message) -> str:
    """Return the SHA-256 of a method and a request. Messages that are equal have the same hash."""
    digest = hashlib.sha256(method.encode() + b"\0")
    digest.update(request.SerializeToString(deterministic=True))
    return digest.hexdigest()


async def find_earlier_call(store: Store, key: str) -> EarlierCall | None:
    """Return the call to which a key belongs; None if the key is free.

    Raises:
        StoreError: the database cannot be read.
    """
    async with store.transaction() as session:
        rows = await session.fetch(_FIND.replace("{now}", store.now_us), key)
        if not rows:
            return None
        request, call, outcome, resource_id, operation_id, is_under_way, body = rows[0]
        replies = await session.fetch(_FIND_REPLY, call) if outcome == "ok" else []
    record = json.loads(body)
    return EarlierCall(
        id=call,
        request=request,
        forwarded=record.get("request_sha256"),
        idempotency_key=record.get("idempotency_key", ""),
        outcome=outcome,
        resource_id=resource_id,
        operation_id=operation_id,
        is_under_way=bool(is_under_way),
        reply=_find_reply([body for (body,) in replies]),
    )


def _find_reply(bodies: list[str]) -> bytes | None:
    for body in bodies:
        reply = json.loads(body).get("reply")
        if reply is not None:
            return b64decode(reply)
    return None


def key_reused() -> GatewayError:
    """Return the error for a key that another request has used."""
    return GatewayError(
        Code.INVALID_ARGUMENT,
        IDEMPOTENCY_KEY_REUSED,
        "the idempotency-key was used for another request; nothing was forwarded: use a new key",
    )


def still_under_way() -> GatewayError:
    """Return the error for a call whose earlier call with the same key has not ended in time."""
    return GatewayError(
        Code.DEADLINE_EXCEEDED,
        "DEADLINE_EXCEEDED",
        "an earlier call with the same idempotency-key is still under way; repeat the call with this key",
    )


def already_made(resource_id: str | None) -> GatewayError:
    """Return the error for a change that an earlier call has made, but whose response was not kept."""
    return GatewayError(
        Code.ALREADY_EXISTS,
        "CHANGE_ALREADY_MADE",
        "an earlier call with the same idempotency-key has made this change; its response is no longer known",
        metadata={"resource_id": resource_id} if resource_id else None,
    )
