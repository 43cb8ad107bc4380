"""How commands find the ledger, and which times they understand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from gateway.cli.command_line import WrongUsageError
from gateway.cli.ledger_access import MOMENT, open_configuration
from tests.commands import run_command


def convert(text: str) -> datetime:
    found: datetime = MOMENT.convert(text, None, None)
    return found


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("0s", timedelta()),
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("2h", timedelta(hours=2)),
        ("400d", timedelta(days=400)),
    ],
)
def test_an_age(text: str, age: timedelta) -> None:
    assert abs(datetime.now(UTC) - age - convert(text)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-29T12:00:00Z", datetime(2026, 11, 29, 12, tzinfo=UTC)),
        ("2026-11-29T12:00:00", datetime(2026, 11, 29, 12, tzinfo=UTC)),
        ("2026-11-29", datetime(2026, 11, 29, tzinfo=UTC)),
        ("2026-11-29T12:00:00.5+03:00", datetime(2026, 11, 29, 9, 0, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_a_time(text: str, expected: datetime) -> None:
    assert convert(text) == expected
    assert MOMENT.convert(expected, None, None) is expected


@pytest.mark.parametrize(
    "text", ["", "h", "2 h", "-2h", "2w", "1.5h", "999999999d", "9999999d", "12:00", "²h"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(click.BadParameter):
        convert(text)


def test_a_given_url_needs_no_configuration() -> None:
    for url in ("sqlite:///x.db", "postgresql://h/x", "postgres://h/x"):
        assert open_configuration(url, None) == (url, None)
    with pytest.raises(WrongUsageError):
        open_configuration("sqlite://x.db", None)


COMMANDS = {
    "list": ("audit", "list"),
    "settle": ("audit", "settle", "x", "--outcome", "ok", "--reason", "seen"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "url",
    ["postgresql://me:pa55/word@db/ledger", "postgresql://me:pa55@db:port/ledger"],
    ids=["slash", "port"],
)
def test_a_malformed_url_shows_no_password(command: str, url: str) -> None:
    done = run_command(*COMMANDS[command], "--ledger", url)
    assert done.returncode == 2
    assert "pa55" not in done.stdout + done.stderr
    assert "malformed" in done.stderr
