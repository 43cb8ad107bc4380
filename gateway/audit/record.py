"""The record of a call. It contains the request. It also contains the decision on the call, or the error.

The request in a record is redacted. It contains the values that it had before the mutations. Redaction
removes the signature of a link, but rules read the expiry time of the signature. So the record also contains
the expiry time of each signed link. A replay adds a signature with this expiry time to the link.
"""

from __future__ import annotations

from dataclasses import field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from gateway.call import new_uuid
from gateway.errors import INVALID_REQUEST
from gateway.errors.mode import ENFORCE, EnforceMode
from gateway.object_storage import LinkError, parse_link
from gateway.quoting import encode_json
from gateway.redaction import REDACTED, is_clean_json, redact_text, redact_value
from gateway.value_class import value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message

    from gateway.call import Caller
    from gateway.errors import GatewayError
    from gateway.object_storage import Hosts
    from gateway.policy import Decision, Mutation, Violation

DECISION = "decision"
"""The kind of a record about a call on which policies decided."""
CALL = "call"
"""The kind of a record about a call that ended before any policy was evaluated."""

ToTree: TypeAlias = "Callable[[Message], Any]"
"""A function that returns the JSON value of a message. It raises ValueError if no JSON value exists."""


@value_class(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A call that ended before any policy was evaluated.

    Attributes:
        call_id: the request ID that the caller sees.
        trace_id: the ID of the trace to which the call belongs.
        method: the full name of the method.
        caller: the caller.
        error: the error that ended the call.
        idempotency_key: the idempotency key that the upstream would have received; empty if no key was
            chosen.
        request: the request message; None if the message was not read.
        time: the time when the call ended.
        mode: the mode of the call.
        is_forwarded: whether the call continues, because its error was only observed.
    """

    call_id: str
    trace_id: str
    method: str
    caller: Caller
    error: GatewayError
    idempotency_key: str = field(default="", repr=False)
    request: Message | None = field(default=None, repr=False)
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    mode: EnforceMode = ENFORCE
    is_forwarded: bool = False

    @property
    def outcome(self) -> str:
        """The outcome in the record.

        It is `invalid` if the request is not valid, and `refused` for any other error. If the call continues,
        it is `pending`.
        """
        if self.is_forwarded:
            return "pending"
        return "invalid" if self.error.reason == INVALID_REQUEST else "refused"


def to_record(
    decision: Decision,
    to_tree: ToTree,
    hosts: Hosts,
    *,
    call_id: str,
    trace_id: str,
    idempotency_key: str = "",
    mode: EnforceMode = ENFORCE,
) -> dict[str, Any]:
    """Return the record of a decision. The record is a JSON object.

    Args:
        decision: the decision.
        to_tree: a function that returns the JSON value of the request.
        hosts: the hosts of Object Storage.
        call_id: the request ID that the caller sees.
        trace_id: the ID of the trace to which the call belongs.
        idempotency_key: the idempotency key that is sent to the upstream; empty if there is no key.
        mode: the mode of the call.
    """
    given = decision.input
    return {
        "kind": DECISION,
        "time": timestamp(given.now),
        "id": decision.id,
        "call_id": call_id,
        "trace_id": trace_id,
        "idempotency_key": redact_text(idempotency_key),
        **describe_decision(decision),
        **mode.to_json(),
        **_request(given.request, to_tree, hosts),
        "duration_us": decision.duration_ns // 1000,
    }


def describe_decision(decision: Decision) -> dict[str, Any]:
    """Return the keys of a record that can be the same for many decisions."""
    return {
        "method": decision.method,
        "caller": _caller(decision.input.caller),
        "bundle": decision.bundle,
        "decision": decision.outcome,
        "violations": [_violation(one) for one in decision.violations],
        "waived": [_violation(one) for one in decision.waived],
        "waivers": list(decision.waivers) if decision.waived else [],
        "mutations": [_mutation(one) for one in decision.mutations],
    }


def to_refusal_record(refusal: Refusal, to_tree: ToTree, hosts: Hosts) -> dict[str, Any]:
    """Return the record of a refusal. The record is a JSON object."""
    error = refusal.error
    shown = {"request": None} if refusal.request is None else _request(refusal.request, to_tree, hosts)
    return {
        "kind": CALL,
        "time": timestamp(refusal.time),
        "id": new_uuid(),
        "call_id": refusal.call_id,
        "trace_id": refusal.trace_id,
        "idempotency_key": redact_text(refusal.idempotency_key),
        "method": refusal.method,
        "caller": _caller(refusal.caller),
        "decision": "none",
        "outcome": refusal.outcome,
        "code": None if refusal.is_forwarded else error.code.name,
        "reason": error.reason,
        "message": redact_text(error.message),
        **refusal.mode.to_json(),
        "violations": [
            {
                "field": redact_text(one.field),
                "description": redact_text(one.description),
                "reason": one.reason,
            }
            for one in error.violations
        ],
        **shown,
    }


def timestamp(time: datetime) -> str:
    """Return a time as an RFC 3339 text in UTC."""
    utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return orjson.dumps(utc, option=orjson.OPT_UTC_Z)[1:-1].decode()  # 8 times as fast as isoformat()


def _caller(caller: Caller) -> dict[str, Any]:
    if not caller.id:  # anonymous
        return {"id": "", "kind": caller.kind, "groups": [], "address": caller.address, "claims": {}}
    return {
        "id": redact_value(caller.id),
        "kind": caller.kind,
        "groups": redact_value(list(caller.groups)),
        "address": caller.address,
        "claims": redact_value(dict(caller.claims)),
    }


def _request(request: Message, to_tree: ToTree, hosts: Hosts) -> dict[str, Any]:
    """Return the fields of a record that describe the request."""
    shown, left_out = _to_json(request, to_tree)
    redacted = _redact(shown)
    is_clean = redacted is shown  # so it contains no signed link either
    return {
        "request": redacted,
        "signed_until": {} if is_clean else dict(_expiries(shown, "", hosts)),
        "is_masked": bool(left_out) or (not is_clean and redacted != shown),
        "left_out": left_out,
    }


def redact_request(request: Message, to_tree: ToTree) -> tuple[dict[str, Any], bool]:
    """Return the redacted JSON form of a request, and whether it shows the whole request."""
    shown, left_out = _to_json(request, to_tree)
    redacted = _redact(shown)
    return redacted, not left_out and redacted == shown


def _redact(shown: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON form of a request without secrets: the same object if it certainly contains none."""
    return shown if is_clean_json(encode_json(shown)) else redact_value(shown)


def _to_json(request: Message, to_tree: ToTree) -> tuple[dict[str, Any], list[str]]:
    """Return the JSON form of a request, and the names of the fields that have no JSON form.

    For example, a gRPC client may send a FieldMask with a path that JSON cannot express.
    """
    try:
        return to_tree(request), []
    except ValueError:
        pass
    shown: dict[str, Any] = {}
    left_out = []
    for own, _ in request.ListFields():
        alone = type(request)()
        alone.CopyFrom(request)
        for other, _ in request.ListFields():
            if other is not own:
                alone.ClearField(other.name)
        try:
            shown |= to_tree(alone)
        except ValueError:
            left_out.append(own.json_name)
    return shown, left_out


def _violation(violation: Violation) -> dict[str, Any]:
    shown = {
        "policy": violation.policy,
        "rule": violation.rule,
        "binding": violation.binding,
        "action": violation.action,
        "severity": violation.severity,
        "field": violation.field,
        "value": violation.value,
        "message": violation.message,
        "fix": violation.fix,
        "error": violation.is_error,
    }
    return shown | ({"waiver": violation.waiver} if violation.waiver else {})


def _mutation(mutation: Mutation) -> dict[str, Any]:
    return {
        "policy": mutation.policy,
        "name": mutation.name,
        "binding": mutation.binding,
        "field": mutation.field,
        "before": mutation.before,
        "after": mutation.after,
        "made": mutation.is_made,
    }


def _expiries(value: Any, pointer: str, hosts: Hosts, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the JSON pointer (RFC 6901) to each signed link, and the time when the link expires.

    Args:
        value: the JSON value before redaction.
        pointer: the JSON pointer to the same value in the redacted request.
        hosts: the hosts of Object Storage.
        name: the name of the field that holds the value, or the key if the value is in a map.
    """
    if isinstance(value, str):
        expires = _expiry(value, hosts, name)
        if expires is not None:
            yield pointer, expires.isoformat()
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _expiries(one, f"{pointer}/{escape_pointer(key)}", hosts, key)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _expiries(one, f"{pointer}/{index}", hosts, name)


def _expiry(text: str, hosts: Hosts, name: str) -> datetime | None:
    """Return the time when a signed link expires.

    The result is None if the text is not a signed link, or if redaction removes the whole text.
    """
    # The signature is in the query of a link. So a text without `?` is not a signed link.
    if "://" not in text or "?" not in text or redact_value(text, name) == REDACTED:
        return None
    try:
        return parse_link(text, hosts).expires
    except LinkError:
        return None


def escape_pointer(key: str) -> str:
    """Redact a key, and return the reference token of a JSON pointer (RFC 6901) for the redacted key."""
    return redact_text(key).replace("~", "~0").replace("/", "~1")
