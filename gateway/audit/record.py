"""The record of a decision: written to the decision log, and read again to be replayed.

A record holds the request as it came, masked. A signature that was masked away
would make a link another link to the rules; so the record says until when it was
good, and a replay puts a stand-in in its place which reads the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from pydantic import Field, ValidationError

from gateway.object_storage import LinkError, parse_link
from gateway.policy.model import Moment, Part
from gateway.policy.requests import RequestError, read_request
from gateway.policy.suite_model import CallerFacts
from gateway.redaction import REDACTED, redact_text, redact_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

    from gateway.object_storage import Hosts
    from gateway.policy.decision import Decision, Mutation, Violation
    from gateway.policy.program import PolicyInput
    from gateway.schema import Schema

KIND = "decision"
_MAX_DEPTH = 100  # as deep as protobuf takes a message
_MASKED_QUERY = f"?{REDACTED}"
# The last two on an Any whose type is not known, or whose content is none of it.
_NO_JSON = (json_format.SerializeToJsonError, TypeError, DecodeError)


def to_record(
    decision: Decision, pool: DescriptorPool, hosts: Hosts, *, call_id: str, trace_id: str
) -> dict[str, Any]:
    """Return the record of a decision, as JSON values.

    Args:
        decision: to tell of.
        pool: with the types that the request may carry.
        hosts: of Object Storage.
        call_id: the request ID that the caller sees.
        trace_id: of the call's trace.
    """
    asked = decision.asked
    request, left_out = _to_json(asked.request, pool)
    redacted = redact_value(request)
    caller = asked.caller
    return {
        "kind": KIND,
        "time": asked.now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "id": decision.id,
        "call_id": call_id,
        "trace_id": trace_id,
        "method": decision.method,
        "caller": {
            "id": redact_value(caller.id),
            "kind": caller.kind,
            "groups": redact_value(list(caller.groups)),
            "address": caller.address,
            "claims": redact_value(dict(caller.claims)),
        },
        "bundle": decision.bundle,
        "decision": decision.outcome,
        "violations": [_violation(one) for one in decision.violations],
        "waived": [_violation(one) for one in decision.waived],
        "waivers": list(decision.waivers),
        "mutations": [_mutation(one) for one in decision.mutations],
        "request": redacted,
        "signed_until": dict(_expiries(request, "", hosts)),
        "is_masked": redacted != request or bool(left_out),
        "left_out": left_out,
        "duration_us": decision.duration_ns // 1000,
    }


def _to_json(request: Message, pool: DescriptorPool) -> tuple[dict[str, Any], list[str]]:
    """Return a request in its JSON form, and the fields that have none.

    Not every message has one: a path of a FieldMask may hold what no JSON stands for, and a client of
    gRPC may send it.
    """
    try:
        return json_format.MessageToDict(request, descriptor_pool=pool), []
    except _NO_JSON:
        pass
    shown: dict[str, Any] = {}
    left_out = []
    for field, _ in request.ListFields():
        alone = type(request)()
        alone.CopyFrom(request)
        for other, _ in request.ListFields():
            if other is not field:
                alone.ClearField(other.name)
        try:
            shown |= json_format.MessageToDict(alone, descriptor_pool=pool)
        except _NO_JSON:
            left_out.append(field.json_name)
    return shown, left_out


def _violation(violation: Violation) -> dict[str, Any]:
    told = {
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
    return told | ({"waiver": violation.waiver} if violation.waiver else {})


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
    """Yield the pointer (RFC 6901) to each signed link, and when the link expires.

    Args:
        value: JSON value, not redacted.
        pointer: to the value, in the redacted request.
        hosts: of Object Storage.
        name: key of the value: of a field, or in a map.
    """
    if isinstance(value, str):
        expires = _expiry(value, hosts, name)
        if expires is not None:
            yield pointer, expires.isoformat()
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _expiries(one, f"{pointer}/{_escape(key)}", hosts, key)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _expiries(one, f"{pointer}/{index}", hosts, name)


def _expiry(text: str, hosts: Hosts, name: str) -> datetime | None:
    """Return when a signed link expires; None for other texts, and for those that are redacted as a whole."""
    if "://" not in text or redact_value(text, name) == REDACTED:
        return None
    try:
        return parse_link(text, hosts).expires
    except LinkError:
        return None


def _escape(key: str) -> str:
    return redact_text(key).replace("~", "~0").replace("/", "~1")


class RecordError(ValueError):
    """A line is no record of a decision, or one that cannot be judged again."""


class RecordedViolation(Part):
    """A broken rule, as far as a replay compares it."""

    model_config = Part.model_config | {"extra": "ignore"}

    policy: str
    rule: str
    action: str


class RecordedMutation(Part):
    """A field that a policy set, as far as a replay compares it."""

    model_config = Part.model_config | {"extra": "ignore"}

    field: str
    after: str
    made: bool


class Record(Part):
    """A record, as far as a replay needs it."""

    model_config = Part.model_config | {"extra": "ignore"}

    id: str
    time: Moment
    method: str
    caller: CallerFacts = CallerFacts()
    decision: str
    violations: list[RecordedViolation] = Field([])
    mutations: list[RecordedMutation] = Field([])
    request: dict[str, Any]
    signed_until: dict[str, Moment] = Field({})
    is_masked: bool = False
    left_out: list[str] = Field([])


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A decision of the past.

    Attributes:
        asked: what was judged, as far as the record tells.
        broken: `<action> <policy>/<rule>` of each violation.
        fields: that policies set, with what they held in the end.
        is_altered: parts of the request were masked or left out, and no stand-in reads the same.
    """

    id: str
    asked: PolicyInput
    outcome: str
    broken: frozenset[str]
    fields: Mapping[str, str]
    is_altered: bool


