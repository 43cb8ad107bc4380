"""The queries of the audit commands: lists of calls, and the whole story of one call."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from gateway.ledger.events import DECISION, from_us, to_text, to_us
from gateway.ledger.reader import fetch
from gateway.ledger.tables import calls, events

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Select

    from gateway.ledger.reader import LedgerReader

SHOWN = (
    "id",
    "call_id",
    "time_us",
    "caller",
    "method",
    "folder_id",
    "name",
    "labels",
    "decision",
    "outcome",
    "code",
    "idempotency_key",
    "operation_id",
    "operation_done",
    "operation_code",
    "resource_id",
    "checksum",
    "bundle",
    "trace_id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """The conditions that listed calls meet. None means any value.

    Attributes:
        since: the earliest time of a call.
        until: the latest time of a call.
        caller: the ID of the caller.
        folder: the ID of the folder.
        method: the full name of the method, or its last part such as `Create`.
        decision: the decision.
        outcome: the outcome.
        labels: labels that the request has.
        limit: the maximum number of calls; the newest ones are kept. 0 means all.
    """

    since: datetime | None = None
    until: datetime | None = None
    caller: str | None = None
    folder: str | None = None
    method: str | None = None
    decision: str | None = None
    outcome: str | None = None
    labels: Mapping[str, str]
    limit: int = 100


async def list_calls(reader: LedgerReader, wanted: CallFilter) -> list[dict[str, Any]]:
    """Return the calls that meet the conditions, oldest first."""
    found: list[dict[str, Any]] = []
    async with aclosing(reader.stream(_select(wanted))) as rows:
        async for row in rows:
            call = to_shown(dict(zip(SHOWN, row, strict=True)))
            if all(call["labels"].get(key) == value for key, value in wanted.labels.items()):
                found.append(call)
                if wanted.limit and len(found) == wanted.limit:
                    break
    found.reverse()
    for call in found:
        del call["id"], call["labels"]
    return found


def _select(wanted: CallFilter) -> Select[Any]:
    query = select(*(calls.c[name] for name in SHOWN)).order_by(calls.c.seq.desc())
    if wanted.since:
        query = query.where(calls.c.time_us >= to_us(wanted.since))
    if wanted.until:
        query = query.where(calls.c.time_us <= to_us(wanted.until))
    if wanted.method:
        suffix = f"/{wanted.method}"
        end = func.substr(calls.c.method, func.length(calls.c.method) - len(suffix) + 1)
        query = query.where(
            or_(calls.c.method == wanted.method, end == suffix)
            if "/" not in wanted.method
            else calls.c.method == wanted.method
        )
    for column, value in (
        (calls.c.caller_id, wanted.caller),
        (calls.c.folder_id, wanted.folder),
        (calls.c.decision, wanted.decision),
        (calls.c.outcome, wanted.outcome),
    ):
        if value is not None:
            query = query.where(column == value)
    return query


def to_shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a call as the audit commands show it."""
    shown = dict(row)
    shown["time"] = to_text(from_us(shown.pop("time_us")))
    shown["caller"] = json.loads(shown["caller"])
    shown["labels"] = json.loads(shown["labels"])
    if shown["operation_done"] is not None:
        shown["operation_done"] = bool(shown["operation_done"])
    order = ("id", "call_id", "time", *SHOWN[3:])
    return {name: shown[name] for name in order}


async def list_decisions(reader: LedgerReader) -> list[str]:
    """Return the first events of all calls on which policies decided, oldest first, as JSON texts."""
    query = select(events.c.body).join(calls, calls.c.seq == events.c.seq)
    rows = await fetch(reader, query.where(events.c.kind == DECISION).order_by(events.c.seq))
    return [body for (body,) in rows]


async def find_calls(reader: LedgerReader, key: str) -> list[dict[str, Any]]:
    """Return the calls that an ID belongs to, oldest first, each with its `events`.

    Args:
        reader: the ledger.
        key: a request ID, the ID of a decision, of an operation, or of an image.
    """
    columns = (calls.c.id, calls.c.call_id, calls.c.operation_id, calls.c.resource_id)
    query = select(*(calls.c[name] for name in SHOWN)).where(or_(*(one == key for one in columns)))
    rows = await fetch(reader, query.order_by(calls.c.seq))
    found = []
    for row in rows:
        call = to_shown(dict(zip(SHOWN, row, strict=True)))
        query = select(events.c.seq, events.c.body).where(events.c.call == call["id"])
        bodies = await fetch(reader, query.order_by(events.c.seq))
        call["events"] = [{"seq": seq, **json.loads(body)} for seq, body in bodies]
        found.append(call)
    return found
