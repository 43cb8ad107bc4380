"""The section of the ledger."""

from __future__ import annotations

import pytest

from gateway.config import Config
from gateway.config.ledger import LedgerSection


def test_the_ledger_s_durations_and_limits() -> None:
    section = LedgerSection()
    assert (section.enabled, section.url, section.durability) == (True, "sqlite:///ledger.db", "power")
    assert (section.when_full, section.capacity, section.lease_s) == ("drop", 4096, 15)
    assert (section.retention, section.idempotency_retention, section.resend_within) == (
        400 * 86400,
        86400,
        3600,
    )


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///ledger.db",
        "sqlite:////var/lib/baremetal-gateway/ledger.db",
        "postgresql://gateway:hunter2@db.example:6432/ledger",
        "postgres://gateway@db.example/ledger",
        "postgresql://gateway:p%2Fw%40@[::1]:5432/ledger?sslmode=verify-full",
        "postgresql:///ledger?host=/run/postgresql",
    ],
)
def test_databases_of_the_ledger(url: str) -> None:
    assert LedgerSection(url=url).url == url


def test_what_is_shown_of_a_configuration_holds_no_password() -> None:
    config = Config(ledger=LedgerSection(url="postgresql://gateway:hunter2@db.example/ledger"))
    assert "hunter2" not in f"{config!r} {config} {config.ledger!r} {config.ledger}"
