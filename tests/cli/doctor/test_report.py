"""The results of a check, and what may be shown in them."""

from __future__ import annotations

import errno

import pytest

from gateway.cli.doctor.report import CheckReport, describe_os_error, quote_peer


def test_results_are_json() -> None:
    report = CheckReport("upstreams")
    report.ok("a", "responds")
    report.skip("b", "not used")
    report.find("c", "refuses", "start it")
    assert [one.to_json() for one in report.results] == [
        {"check": "upstreams", "subject": "a", "status": "ok", "message": "responds", "fix": ""},
        {"check": "upstreams", "subject": "b", "status": "skipped", "message": "not used", "fix": ""},
        {"check": "upstreams", "subject": "c", "status": "finding", "message": "refuses", "fix": "start it"},
    ]


def test_a_result_is_one_line_without_control_characters() -> None:
    report = CheckReport("files")
    report.find("a\nb", "c\x1b[31m", "d\te")
    (one,) = report.results
    assert (one.subject, one.message, one.fix) == (r"a\u000ab", r"c\u001b[31m", r"d\u0009e")


def test_a_text_of_a_peer_is_redacted_and_short() -> None:
    assert quote_peer(" password=canary\n ") == "password=…"
    assert len(quote_peer("x" * 10_000)) < 400


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (OSError("Multiple exceptions: [Errno 111] …"), "no address of the host accepts a connection"),
    ],
    ids=["one", "several"],
)
def test_the_reason_of_an_error(error: OSError, text: str) -> None:
    assert describe_os_error(error) == text
