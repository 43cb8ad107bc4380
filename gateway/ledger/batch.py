"""The entries that the ledger commits, and the interface of the databases that commit them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from gateway.ledger.columns import CallRow, CallUpdate, EventRow

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from gateway.ledger.schema_version import Dialect

Row: TypeAlias = "tuple[Any, ...]"


class KeyClaim(NamedTuple):
    """The claim of a call to an idempotency key. The claim fails if the key belongs to another call.

    Attributes:
        key: the SHA-256 of the caller's scope and the key, in hexadecimal digits.
        call: the ID of the call.
        request: the SHA-256 of the method and the request, in hexadecimal digits.
        expires_us: the time after which another call may take over the key.
        now_us: the time of the claim.
    """

    key: str
    call: str
    request: str
    expires_us: int
    now_us: int


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """One event that is to be committed, with its effects on the other tables.

    Attributes:
        event: the row of the event.
        row: the row of the call if this is the first event of the call, or the change to that row; None if
            the event does not change a call.
        claim: the claim to an idempotency key. If the claim fails, nothing of the entry is committed.
        frees_key: whether the key of the call becomes free.
        written: the future of the caller that waits for the commit. Its result is whether the entry was
            committed; it is False if the claim failed. None if no caller waits.
        fence: the epoch that the call must have. If the call has another epoch, another replica handles it,
            and nothing of the entry is committed. None if the epoch does not matter.
        is_doubtful: whether the entry may have been committed already, because a commit ended with an error
            that does not show this.
        is_ending: whether the COMMIT of the entry may have been sent.
        is_withdrawn: whether the caller does not wait any more, so the entry must not be committed.
        is_kept: whether the entry must not be dropped if the ledger cannot be written.
        is_lost: whether the entry was dropped.
    """

    event: EventRow
    row: CallRow | CallUpdate | None = None
    claim: KeyClaim | None = None
    frees_key: bool = False
    written: asyncio.Future[bool] | None = None
    fence: int | None = None
    is_doubtful: bool = False
    is_ending: bool = False
    is_withdrawn: bool = False
    is_kept: bool = False
    is_lost: bool = False


class StoreError(Exception):
    """The database cannot be used at present.

    Attributes:
        reason: the reason for operators, without secrets.
        is_uncertain: whether a transaction may have been committed although an error was reported.
    """

    def __init__(self, reason: str, *, is_uncertain: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_uncertain = is_uncertain


class EntryError(Exception):
    """The database refuses an entry because of its values, not because of the state of the database."""


class WithdrawnError(Exception):
    """The caller of an entry has left before the commit, so nothing was committed."""


class StoreFormatError(Exception):
    """The database cannot be the ledger: it is foreign, or newer, or used by another gateway."""


class Session(Protocol):
    """A transaction of a database. Statements have `?` for each parameter."""

    async def fetch(self, sql: str, *parameters: Any) -> Sequence[Row]:
        """Run a statement, and return its rows."""
        ...


class Store(Protocol):
    """A database that holds a ledger.

    Attributes:
        dialect: the SQL dialect of the database.
        now_us: the SQL expression for the current time of the database, in microseconds since 1970.
    """

    dialect: Dialect
    now_us: str

    async def open(self) -> None:
        """Connect to the database, and bring its tables to the current version.

        Raises:
            StoreError: the database cannot be reached or used at present.
            StoreFormatError: the database cannot be the ledger.
        """
        ...

    async def commit(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Commit entries in one transaction.

        Return the entries that were left out, because their claims failed or their calls have other epochs.

        Raises:
            StoreError: nothing was committed, or this is not known.
            EntryError: the values of an entry are refused; nothing was committed.
        """
        ...

    def transaction(self) -> AbstractAsyncContextManager[Session]:
        """Return a context manager that runs one transaction. It is rolled back if the block fails.

        Raises:
            StoreError: the database cannot be used at present.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def is_fenced_off(entry: Entry, epoch: int | None, outcome: str | None) -> bool:
    """Return whether an entry must be left out because of what its call has become meanwhile.

    Args:
        entry: the entry, which has a fence.
        epoch: the epoch of its call; None if the call is not known.
        outcome: the outcome of its call. A known outcome is not replaced by an error or an unknown outcome.
    """
    if epoch is None and isinstance(entry.row, CallRow):  # it creates the row of its call
        return False
    changed = entry.row.outcome if entry.row is not None else None
    return epoch != entry.fence or (changed not in {None, "ok"} and outcome not in {"pending", "unknown"})


def begin_commit(entries: Sequence[Entry]) -> None:
    """Note that the COMMIT of entries follows.

    From now on, a caller that stops waiting does not know whether its entry was committed. The note is made
    before the check, and a caller that stops waiting checks the note afterwards. So a caller that was told
    that nothing was committed is right, even if the commit runs in another thread.

    Raises:
        WithdrawnError: a caller has stopped waiting before.
    """
    waiting = [entry for entry in entries if entry.written is not None]
    for entry in waiting:
        entry.is_ending = True
    if any(_has_left(entry) for entry in waiting):
        for entry in waiting:
            entry.is_ending = entry.is_doubtful
        raise WithdrawnError


def _has_left(entry: Entry) -> bool:
    return entry.is_withdrawn or (entry.written is not None and entry.written.done())


def split_rows(entries: Sequence[Entry]) -> tuple[list[tuple[int, CallRow]], list[CallUpdate]]:
    """Return the new rows of calls, with the indexes of their entries, and one update for each call."""
    rows: list[tuple[int, CallRow]] = []
    updates: dict[str, CallUpdate] = {}
    for index, entry in enumerate(entries):
        row = entry.row
        if isinstance(row, CallRow):
            rows.append((index, row))
        elif row is not None:
            earlier = updates.get(row.id)
            updates[row.id] = row if earlier is None else earlier.merge(row)
    return rows, list(updates.values())
