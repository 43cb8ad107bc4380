"""Reads the records of decisions. A replay uses these records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from gateway.audit.record import escape_pointer
from gateway.policy.model import Moment, Part
from gateway.policy.requests import RequestError, read_request
from gateway.policy.suite_model import CallerFacts
from gateway.redaction import REDACTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.policy import PolicyInput
    from gateway.schema import Schema

_MAX_DEPTH = 100  # the maximum nesting depth of messages that protobuf parses
_REDACTED_QUERY = f"?{REDACTED}"


class RecordError(ValueError):
    """The error for a value that is no record of a decision, or for a request that cannot be evaluated."""


class RecordedViolation(Part):
    """A violation in a record. The class has only the fields that a replay compares."""

    model_config = Part.model_config | {"extra": "ignore"}

    policy: str
    rule: str
    action: str


class RecordedMutation(Part):
    """A mutation in a record. The class has only the fields that a replay compares."""

    model_config = Part.model_config | {"extra": "ignore"}

    field: str
    after: str
    made: bool


class Record(Part):
    """The record of a decision. The class has only the fields that a replay needs."""

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
    """A decision that was read from a record.

    Attributes:
        id: the ID of the decision.
        input: the policy input that was restored from the record.
        outcome: the outcome of the decision.
        broken: the violations. Each violation is a text of the form `<action> <policy>/<rule>`.
        fields: the final values of the fields that policies set, keyed by the path of the field.
        is_altered: whether the request lacks parts that were redacted or omitted and could not be restored.
    """

    id: str
    input: PolicyInput
    outcome: str
    broken: frozenset[str]
    fields: Mapping[str, str]
    is_altered: bool


def read_record(value: Mapping[str, Any], schema: Schema) -> Recorded:
    """Return the recorded decision that a JSON value contains.

    Raises:
        RecordError: the value is not the record of a decision, or the recorded request cannot be evaluated.
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
        policy_input = read_request(schema, record.method, request, record.caller, record.time)
    except RequestError as error:
        raise RecordError(str(error)) from error
    except OverflowError as error:
        raise RecordError("signed_until holds a time that no link can have") from error
    return Recorded(
        id=record.id,
        input=policy_input,
        # Without a binding for the method, the ledger records the decision `none`, and the call was allowed.
        outcome="allow" if record.decision == "none" else record.decision,
        broken=frozenset(f"{one.action} {one.policy}/{one.rule}" for one in record.violations),
        fields={one.field: one.after for one in record.mutations if one.made},
        is_altered=bool(record.left_out)
        or (record.is_masked and any(REDACTED in text for text in _texts(request))),
    )


def _depth(value: Any) -> int:
    """Return the nesting depth of a JSON value. The result is at most _MAX_DEPTH + 1.

    The function is not recursive, so a deeply nested value cannot exhaust the stack.
    """
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
        return value.removesuffix(_REDACTED_QUERY) + _signature_until(signed[pointer])
    if isinstance(value, dict):
        return {key: _restore(one, f"{pointer}/{escape_pointer(key)}", signed) for key, one in value.items()}
    if isinstance(value, list):
        return [_restore(one, f"{pointer}/{index}", signed) for index, one in enumerate(value)]
    return value


def _signature_until(expires: datetime) -> str:
    """Return the query of a signed link that expires at the given time.

    The query is as short as possible, because the length of links is limited.
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
