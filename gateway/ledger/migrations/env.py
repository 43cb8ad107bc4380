"""The environment in which Alembic runs the migrations. It only prints SQL (offline mode)."""

from alembic import context

context.configure(
    dialect_name=context.config.attributes["dialect"],
    version_table="ledger_version",
    output_buffer=context.config.attributes["buffer"],
    transactional_ddl=False,
)
context.run_migrations()
