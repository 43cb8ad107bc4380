"""The names of the ledger's tables and columns, and the rows that events change.

The serving process uses these names in its own SQL. It does not import SQLAlchemy, which would use 28 MB of
memory. A test compares the names with the tables in `tables.py`.
"""

from __future__ import annotations

from typing import NamedTuple

PREFIX = "ledger_"
"""The prefix of all table names, because a PostgreSQL database may also hold other tables."""

VERSION = "0001"
"""The revision of the newest migration, which this version of the gateway needs."""


class EventRow(NamedTuple):
    """One row of the table of events, without its sequence number.

    Attributes:
        call: the ID of the call to which the event belongs; empty if it belongs to no call.
        kind: the kind of the event.
        time_us: the time of the event, in microseconds since 1970-01-01 UTC.
        body: the event as JSON. The other columns repeat parts of the body.
    """

    call: str
    kind: str
    time_us: int
    body: str


class CallRow(NamedTuple):
    """The row of one call, as its first event creates it, without the sequence number of this event.

    Attributes:
        id: the ID of the call, which is unique in the ledger.
        time_us: the time of the first event.
        call_id: the request ID that the caller sees. Several calls may have the same request ID.
        caller: the caller as a JSON object.
        caller_id: the ID of the caller.
        method: the full name of the method.
        folder_id: the folder in which the call changes something; None if the request names no folder.
        name: the name in the request; None if the request has no name.
        labels: the labels in the request as a JSON object.
        decision: `allow`, `deny`, or `none` if no policy was evaluated.
        bundle: the hash of the bundle.
        idempotency_key: the key that the upstream receives.
        trace_id: the ID of the trace.
        outcome: the outcome of the call: `denied`, `invalid`, `refused`, `pending`, `ok`, `error` or
            `unknown`.
        code: the name of the canonical status code; None if the call has no outcome.
        resource_id: the ID of the resource that the request names.
        owner: the replica that carries out the call; None if no replica does.
        due_us: the time at which a replica must settle the call or poll its operation; None if nothing is
            left to do.
    """

    id: str
    time_us: int
    call_id: str
    caller: str
    caller_id: str
    method: str
    folder_id: str | None
    name: str | None
    labels: str
    decision: str
    bundle: str
    idempotency_key: str
    trace_id: str
    outcome: str
    code: str | None
    resource_id: str | None
    owner: str | None
    due_us: int | None


class CallUpdate(NamedTuple):
    """The change that a later event makes to the row of its call. A value of None leaves a column unchanged.

    The columns `owner` and `due_us` are always set, because no replica handles the call any more after the
    event, except if the event says so.
    """

    id: str
    outcome: str | None = None
    code: str | None = None
    operation_id: str | None = None
    operation_done: bool | None = None
    operation_code: str | None = None
    resource_id: str | None = None
    checksum: str | None = None
    owner: str | None = None
    due_us: int | None = None

    def merge(self, later: CallUpdate) -> CallUpdate:
        """Return the update that has the same effect as this update followed by a later update."""
        known = {name: value for name, value in later._asdict().items() if value is not None}
        return self._replace(**known | {"owner": later.owner, "due_us": later.due_us})


EVENT_COLUMNS = ("seq", *EventRow._fields)
CALL_COLUMNS = ("seq", *CallRow._fields)
UPDATE_COLUMNS = CallUpdate._fields
