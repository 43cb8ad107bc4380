"""Checks a PostgreSQL database of the ledger."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from gateway.cli.doctor.clock import report_difference
from gateway.cli.doctor.ledger_version import report_version
from gateway.cli.doctor.report import describe_os_error, quote_peer
from gateway.ledger.columns import PREFIX

if TYPE_CHECKING:
    from gateway.cli.doctor.examination import Examination
    from gateway.cli.doctor.report import CheckReport

_FACTS = (
    "SELECT current_setting('server_version'), extract(epoch FROM clock_timestamp())::float8, "
    "pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on', "
    "has_schema_privilege(current_schema(), 'CREATE'), current_user::text"
)
_TABLES = (
    "SELECT relname::text, has_table_privilege(oid, 'INSERT, UPDATE, DELETE') FROM pg_class "
    "WHERE relkind = 'r' AND starts_with(relname, $1) AND pg_table_is_visible(oid)"
)


async def check_postgres(url: str, subject: str, examination: Examination, report: CheckReport) -> None:
    """Connect to a database, and check its version, its tables, and what the user may do.

    Args:
        url: the URL of the database, with the password.
        subject: the same URL without the password.
        examination: what is examined.
        report: the report.
    """
    import asyncpg

    try:
        connection = await asyncpg.connect(
            url, timeout=examination.step_s, command_timeout=examination.step_s, statement_cache_size=0
        )
    except Exception as error:  # noqa: BLE001 - the driver raises errors of many kinds
        report.find(subject, *_explain(error, examination.step_s))
        return
    try:
        await _examine(connection, subject, report)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        report.find(subject, *_explain(error, examination.step_s))
    finally:
        connection.terminate()


async def _examine(connection: Any, subject: str, report: CheckReport) -> None:
    before = time.time()
    version, clock, is_read_only, may_create, user = await connection.fetchrow(_FACTS)
    after = time.time()
    report.ok(subject, f"PostgreSQL {version} responds")
    report_difference("the database", clock - (before + after) / 2, report, max_skew_s=1.0)
    tables = dict(await connection.fetch(_TABLES, PREFIX))
    if is_read_only:
        report.find(
            subject,
            "the server is a standby, or allows only reads",
            "set ledger.url to the primary server; with several hosts, add `?target_session_attrs=primary`",
        )
    if not tables and not may_create:
        report.find(
            subject,
            f"the user {user} may not create the tables of the ledger",
            f"GRANT CREATE ON SCHEMA public TO {user}; or run the first start as the owner of the database",
        )
    refused = sorted(name for name, may_write in tables.items() if not may_write)
    if refused:
        report.find(
            subject,
            f"the user {user} may not write the tables {', '.join(refused)}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(refused)} TO {user}",
        )
    found = None
    if f"{PREFIX}version" in tables:
        found = await connection.fetchval(f"SELECT version_num FROM {PREFIX}version")  # noqa: S608 - constants
    report_version(subject, found, report, has_tables=bool(tables))


def _explain(error: Exception, timeout_s: float) -> tuple[str, str]:
    """Return a text about an error, and its fix. The text of an error may hold a part of the password."""
    import asyncpg

    known: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, str], ...] = (
        (
            TimeoutError,
            f"the database does not respond within {timeout_s:g} s",
            "check the server, and the firewall between it and this machine",
        ),
        (
            (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError),
            "the server does not accept the user or the password of ledger.url",
            "correct them; in the URL, write special characters as %XX",
        ),
        (
            asyncpg.InvalidCatalogNameError,
            "the server has no database of this name",
            "create the database, or correct ledger.url",
        ),
        (
            asyncpg.TooManyConnectionsError,
            "the server accepts no more connections",
            "raise max_connections of the server; a gateway needs two connections",
        ),
        (asyncpg.PostgresError, f"the server refuses: {quote_peer(str(error))}", "see the log of the server"),
        (
            OSError,
            f"cannot connect: {describe_os_error(error) if isinstance(error, OSError) else ''}",
            "start the server, or correct host and port in ledger.url",
        ),
        (
            ValueError,
            "ledger.url is malformed",
            "check host and port; in a user name or a password, write special characters as %XX",
        ),
    )
    for kinds, message, fix in known:
        if isinstance(error, kinds):
            return message, fix
    return f"cannot be used ({type(error).__name__})", "see the log of the server"
