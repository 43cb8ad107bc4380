"""The events of the ledger, and the rows that they create or change.

An event is a JSON object with the keys `kind`, `id` (the ID of the call) and `time`. The first event of a
call is the record of the call. The rows of calls are a projection: they are computed only from events.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from time import time_ns
from typing import TYPE_CHECKING, Any

import orjson

from gateway.ledger.columns import CallRow, CallUpdate, EventRow
from gateway.quoting import encode_json

if TYPE_CHECKING:
    from collections.abc import Mapping

DECISION = "decision"
"""The kind of the first event of a call on which policies decided."""
CALL = "call"
"""The kind of the first event of a call that ended before any policy was evaluated."""
ATTEMPT = "attempt"
"""The kind of an event about an attempt that failed and was followed by another attempt."""
OUTCOME = "outcome"
"""The kind of the event about the end of a forwarded call."""
OPERATION = "operation"
"""The kind of an event about the progress of the operation that a call started."""
SETTLEMENT = "settlement"
"""The kind of an event that establishes the outcome of a call later."""
RETENTION = "retention"
"""The kind of an event about the removal of old events."""

FIRST_KINDS = frozenset({DECISION, CALL})
"""The kinds of the first event of a call."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


def now_us() -> int:
    """Return the current time as microseconds since 1970-01-01 UTC."""
    return time_ns() // 1000


def to_us(time: datetime) -> int:
    """Return a time as microseconds since 1970-01-01 UTC."""
    passed = time - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def to_text(time: datetime) -> str:
    """Return a time as an RFC 3339 text in UTC with microseconds."""
    utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    if not utc.microsecond:  # orjson writes no fraction then
        return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return orjson.dumps(utc, option=orjson.OPT_UTC_Z)[1:-1].decode()  # several times as fast as isoformat()


def from_us(time_us: int) -> datetime:
    """Return the time that a number of microseconds since 1970-01-01 UTC means."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).replace(microsecond=time_us % 1_000_000)


def make_event(kind: str, call: str, facts: Mapping[str, Any]) -> EventRow:
    """Return the event that happens now.

    Args:
        kind: the kind of the event.
        call: the ID of the call; empty if the event belongs to no call.
        facts: the further keys of the event. The values hold no secrets.
    """
    time = now()
    body = encode_json({"kind": kind, "id": call, "time": to_text(time), **facts})
    return EventRow(call, kind, to_us(time), body.decode())


def make_first_event(record: Mapping[str, Any]) -> EventRow:
    """Return the first event of a call, which is its record."""
    body = encode_json(record).decode()
    return EventRow(record["id"], record["kind"], _time_us(record), body)


def _time_us(event: Mapping[str, Any]) -> int:
    return _parse_time(event["time"])


@lru_cache(maxsize=64)
def _parse_time(text: str) -> int:
    return to_us(datetime.fromisoformat(text))


def read_event(body: str) -> EventRow:
    """Return the row that the body of an event must have.

    Raises:
        ValueError: the body is no event.
    """
    event = json.loads(body)
    try:
        return EventRow(event["id"], event["kind"], _time_us(event), body)
    except (KeyError, TypeError) as error:
        raise ValueError("the body is no event of the ledger") from error


def to_call_row(record: Mapping[str, Any], *, owner: str | None = None, due_us: int | None = None) -> CallRow:
    """Return the row that the first event of a call creates.

    Args:
        record: the record of the call, with the keys that the ledger adds: `target`, `outcome` and `code`.
        owner: the replica that carries out the call.
        due_us: the time after which another replica may handle the call.
    """
    target = record["target"]
    caller = record["caller"]
    return CallRow(  # keyword arguments would take as long as everything else here
        record["id"],
        _time_us(record),
        record["call_id"],
        encode_json(caller).decode(),
        to_column(caller["id"]),
        record["method"],
        to_column(target.get("folder_id")),
        to_column(target.get("name")),
        encode_json(target.get("labels", {})).decode(),
        record["decision"],
        record.get("bundle", ""),
        to_column(record["idempotency_key"]),
        record["trace_id"],
        record["outcome"],
        record["code"],
        to_column(target.get("resource_id")),
        owner,
        due_us,
    )


def to_column(text: Any) -> Any:
    """Return a text without NUL characters and lone surrogates, which databases refuse."""
    if not text or (text.isascii() and "\0" not in text):
        return text
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")


def to_update(event: Mapping[str, Any], *, owner: str | None = None, due_us: int | None = None) -> CallUpdate:
    """Return the change that a later event makes to the row of its call."""
    operation = event.get("operation") or {}
    resource = operation.get("resource") or event.get("resource") or {}
    return CallUpdate(
        event["id"],
        event.get("outcome"),
        event.get("code"),
        to_column(operation.get("id")),
        operation.get("done"),
        operation.get("code"),
        to_column(operation.get("resource_id") or resource.get("id")),
        to_column(resource.get("checksum")),
        owner,
        due_us,
    )
