"""The tables of the ledger. The table of events is the truth; the other tables are derived from it.

`ledger_calls` is the projection of the events: one row for each call. Its columns `owner`, `epoch` and
`due_us` are not derived from events. They show which replica handles the call.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()
_SEQ = BigInteger().with_variant(Integer, "sqlite")  # an INTEGER key is the row's own number in SQLite

events = Table(
    "ledger_events",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=False),
    Column("call", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("ledger_events_call", "call"),
)

calls = Table(
    "ledger_calls",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=False),
    Column("id", String, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("call_id", String, nullable=False),
    Column("caller", Text, nullable=False),
    Column("caller_id", String, nullable=False),
    Column("method", String, nullable=False),
    Column("folder_id", String),
    Column("name", String),
    Column("labels", Text, nullable=False),
    Column("decision", String, nullable=False),
    Column("bundle", String, nullable=False),
    Column("idempotency_key", String, nullable=False),
    Column("trace_id", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("code", String),
    Column("operation_id", String),
    Column("operation_done", Boolean),
    Column("operation_code", String),
    Column("resource_id", String),
    Column("checksum", String),
    Column("owner", String),
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("due_us", BigInteger),
)
Index("ledger_calls_id", calls.c.id, unique=True)
Index("ledger_calls_call_id", calls.c.call_id)
for _name in ("operation_id", "resource_id", "due_us"):
    _set = calls.c[_name].is_not(None)
    Index(f"ledger_calls_{_name}", calls.c[_name], postgresql_where=_set, sqlite_where=_set)

_is_open = calls.c.outcome.in_(["pending", "unknown"])
Index("ledger_calls_open", calls.c.outcome, postgresql_where=_is_open, sqlite_where=_is_open)

keys = Table(
    "ledger_keys",
    metadata,
    Column("key", String, primary_key=True),
    Column("call", String, nullable=False),
    Column("request", String, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Index("ledger_keys_call", "call"),
)
"""The idempotency keys that callers sent, each as the SHA-256 of the caller's scope and the key."""

leases = Table(
    "ledger_leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("until_us", BigInteger, nullable=False),
)
"""The leases: one for each live replica, and one for each task that only one replica does."""

head = Table("ledger_head", metadata, Column("next_seq", BigInteger, nullable=False))
"""The sequence number of the next event, in one row. A commit locks this row, so commits are in order."""

tree = Table(
    "ledger_tree",
    metadata,
    Column("size", BigInteger, nullable=False),
    Column("edge", LargeBinary, nullable=False),
    Column("pruned", BigInteger, nullable=False),
)
"""The Merkle tree over the events, in one row: its size, its right edge, and the number of removed events."""

hashes = Table(
    "ledger_hashes",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)
"""The leaf hashes of events that retention removed. `seq` is the sequence number of the first one."""

checkpoints = Table(
    "ledger_checkpoints",
    metadata,
    Column("size", _SEQ, primary_key=True, autoincrement=False),
    Column("time_us", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
)
"""The checkpoints of the Merkle tree. A note is signed if a key is configured."""
