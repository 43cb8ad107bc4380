"""The writer of the ledger. It commits entries in groups.

While one group is being committed, the entries of the next group gather. A caller that waits alone waits for
one commit, and for no timer. With several callers at once, commits are delayed, see commit_delay.py. If no
caller waits, the writer lets entries gather for LINGER_S.

If a commit fails, the callers that wait are refused, and entries that must be kept wait for the next attempt.
Until an attempt succeeds, further changes are refused at once. The writer tries again by itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Literal

from gateway.ledger.batch import EntryError, StoreError, StoreFormatError, WithdrawnError
from gateway.ledger.commit_delay import CommitDelay
from gateway.ledger.refusals import commit_unknown, ledger_unavailable
from gateway.telemetry import Status, definitions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gateway.ledger.batch import Entry, Store
    from gateway.telemetry import Health, Metrics

_log = logging.getLogger(__name__)

CONDITION = "ledger"
"""The name of the health condition that shows whether the ledger can be written."""
LINGER_S = 0.02
"""The maximum time for which entries gather if no caller waits, in seconds."""
RETRY_S = 0.5
"""The time between a failed commit and the next attempt, in seconds."""
_NOT_OPEN = "the ledger is not open yet"
MAX_GROUP = 512
"""The maximum number of entries in one transaction."""
CLOSE_S = 5.0
"""The maximum time for committing the last entries when the gateway stops, in seconds."""


class LedgerWriter:
    """Accepts entries, and commits them to the store."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        health: Health,
        *,
        capacity: int,
        when_full: Literal["drop", "refuse"],
        consequence: str = "changes are refused",
    ) -> None:
        """Initialize the writer.

        Args:
            store: the database.
            metrics: the metrics that measure commits and count lost entries.
            health: the health of the gateway. It contains the condition `ledger`.
            capacity: the maximum number of waiting entries for which no caller waits.
            when_full: the action if more entries arrive: `drop` the entry, or `refuse` the call.
            consequence: what happens while the ledger cannot be written, for operators.
        """
        self._store = store
        self._metrics = metrics
        self._health = health
        self._capacity = capacity
        self._refuses = when_full == "refuse"
        self._consequence = consequence
        self._queue: deque[Entry] = deque()
        self._wake = asyncio.Event()
        self._flush = asyncio.Event()
        self._is_closing = False
        self._is_open = False
        self._delay = CommitDelay()
        self._failure: str | None = _NOT_OPEN
        self._task: asyncio.Task[None] | None = None
        metrics.watch_queue(definitions.QUEUED_EVENTS, lambda: len(self._queue))
        self.on_open: Callable[[], Awaitable[object]] | None = None
        """The function that is called each time the database was opened, before entries are committed."""
        self.on_refused: Callable[[Entry, bool], None] = lambda entry, is_uncertain: None  # noqa: ARG005
        """The function that is called with each entry whose caller does not go on, because it was refused or
        has left, and with whether the entry may have been committed."""

    @property
    def is_failing(self) -> bool:
        """Whether the last commit failed, or the database was not opened yet."""
        return self._failure is not None

    @property
    def waiting(self) -> int:
        """The number of entries that wait to be committed."""
        return len(self._queue)

    async def start(self) -> None:
        """Open the database, and start to commit.

        A PostgreSQL database that cannot be reached is tried again in the background.

        Raises:
            StoreError: an SQLite file cannot be opened.
            StoreFormatError: the database cannot be the ledger.
        """
        try:
            await self._open()
        except StoreError as error:
            if self._store.dialect == "sqlite":
                raise
            self._report_failure(error.reason)
        self._task = asyncio.create_task(self._run())

    async def write(self, entry: Entry, deadline: float) -> bool:
        """Commit an entry. Return False if the idempotency key of the entry belongs to another call.

        Args:
            entry: the entry. Its attribute `written` is set by this method.
            deadline: the time until which the caller waits, in seconds of the event loop's clock.

        Raises:
            GatewayError: the call must not go on. UNAVAILABLE: the entry is not committed. DEADLINE_EXCEEDED:
                it is not known whether the entry was committed.
        """
        if self._failure is not None:
            self._tell(entry, is_uncertain=False)
            raise ledger_unavailable()
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        entry.written = written
        self._put(entry)
        self._delay.add_caller()
        self._flush.set()
        timer = asyncio.get_running_loop().call_at(deadline, _time_out, entry, written)
        try:
            return await written
        except asyncio.CancelledError:
            if not written.cancelled() and written.exception() is None:
                # The commit ended just before the caller left, so the writer could not see that it has left.
                self._tell(entry, is_uncertain=written.result())
            raise
        finally:
            timer.cancel()

    def add(self, entry: Entry) -> None:
        """Commit an entry that must be kept. The method does not wait for the commit."""
        entry.is_kept = True
        self._put(entry)

    def admit(self) -> None:
        """Check that a call may be forwarded whose entry is offered when it has ended.

        Raises:
            GatewayError: UNAVAILABLE if too many entries wait, and the configuration refuses the call then.
        """
        if self._refuses and len(self._queue) >= self._capacity:
            self._metrics.record_lost_events(1)
            raise ledger_unavailable()

    def offer(self, entry: Entry, *, is_admitted: bool = False) -> None:
        """Commit an entry that may be dropped. The method does not wait for the commit.

        Args:
            entry: the entry.
            is_admitted: whether admit() was called for the call, which has now ended.

        Raises:
            GatewayError: UNAVAILABLE if too many entries wait, and the configuration refuses the call then.
        """
        if is_admitted and self._refuses:  # at most as many as there are concurrent calls
            self._put(entry)
            return
        self.admit()
        self.offer_quietly(entry)

    def offer_quietly(self, entry: Entry) -> None:
        """Commit an entry, or drop it and count it if too many entries wait."""
        if len(self._queue) < self._capacity:
            self._put(entry)
        else:
            self._metrics.record_lost_events(1)

    def put_back(self, entry: Entry) -> None:
        """Commit an entry before all others. Its caller was refused, but has gone on without the commit."""
        has_waited = entry.written is not None  # so it is one of few, and its outcome may be in the queue
        entry.written, entry.is_withdrawn = None, False
        if has_waited or len(self._queue) < self._capacity:
            self._queue.appendleft(entry)
            self._wake.set()
        else:
            entry.is_lost = True
            self._metrics.record_lost_events(1)

    async def close(self, before_close: Callable[[], Awaitable[None]] | None = None) -> None:
        """Commit the waiting entries, and close the database. Entries not committed in CLOSE_S are lost.

        A second call does nothing.

        Args:
            before_close: a function that is called after the last commit.
        """
        if self._is_closing:
            return
        self._is_closing = True
        self._wake.set()
        self._flush.set()
        if self._task is not None:
            _, running = await asyncio.wait([self._task], timeout=CLOSE_S)
            if running:
                self._task.cancel()
                await asyncio.wait([self._task])
        if self._queue:
            self._metrics.record_lost_events(len(self._queue))
            # Without their outcomes, changes are settled by the next gateway that uses the ledger.
            outcomes = sum(entry.is_kept for entry in self._queue)
            fields = {"entries": len(self._queue), "about_changes": outcomes}
            _log.error("ledger entries lost at the stop", extra=fields)
            for entry in self._queue:
                if entry.written is not None and not entry.written.done():
                    entry.written.set_exception(commit_unknown() if entry.is_ending else ledger_unavailable())
        if before_close is not None and self._is_open and self._failure is None:
            await before_close()
        await self._store.close()

    def _put(self, entry: Entry) -> None:
        self._queue.append(entry)
        self._wake.set()

    async def _open(self) -> None:
        await self._store.open()
        if self.on_open is not None:
            await self.on_open()
        self._is_open = True
        self._report_success()

    async def _run(self) -> None:
        while not (self._is_closing and (not self._queue or self._failure)):
            if self._failure is not None:
                await self._retry()
                continue
            await self._wake.wait()
            await self._linger()
            self._wake.clear()
            self._flush.clear()
            while self._queue and self._failure is None:
                if not self._is_closing:
                    await self._delay.wait()
                await self._commit(self._take())

    async def _linger(self) -> None:
        """Let entries gather, unless a caller waits or the gateway stops."""
        if self._flush.is_set() or self._is_closing:
            return
        timer = asyncio.get_running_loop().call_later(LINGER_S, self._flush.set)
        await self._flush.wait()
        timer.cancel()

    def _take(self) -> list[Entry]:
        """Remove the next group from the queue. Entries whose callers have left are not committed."""
        self._delay.start_commit()
        group: list[Entry] = []
        while self._queue and len(group) < MAX_GROUP:
            entry = self._queue.popleft()
            if entry.written is None or not entry.written.done():
                group.append(entry)
            else:
                self._tell(entry, is_uncertain=entry.is_doubtful)
        return group

    async def _retry(self) -> None:
        """Wait, and try to write again. Without entries, write only the number of the next event."""
        await asyncio.sleep(RETRY_S)
        try:
            if not self._is_open:
                await self._open()
            group = self._take()
            if group:
                await self._commit(group)
                return
            async with self._store.transaction() as session:
                await session.fetch("UPDATE ledger_head SET next_seq = next_seq + 0")
            self._report_success()
        except (StoreError, StoreFormatError) as error:
            self._report_failure(str(error))
        except Exception as error:  # noqa: BLE001 - as in _commit()
            self._report_failure(_unexpected(error).reason)

    async def _commit(self, group: Sequence[Entry]) -> None:
        if not group:
            return
        started_ns = time.perf_counter_ns()
        try:
            lost = await self._store.commit(group)
        except StoreError as error:
            self._fail(group, error)
        except EntryError as error:
            await self._commit_alone(group, error)
        except WithdrawnError:
            self._queue.extendleft(reversed(group))  # without the callers that have left
            self._delay.withdraw_commit()
        except asyncio.CancelledError:
            self._queue.extendleft(reversed(group))  # close() counts them
            raise
        except Exception as error:  # noqa: BLE001 - the writer must go on, or no change is possible any more
            is_uncertain = any(entry.is_ending for entry in group)
            self._fail(group, _unexpected(error, is_uncertain=is_uncertain))
        else:
            self._metrics.record_commit((time.perf_counter_ns() - started_ns) / 1e9, len(group))
            self._report_success()
            self._settle(group, lost)

    async def _commit_alone(self, group: Sequence[Entry], error: EntryError) -> None:
        """Commit each entry of a group in a transaction of its own, because one of them is refused."""
        if len(group) > 1:
            for entry in group:
                await self._commit([entry])
            return
        _log.error("the ledger refuses an entry", extra={"kind": group[0].event.kind, "reason": str(error)})
        self._metrics.record_lost_events(1)
        self._refuse(group[0], is_uncertain=False)

    def _settle(self, group: Sequence[Entry], lost: Sequence[Entry]) -> None:
        for entry in group:
            if entry.written is None:
                continue
            is_committed = entry not in lost
            if not entry.written.done():
                entry.written.set_result(is_committed)
            else:  # the caller has left during the commit, and nothing was forwarded
                self._tell(entry, is_uncertain=is_committed)
        self._delay.end_commit()

    def _fail(self, group: Sequence[Entry], error: StoreError) -> None:
        """Report a failed commit, and refuse the callers whose entries were certainly not committed.

        Entries that may have been committed are committed again, and their callers go on waiting. The store
        finds out whether they were committed.
        """
        again = []
        for entry in group:
            entry.is_doubtful |= error.is_uncertain
            if entry.written is None or (entry.is_doubtful and not entry.written.done()):
                again.append(entry)
            else:
                self._refuse(entry, is_uncertain=entry.is_doubtful)
        self._queue.extendleft(reversed(again))
        self._report_failure(error.reason)

    def _refuse(self, entry: Entry, *, is_uncertain: bool) -> None:
        if entry.written is None:
            return
        if not entry.written.done():
            entry.written.set_exception(ledger_unavailable())
        self._tell(entry, is_uncertain=is_uncertain)

    def _tell(self, entry: Entry, *, is_uncertain: bool) -> None:
        """Call `on_refused`. Its fault must not end the writer, or no change is possible any more."""
        try:
            self.on_refused(entry, is_uncertain)
        except Exception:  # noqa: BLE001 - as said
            _log.exception("a refused ledger entry was not corrected", extra={"kind": entry.event.kind})

    def _report_failure(self, reason: str) -> None:
        if self._failure != reason:
            _log.error(f"ledger cannot be written, {self._consequence}", extra={"reason": reason})
        self._failure = reason
        self._metrics.record_ledger_failure()
        status = Status.DEGRADED if self._is_open else Status.FAILED  # reads can still be handled
        self._health.set(CONDITION, status, f"{self._consequence}: {reason}")

    def _report_success(self) -> None:
        if self._failure is not None:
            if self._failure is not _NOT_OPEN:
                _log.info("ledger can be written again")
            self._failure = None
            self._wake.set()  # more entries may wait than one group has
            self._health.set(CONDITION, Status.OK)


def _unexpected(error: Exception, *, is_uncertain: bool = False) -> StoreError:
    _log.error("the ledger has failed unexpectedly", exc_info=error)
    return StoreError(f"unexpected {type(error).__name__}", is_uncertain=is_uncertain)


def _time_out(entry: Entry, written: asyncio.Future[bool]) -> None:
    if written.done():
        return
    entry.is_withdrawn = True  # before is_ending is read, see begin_commit()
    written.set_exception(commit_unknown() if entry.is_ending else ledger_unavailable())
