"""Reports whether this gateway can use the tables of a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.ledger.columns import VERSION
from gateway.ledger.schema_version import SchemaVersionError, check_version

if TYPE_CHECKING:
    from gateway.cli.doctor.report import CheckReport


def report_version(subject: str, version: str | None, report: CheckReport, *, has_tables: bool) -> None:
    """Add whether this gateway can use the tables of a database."""
    try:
        check_version(version, has_tables=has_tables)
    except SchemaVersionError as error:
        report.find(
            subject,
            str(error),
            "run the version of the gateway that wrote it, or a newer one; or set ledger.url to another one"
            if version is not None
            else "set ledger.url to a database of its own",
        )
        return
    if version is None:
        report.ok(subject, "it has no tables yet; the first start creates them")
    elif version != VERSION:
        report.ok(
            subject, f"version {version} of the tables; the next start changes them to version {VERSION}"
        )
    else:
        report.ok(subject, f"version {version} of the tables")
