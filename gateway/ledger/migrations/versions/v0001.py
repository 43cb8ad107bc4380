"""Create the tables of the ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # an INTEGER key is the row's own number in SQLite


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "ledger_events",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("call", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ledger_events_call", "ledger_events", ["call"])
    _create_calls()
    op.create_table(
        "ledger_keys",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("call", sa.String, nullable=False),
        sa.Column("request", sa.String, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
    )
    op.create_index("ledger_keys_call", "ledger_keys", ["call"])
    op.create_table(
        "ledger_leases",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("until_us", sa.BigInteger, nullable=False),
    )
    _create_tree()


def _create_tree() -> None:
    """Create the tables of the order of events, and of the Merkle tree over them."""
    op.create_table("ledger_head", sa.Column("next_seq", sa.BigInteger, nullable=False))
    op.execute("INSERT INTO ledger_head (next_seq) VALUES (0)")
    op.create_table(
        "ledger_tree",
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("edge", sa.LargeBinary, nullable=False),
        sa.Column("pruned", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO ledger_tree (size, edge, pruned) VALUES (0, '', 0)")
    op.create_table(
        "ledger_hashes",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "ledger_checkpoints",
        sa.Column("size", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )


def _create_calls() -> None:
    op.create_table(
        "ledger_calls",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("call_id", sa.String, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("caller_id", sa.String, nullable=False),
        sa.Column("method", sa.String, nullable=False),
        sa.Column("folder_id", sa.String),
        sa.Column("name", sa.String),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("decision", sa.String, nullable=False),
        sa.Column("bundle", sa.String, nullable=False),
        sa.Column("idempotency_key", sa.String, nullable=False),
        sa.Column("trace_id", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("code", sa.String),
        sa.Column("operation_id", sa.String),
        sa.Column("operation_done", sa.Boolean),
        sa.Column("operation_code", sa.String),
        sa.Column("resource_id", sa.String),
        sa.Column("checksum", sa.String),
        sa.Column("owner", sa.String),
        sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due_us", sa.BigInteger),
    )
    op.create_index("ledger_calls_id", "ledger_calls", ["id"], unique=True)
    op.create_index("ledger_calls_call_id", "ledger_calls", ["call_id"])
    is_open = sa.text("outcome IN ('pending', 'unknown')")
    op.create_index(
        "ledger_calls_open", "ledger_calls", ["outcome"], postgresql_where=is_open, sqlite_where=is_open
    )
    for name in ("operation_id", "resource_id", "due_us"):
        is_set = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"ledger_calls_{name}", "ledger_calls", [name], postgresql_where=is_set, sqlite_where=is_set
        )
