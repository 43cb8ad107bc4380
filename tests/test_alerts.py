"""The rules of Prometheus, checked and tested by its own tool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.conftest import ROOT
from tests.dashboards import ALERTS
from tests.prometheus_server import RULES, program

CASES = ROOT / "tests/alerts.yaml"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("promtool"), *arguments], check=False, capture_output=True, text=True)


def write_cases(folder: Path, rules: Path = RULES) -> str:
    path = folder / "cases.yaml"
    path.write_text(CASES.read_text(encoding="utf-8").replace("RULES", str(rules)))
    return str(path)


def test_the_rules_are_valid() -> None:
    done = run("check", "rules", "--lint=all", "--lint-fatal", str(RULES))
    assert done.returncode == 0, done.stderr
    assert f"SUCCESS: {len(ALERTS)} rules found" in done.stdout


def test_the_rules_fire_when_they_should(tmp_path: Path) -> None:
    done = run("test", "rules", write_cases(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_changed_threshold_is_found(tmp_path: Path) -> None:
    changed = tmp_path / "rules.yaml"
    changed.write_text(RULES.read_text(encoding="utf-8").replace("> 0.05", "> 0.5"))
    assert run("test", "rules", write_cases(tmp_path, changed)).returncode == 1


def test_each_alert_has_a_test_a_severity_and_texts() -> None:
    tested = set(re.findall(r"Gateway\w+", CASES.read_text(encoding="utf-8")))
    assert {one["alert"] for one in ALERTS} == tested
    for one in ALERTS:
        assert one["labels"]["severity"] in {"critical", "warning"}
        assert set(one["annotations"]) == {"summary", "runbook"}
