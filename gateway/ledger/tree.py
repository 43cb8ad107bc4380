"""The Merkle tree over the events of a ledger (RFC 6962), and its checkpoints.

The tree is built behind the commits, by one replica at a time. The leaf hash of each event is kept, also
after the event was removed because of its age. So each checkpoint can always be recomputed.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import os
from typing import TYPE_CHECKING, NamedTuple

from gateway.ledger.events import now_us
from gateway.tlog import LONGEST_ENTRY, Checkpoint, RightEdge, Signer, hash_leaf, sign_checkpoint

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

    from gateway.ledger.batch import Session, Store
    from gateway.telemetry import Tracing

_log = logging.getLogger(__name__)

GROUP = 1024
"""The maximum number of events that are added to the tree in one transaction."""
TILE = 256
"""The number of leaf hashes in one row."""
HASH = 32
"""The size of a hash in bytes."""


class TreeState(NamedTuple):
    """The state of the tree that the database holds.

    Attributes:
        size: the number of events in the tree.
        edge: the hashes of the right edge, one after the other.
        pruned: the number of events that were removed because of their age.
    """

    size: int
    edge: bytes
    pruned: int


def entry_of(body: str) -> bytes:
    """Return the entry of the log for the body of an event.

    It is the body itself, or the SHA-256 of a body that is longer than an entry of tlog-tiles may be.
    """
    data = body.encode()
    if len(data) <= LONGEST_ENTRY:
        return data
    return b"sha256:" + hashlib.sha256(data).hexdigest().encode()


def split_hashes(data: bytes) -> list[bytes]:
    """Return the hashes that a text of bytes consists of."""
    return [data[start : start + HASH] for start in range(0, len(data), HASH)]


async def read_state(session: Session) -> TreeState:
    """Return the state of the tree.

    Raises:
        TreeError: the state is missing.
    """
    rows = await session.fetch("SELECT size, edge, pruned FROM ledger_tree")
    if not rows:
        raise TreeError("the stored tree is damaged: it has no row")
    size, edge, pruned = rows[0]
    return TreeState(size, edge.encode() if isinstance(edge, str) else bytes(edge), pruned)


class Tree:
    """Builds the tree of one ledger, and makes its checkpoints. All methods raise StoreError."""

    def __init__(
        self, store: Store, origin: str, signer: Signer | None, file: Path | None, tracing: Tracing
    ) -> None:
        """Initialize the tree.

        Args:
            store: the database.
            origin: the name of the ledger in checkpoints.
            signer: the key that signs checkpoints; None if they are not signed.
            file: the file to which checkpoints are appended; None if there is no such file.
            tracing: the tracing that exports each checkpoint as a span.
        """
        self._store = store
        self._origin = origin
        self._signer = signer
        self._file = file
        self._tracing = tracing
        self._checkpoint_size: int | None = None

    async def grow(self) -> bool:
        """Add committed events to the tree, at most GROUP. Return whether there may be more events."""
        async with self._store.transaction() as session:
            state = await read_state(session)
            rows = await session.fetch(
                "SELECT seq, body FROM ledger_events WHERE seq >= ? ORDER BY seq LIMIT ?", state.size, GROUP
            )
            if not rows:
                return False
            if [row[0] for row in rows] != list(range(state.size, state.size + len(rows))):
                raise TreeError(f"event {state.size} or a later event is missing")
            hashes = [hash_leaf(entry_of(body)) for _, body in rows]
            edge = _restore(state)
            edge.extend(hashes)
            await _keep_hashes(session, state.size, hashes)
            # If another holder has built the tree meanwhile, its size has changed, and nothing is written.
            changed = await session.fetch(
                "UPDATE ledger_tree SET size = ?, edge = ? WHERE size = ? RETURNING size",
                edge.size,
                b"".join(edge.hashes),
                state.size,
            )
            if not changed:
                raise TreeError("another replica builds the tree")
        return len(rows) == GROUP

    async def make_checkpoint(self) -> None:
        """Make a checkpoint of the tree, if the tree has grown since the last one."""
        async with self._store.transaction() as session:
            state = await read_state(session)
            if state.size in {0, self._checkpoint_size}:
                return
            rows = await session.fetch("SELECT size FROM ledger_checkpoints WHERE size = ?", state.size)
            root = _restore(state).root()
            checkpoint = Checkpoint(origin=self._origin, size=state.size, root=root)
            note = sign_checkpoint(checkpoint, self._signer) if self._signer else checkpoint.to_text()
            if not rows:
                await session.fetch(
                    "INSERT INTO ledger_checkpoints (size, time_us, note) VALUES (?, ?, ?)",
                    state.size,
                    now_us(),
                    note,
                )
        self._checkpoint_size = state.size
        if not rows:
            await self._publish(checkpoint, note)

    async def _publish(self, checkpoint: Checkpoint, note: str) -> None:
        """Let a checkpoint leave the database: to the log, the trace and a file."""
        shown: dict[str, str | int] = {"size": checkpoint.size, "note": note}
        _log.info("ledger checkpoint", extra=shown)
        span = self._tracing.start_internal("ledger checkpoint", {}, shown)
        span.end()
        if self._file is not None:
            try:
                await asyncio.to_thread(append_checkpoint, self._file, note)  # the file may be far away
            except OSError as error:
                fields = {"file": str(self._file), "reason": error.strerror}
                _log.error("checkpoint not written to its file", extra=fields)


class TreeError(Exception):
    """The tree cannot be built at present."""


def append_checkpoint(file: Path, note: str) -> None:
    """Append a checkpoint to a file. An empty line is between two checkpoints.

    A checkpoint that was not written completely does not make the next one unreadable. If the file cannot be
    written, for example because the disk is full, it keeps its size.

    Raises:
        OSError: the file cannot be written.
    """
    with file.open("a+b", buffering=0) as target:
        size = target.seek(0, os.SEEK_END)
        target.seek(max(0, size - 1))
        separator = {b"": b"", b"\n": b"\n"}.get(target.read(1), b"\n\n")
        data = separator + note.encode()
        try:
            _write_all(target, data)
        except OSError:
            target.truncate(size)
            raise


def _write_all(target: FileIO, data: bytes) -> None:
    if target.write(data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(target)


def _restore(state: TreeState) -> RightEdge:
    try:
        return RightEdge.restore(state.size, split_hashes(state.edge))
    except ValueError as error:
        raise TreeError(f"the stored tree is damaged: {error}") from error


async def _keep_hashes(session: Session, start: int, hashes: list[bytes]) -> None:
    """Keep the leaf hashes of events, in rows that begin at multiples of TILE."""
    first = start - start % TILE
    rows = await session.fetch("SELECT hashes FROM ledger_hashes WHERE seq = ?", first)
    known = split_hashes(bytes(rows[0][0]))[: start - first] if rows else []
    every = known + hashes
    for index in range(0, len(every), TILE):
        await session.fetch(
            "INSERT INTO ledger_hashes (seq, hashes) VALUES (?, ?) "
            "ON CONFLICT (seq) DO UPDATE SET hashes = excluded.hashes",
            first + index,
            b"".join(every[index : index + TILE]),
        )
