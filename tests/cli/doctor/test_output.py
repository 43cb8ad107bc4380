"""The forms of the output."""

from __future__ import annotations

import json

import pytest

from gateway.cli.doctor.output import print_results
from gateway.cli.doctor.report import CheckReport


@pytest.fixture
def report() -> CheckReport:
    report = CheckReport("upstreams")
    report.ok("a", "responds")
    report.find("b", "[bold]refuses[/bold]", "start it")
    return report


def test_lines(report: CheckReport, capsys: pytest.CaptureFixture[str]) -> None:
    print_results(report.results, is_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "ok: upstreams: a: responds",
        "finding: upstreams: b: [bold]refuses[/bold]",
        "  fix: start it",
        "1 finding",
    ]


def test_without_findings(capsys: pytest.CaptureFixture[str]) -> None:
    print_results([], is_json=False)
    assert capsys.readouterr().out == "no findings\n"


def test_json(report: CheckReport, capsys: pytest.CaptureFixture[str]) -> None:
    print_results(report.results, is_json=True)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"check": "upstreams", "subject": "a", "status": "ok", "message": "responds", "fix": ""}
    assert second["fix"] == "start it"


def test_a_table_on_a_terminal(
    report: CheckReport, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "100")
    print_results(report.results, is_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["STATUS", "CHECK", "SUBJECT", "RESULT"]
    assert "[bold]refuses[/bold]" in lines[2]
    assert lines[3].strip() == "fix: start it"
    assert lines[4] == "1 finding"
