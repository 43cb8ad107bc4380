"""The calls that need work after their responses: settlement, or following their operations.

A replica claims such calls. While the replica is live, no other replica claims them. Each claim gives the
call a higher epoch. Events of an earlier claim are not committed, because their epoch is too low.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.ledger.events import to_column
from gateway.ledger.leases import IS_LIVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.ledger.batch import Store

_log = logging.getLogger(__name__)

LONGEST_WAIT_S = {"settlement": 25.0, "operation": 600.0}
"""The maximum times until a call is due, in seconds. A call that is due later was recorded by a wrong clock,
and is due at once."""

_COLUMNS = "c.id, c.epoch, c.tries, c.time_us, c.call_id, c.method, c.outcome, c.operation_id, e.body"
_CLAIM = (
    "UPDATE ledger_calls SET owner = ?, epoch = epoch + 1, due_us = {now} WHERE seq IN ("
    "SELECT c.seq FROM ledger_calls c WHERE c.due_us IS NOT NULL AND {kind} "
    "AND (c.due_us <= {now} OR c.due_us > {now} + {longest_us}) "
    # The own calls are under way also if the lease has expired, because the database could not be reached.
    "AND (c.owner IS NULL OR (c.owner <> ? AND NOT "
    + IS_LIVE.format(owner="c.owner")
    + ")) ORDER BY c.due_us LIMIT ?{skip}) RETURNING id"
)
_KINDS = (
    ("c.outcome IN ('pending', 'unknown')", LONGEST_WAIT_S["settlement"]),
    ("c.outcome = 'ok'", LONGEST_WAIT_S["operation"]),
)
_READ = (
    f"SELECT {_COLUMNS} FROM ledger_calls c JOIN ledger_events e ON e.seq = c.seq "
    "WHERE c.owner = ? AND c.id IN ({ids})"
)
_RELEASE_ABANDONED = (
    "UPDATE ledger_calls SET owner = NULL WHERE owner = ? AND due_us < {now} - ? RETURNING id"
)
_RELEASE = (
    "UPDATE ledger_calls SET owner = NULL, tries = tries + 1, due_us = {now} + ? WHERE id = ? AND epoch = ?"
)
_RUNNING = (
    "SELECT c.id, c.epoch, c.tries, c.time_us, c.call_id, c.method, c.outcome, c.operation_id, e.body "
    "FROM ledger_calls c JOIN ledger_events e ON e.seq = c.seq "
    "WHERE c.operation_id = ? AND c.operation_done = {false}"
)
_IS_OPEN = (
    "c.outcome IN ('pending', 'unknown') AND (c.owner IS NULL OR NOT " + IS_LIVE.format(owner="c.owner") + ")"
)
_FIND_OPEN = (
    f"SELECT {_COLUMNS} FROM ledger_calls c JOIN ledger_events e ON e.seq = c.seq "
    f"WHERE (c.id = ? OR c.call_id = ?) AND {_IS_OPEN} ORDER BY c.seq"
)
_OPEN = (
    f"SELECT {_COLUMNS} FROM ledger_calls c JOIN ledger_events e ON e.seq = c.seq "
    f"WHERE {_IS_OPEN} ORDER BY c.seq LIMIT ?"
)
_OTHER_CREATES = (
    "SELECT outcome FROM ledger_calls WHERE method = ? AND id <> ? AND ((resource_id = ? AND outcome = 'ok') "
    "OR (folder_id = ? AND name = ? AND outcome IN ('pending', 'unknown')))"
)
_COUNT = "SELECT outcome, count(*) FROM ledger_calls WHERE outcome IN ('pending', 'unknown') GROUP BY outcome"
_COUNT_OPERATIONS = "SELECT count(*) FROM ledger_calls WHERE due_us IS NOT NULL AND outcome = 'ok'"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """A call that is not settled, or whose operation has not ended.

    Attributes:
        id: the ID of the call.
        epoch: the epoch of the call. It changes when another replica claims the call.
        tries: the number of attempts to settle the call, or to poll its operation.
        time_us: the time of the call.
        call_id: the request ID that the caller saw.
        method: the full name of the method.
        outcome: the outcome so far: `pending`, `unknown`, or `ok` if only the operation has not ended.
        operation_id: the ID of the operation; None if there is no operation, or it is not known.
        record: the first event of the call.
    """

    id: str
    epoch: int
    tries: int
    time_us: int
    call_id: str
    method: str
    outcome: str
    operation_id: str | None
    record: dict[str, Any]

    @property
    def intent(self) -> dict[str, Any]:
        """The facts about the intent; empty if the first event has none."""
        found: dict[str, Any] = self.record.get("intent") or {}
        return found

    @property
    def is_unsettled(self) -> bool:
        """Whether the outcome of the call is not known."""
        return self.outcome in {"pending", "unknown"}

    @property
    def trace_headers(self) -> dict[str, str]:
        """The headers that make a span a part of the trace of the call."""
        return {name: self.intent[name] for name in ("traceparent", "tracestate") if name in self.intent}


class Work:
    """The open calls in a ledger, as one replica sees them. All methods raise StoreError."""

    def __init__(self, store: Store, replica: str) -> None:
        self._store = store
        self._replica = replica

    async def claim(self, limit: int, most_unsettled: int | None = None) -> list[OpenCall]:
        """Claim calls that are due, and return them. Calls without a known outcome come first.

        Args:
            limit: the maximum number of calls.
            most_unsettled: the maximum number of calls without a known outcome; None for the same limit.
        """
        limits = (limit if most_unsettled is None else min(limit, most_unsettled), limit)
        skip = " FOR UPDATE SKIP LOCKED" if self._store.dialect == "postgresql" else ""
        sql = _CLAIM.replace("{now}", self._store.now_us).replace("{skip}", skip)
        async with self._store.transaction() as session:
            ids: list[str] = []
            for (kind, longest_s), most in zip(_KINDS, limits, strict=True):
                if len(ids) < most:
                    values = (self._replica, self._replica, most - len(ids))
                    statement = sql.replace("{kind}", kind).replace("{longest_us}", str(int(longest_s * 1e6)))
                    rows = await session.fetch(statement, *values)
                    ids += [row[0] for row in rows]
            if not ids:
                return []
            read = _READ.replace("{ids}", ", ".join("?" * len(ids)))
            return _to_calls(await session.fetch(read, self._replica, *ids))

    async def release(self, calls: Iterable[tuple[OpenCall, float]]) -> None:
        """Give up claimed calls, so that each is due again after its time in seconds."""
        sql = _RELEASE.replace("{now}", self._store.now_us)
        async with self._store.transaction() as session:
            for call, after_s in calls:
                await session.fetch(sql, int(after_s * 1e6), call.id, call.epoch)

    async def release_abandoned(self, after_s: float) -> int:
        """Give up the calls that this replica has held for too long, and return their number.

        Such a call was left by a caller or a task between its claim and the work on it.

        Args:
            after_s: a time that is longer than any work on a call, in seconds.
        """
        sql = _RELEASE_ABANDONED.replace("{now}", self._store.now_us)
        async with self._store.transaction() as session:
            return len(await session.fetch(sql, self._replica, int(after_s * 1e6)))

    async def find_running(self, operation_id: str) -> list[OpenCall]:
        """Return the calls whose operation has this ID and has not ended, as far as the ledger knows."""
        false = "false" if self._store.dialect == "postgresql" else "0"
        async with self._store.transaction() as session:
            return _to_calls(await session.fetch(_RUNNING.replace("{false}", false), to_column(operation_id)))

    async def find_other_create(self, call: OpenCall, resource_id: str) -> str | None:
        """Return the outcome of another create that has made a resource, or that may have made it.

        The outcome is `ok` if the other call has made the resource; `pending` or `unknown` if the other call
        creates a resource of the same name, and it is not known which call has made it. Return None if there
        is no such call.
        """
        target = call.record.get("target", {})
        place = (to_column(target.get("folder_id")), to_column(target.get("name")))
        values = (call.method, call.id, to_column(resource_id), *place)
        async with self._store.transaction() as session:
            found = {row[0] for row in await session.fetch(_OTHER_CREATES, *values)}
        return next((outcome for outcome in ("ok", "pending", "unknown") if outcome in found), None)

    async def list_open(self, limit: int) -> list[OpenCall]:
        """Return the oldest calls without a known outcome that no live replica carries out."""
        async with self._store.transaction() as session:
            return _to_calls(await session.fetch(_OPEN.replace("{now}", self._store.now_us), limit))

    async def find_open(self, key: str) -> list[OpenCall]:
        """Return the calls with an ID that have no known outcome, and that no live replica carries out.

        Args:
            key: the ID of the call in the ledger, or its request ID.
        """
        sql = _FIND_OPEN.replace("{now}", self._store.now_us)
        async with self._store.transaction() as session:
            return _to_calls(await session.fetch(sql, key, key))

    async def count_open(self) -> tuple[int, int, int]:
        """Return the numbers of pending calls, of unknown calls, and of operations that are followed."""
        async with self._store.transaction() as session:
            outcomes = {row[0]: row[1] for row in await session.fetch(_COUNT)}
            operations = await session.fetch(_COUNT_OPERATIONS)
        return outcomes.get("pending", 0), outcomes.get("unknown", 0), operations[0][0]


def _to_calls(rows: Sequence[tuple[Any, ...]]) -> list[OpenCall]:
    """Return the calls of rows. A call whose first event cannot be read is left out."""
    calls = []
    for row in rows:
        try:
            record = json.loads(row[8])
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            _log.error("first event of a call cannot be read; verify the ledger", extra={"call": row[0]})
            continue
        calls.append(
            OpenCall(
                id=row[0],
                epoch=row[1],
                tries=row[2],
                time_us=row[3],
                call_id=row[4],
                method=row[5],
                outcome=row[6],
                operation_id=row[7],
                record=record,
            )
        )
    return calls
