"""Clocks of peers that differ from the clock of this machine."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from gateway.cli.doctor.clock import check_clock, find_skew, report_difference
from gateway.cli.doctor.report import CheckReport
from tests.cli.doctor.examining import NOBODY, examine, find, make_examination
from tests.service_accounts import write_key

NOON = "Sun, 29 Nov 2026 12:00:00 GMT"
NOON_S = datetime(2026, 11, 29, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (0.0, 0.4, 0.0),
        (0.3, 0.9, 0.0),  # the date has whole seconds
        (-0.5, 0.5, 0.0),
        (1.5, 2.0, -0.5),
        (-9.0, -7.0, 7.0),
        (60.0, 61.0, -59.0),
    ],
)
def test_the_difference_of_a_date(before: float, after: float, expected: float) -> None:
    assert find_skew(NOON, NOON_S + before, NOON_S + after) == pytest.approx(expected)


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 99 Nov 2026 12:00:00 GMT"])
def test_without_a_date_nothing_is_known(date: str) -> None:
    assert find_skew(date, 0, 1) is None


def test_a_small_difference_is_no_finding() -> None:
    report = CheckReport("clock")
    report_difference("a", 4.0, report)
    report_difference("a", 6.0, report)
    assert [one.status for one in report.results] == ["ok", "finding"]


@asynccontextmanager
async def serve_date(ahead: timedelta, context: object = None) -> AsyncIterator[int]:
    async def respond(_: web.BaseRequest) -> web.Response:
        date = format_datetime(datetime.now(UTC) + ahead, usegmt=True)
        return web.Response(status=404, headers={"Date": date})

    runner = web.ServerRunner(web.Server(respond))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()  # type: ignore[arg-type]
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def jwt_callers(url: str) -> dict[str, object]:
    return {"type": "jwt", "jwt": {"jwks_url": url, "issuer": "https://id.example", "audience": "gateway"}}


async def test_the_issuer_of_keys_has_another_time(tmp_path: Path) -> None:
    async with serve_date(timedelta(minutes=10)) as port:
        (one,) = await find(
            check_clock, make_examination(tmp_path, callers=jwt_callers(f"http://127.0.0.1:{port}/keys"))
        )
    assert one.message.endswith(f"s behind that of 127.0.0.1:{port}")


async def test_the_iam_service_and_the_token_exchange_have_another_time(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    roots = tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(roots)
    (tmp_path / "token").write_text("a-token-of-the-workload")
    async with serve_date(timedelta(hours=-1), context) as port:
        iam = {
            "type": "service_account_key",
            "file": str(write_key(tmp_path / "key.json")),
            "iam": f"localhost:{port}",
            "root_certificates": str(roots),
        }
        exchange = {
            "type": "workload_identity",
            "service_account_id": "aje",
            "token_file": str(tmp_path / "token"),
            "url": f"https://localhost:{port}/oauth",
            "root_certificates": str(roots),
        }
        upstreams = {
            "baremetal": {"address": NOBODY, "tls": False, "credentials": iam},
            "operation": {"address": NOBODY, "tls": False, "credentials": exchange},
        }
        found = await find(check_clock, make_examination(tmp_path, upstreams=upstreams))
    assert len(found) == 2
    assert {one.message.split(" s ")[1] for one in found} == {f"ahead of that of localhost:{port}"}


async def test_without_a_service_that_sends_its_time(tmp_path: Path) -> None:
    (one,) = await examine(check_clock, make_examination(tmp_path))
    assert one.status == "skipped"


async def test_a_service_that_cannot_be_reached_is_no_finding_here(tmp_path: Path) -> None:
    callers = jwt_callers(f"http://{NOBODY}/keys")
    (one,) = await examine(check_clock, make_examination(tmp_path, callers=callers))
    assert one.status == "skipped"
