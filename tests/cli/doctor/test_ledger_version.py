"""Whether this gateway can use the tables of a database."""

from __future__ import annotations

import pytest

from gateway.cli.doctor import ledger_version
from gateway.cli.doctor.ledger_version import report_version
from gateway.cli.doctor.report import CheckReport


@pytest.mark.parametrize(
    ("version", "has_tables", "status", "message"),
    [
        ("0001", True, "ok", "version 0001 of the tables"),
        (None, False, "ok", "it has no tables yet; the first start creates them"),
        (None, True, "finding", "has tables that are not the ledger of a gateway; use another database"),
        ("9", True, "finding", "has version '9', which this gateway does not know; a newer gateway wrote it"),
    ],
    ids=["present", "empty", "foreign", "newer"],
)
def test_a_version(version: str | None, status: str, message: str, *, has_tables: bool) -> None:
    report = CheckReport("ledger")
    report_version("a", version, report, has_tables=has_tables)
    (one,) = report.results
    assert (one.status, one.message) == (status, message)


def test_an_older_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_version, "VERSION", "0002")
    report = CheckReport("ledger")
    report_version("a", "0001", report, has_tables=True)
    assert report.results[0].message == (
        "version 0001 of the tables; the next start changes them to version 0002"
    )
