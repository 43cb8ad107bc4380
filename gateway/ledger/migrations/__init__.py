"""The migrations of the ledger's tables, written with Alembic."""