def read_record(value: Mapping[str, Any], schema: Schema) -> Recorded:
    """Read a record.

    Raises:
        RecordError: it is none, or its request cannot be judged.
    """
    if _depth(value) > _MAX_DEPTH:
        raise RecordError("no record of a decision: nested too deeply")
    try:
        record = Record.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RecordError(f"no record of a decision: {where}: {first['msg'].lower()}") from error
    try:
        request = _restore(record.request, "", record.signed_until)
        asked = read_request(schema, record.method, request, record.caller, record.time)
    except RequestError as error:
        raise RecordError(str(error)) from error
    except OverflowError as error:
        raise RecordError("signed_until holds a time that no link can have") from error
    return Recorded(
        id=record.id,
        asked=asked,
        outcome=record.decision,
        broken=frozenset(f"{one.action} {one.policy}/{one.rule}" for one in record.violations),
        fields={one.field: one.after for one in record.mutations if one.made},
        is_altered=bool(record.left_out)
        or (record.is_masked and any(REDACTED in text for text in _texts(request))),
    )


def _depth(value: Any) -> int:
    """Return how deeply a value is nested, without going deeper than Python can."""
    depth, level = 0, [value]
    while level and depth <= _MAX_DEPTH:
        depth += 1
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return depth


def _restore(value: Any, pointer: str, signed: Mapping[str, datetime]) -> Any:
    if isinstance(value, str) and pointer in signed:
        return value.removesuffix(_MASKED_QUERY) + _stand_in(signed[pointer])
    if isinstance(value, dict):
        return {key: _restore(one, f"{pointer}/{_escape(key)}", signed) for key, one in value.items()}
    if isinstance(value, list):
        return [_restore(one, f"{pointer}/{index}", signed) for index, one in enumerate(value)]
    return value


def _stand_in(expires: datetime) -> str:
    """Return a query that reads as a signature which is good until then.

    It is as short as any, so that a link which was not too long does not become so.
    """
    signed_at = (expires - timedelta(seconds=1)).astimezone(UTC)
    return (
        "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential=x/{signed_at:%Y%m%d}/x/s3/aws4_request"
        f"&X-Amz-Date={signed_at:%Y%m%dT%H%M%SZ}&X-Amz-Expires=1&X-Amz-SignedHeaders=host"
        f"&X-Amz-Signature={'0' * 64}"
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
