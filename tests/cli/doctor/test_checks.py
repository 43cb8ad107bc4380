"""All checks together, within a total time."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.doctor import checks
from gateway.cli.doctor.checks import CHECKS, Diagnosis
from gateway.cli.doctor.examination import Examination
from gateway.cli.doctor.report import CheckReport
from tests.cli.doctor.examining import make_examination, one_upstream, serve_bytes
from tests.conftest import ROOT


async def diagnose(examination: Examination, timeout_s: float = 60.0) -> Diagnosis:
    diagnosis = Diagnosis()
    await diagnosis.run(examination, timeout_s)
    return diagnosis


async def test_each_check_has_results_in_a_fixed_order(emulator: Any, tmp_path: Path) -> None:
    upstream = {"address": emulator.address, "tls": False}
    sections: dict[str, Any] = {"upstreams": {"baremetal": upstream, "operation": upstream}}
    diagnosis = await diagnose(make_examination(tmp_path, **sections))
    assert not diagnosis.has_findings, diagnosis.results
    # Without TLS, there are no certificates.
    assert list(dict.fromkeys(one.check for one in diagnosis.results)) == [
        name for name in CHECKS if name != "certificates"
    ]


async def test_checks_run_at_the_same_time_within_the_total_time(tmp_path: Path) -> None:
    async with serve_bytes(None) as address:
        callers = {
            "type": "jwt",
            "jwt": {"jwks_url": f"http://{address}/", "issuer": "https://id.example", "audience": "gateway"},
        }
        sections = {
            **one_upstream(address),
            "callers": callers,
            "ledger": {"url": f"postgresql://a:b@{address}/c"},
            "limits": {"store": f"redis://{address}", "rate": "1/second"},
            "credentials": {"type": "metadata", "address": address},
        }
        started = time.monotonic()
        diagnosis = await diagnose(make_examination(tmp_path, **sections), 4.0)
        took_s = time.monotonic() - started
    assert took_s < 5.5
    found = {one.check for one in diagnosis.results if one.fix}
    assert {"upstreams", "callers", "ledger", "limits", "credentials"} <= found


async def _hang(_: Examination, report: CheckReport) -> None:
    report.ok("a", "the first half")
    await asyncio.sleep(60)


async def _fail(_: Examination, report: CheckReport) -> None:
    report.ok("a", "the first half")
    raise ValueError("canary")


async def _pass(_: Examination, report: CheckReport) -> None:
    report.ok("a", "all")


async def _run(monkeypatch: pytest.MonkeyPatch, folder: Path, **replaced: Any) -> Diagnosis:
    monkeypatch.setattr(checks, "CHECKS", {"first": _pass, **replaced, "last": _pass})
    diagnosis = Diagnosis([CheckReport(name) for name in checks.CHECKS])
    await diagnosis.run(make_examination(folder), 0.3)
    return diagnosis


async def test_a_check_that_does_not_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    diagnosis = await _run(monkeypatch, tmp_path, slow=_hang)
    assert [(one.check, one.message) for one in diagnosis.results] == [
        ("first", "all"),
        ("slow", "the first half"),
        ("slow", "the check did not end within 0.3 s"),
        ("last", "all"),
    ]


async def test_a_check_that_fails_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    diagnosis = await _run(monkeypatch, tmp_path, broken=_fail)
    assert [one.message for one in diagnosis.results if one.check == "broken"] == [
        "the first half", "the check itself has failed: ValueError",
    ]  # fmt: skip
    assert diagnosis.has_findings


def test_the_documentation_describes_each_check() -> None:
    text = (ROOT / "docs" / "doctor.md").read_text()
    assert [name for name in CHECKS if f"| `{name}` |" not in text] == []
