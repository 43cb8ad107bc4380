"""The commands as a user runs them: real processes, their output and their exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from gateway import __version__
from tests.commands import run_command
from tests.conftest import IMAGES, ROOT
from tests.policy.making import binding_text, policy_text
from tests.policy.test_variables import BOTH
from tests.processes import COMMAND, process_environment, serving, without_coverage


def run(*words: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        cwd=cwd,
        env=process_environment(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_version() -> None:
    assert run("version").stdout == f"{__version__}\n"


def test_version_is_an_option_too() -> None:
    assert run_command("--version").stdout == f"{__version__}\n"


def test_completion_imports_only_what_it_needs() -> None:
    heavy = "aiohttp asyncio cel_expr_python cryptography grpc logging orjson pydantic rich sqlalchemy"
    script = f"import sys, gateway.cli.program as _; print([m for m in {heavy.split()} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=without_coverage(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_help_lists_the_commands() -> None:
    text = run("--help").stdout
    for command in ("serve", "demo", "routes", "policy", "config", "version"):
        assert command in text


def test_routes() -> None:
    lines = [line.split() for line in run_command("routes").stdout.splitlines()]
    create = ["POST", IMAGES, "yandex.cloud.baremetal.v1alpha.ImageService/Create", "→", "baremetal"]
    assert create in lines
    wait = ["GET", "/operations/{operation_id}:wait", "baremetal_gateway.v1.Operations/Wait", "→", "gateway"]
    assert wait in lines
    assert len(lines) == 18


@pytest.mark.parametrize("words", [["--surprise"], ["surprise"], ["serve", "--config", "/nowhere.yaml"]])
def test_wrong_usage_is_2(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_configuration_names_file_line_and_key(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(
        "rest: {lisen: 127.0.0.1:1}\ncallers:\n  type: magic\nlimits: {deadline_s: -1}\n"
    )
    done = run("serve", "--config", "gateway.yaml", cwd=tmp_path, GATEWAY__WORKERS="4")
    assert done.returncode == 2
    assert "gateway.yaml:1:8: rest.lisen: unknown key; did you mean listen?" in done.stderr
    kinds = "'none', 'mtls', 'jwt' or 'tokens'"
    assert f"gateway.yaml:3:3: callers.type: 'magic' is not accepted; use {kinds}" in done.stderr
    assert "gateway.yaml:4:10: limits.deadline_s: " in done.stderr
    assert "GATEWAY__WORKERS: workers: " in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_without_a_bundle_does_not_start(tmp_path: Path) -> None:
    done = run("serve", cwd=tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path}/policies: policies.path: there is no bundle of policies here" in done.stderr
    assert "`baremetal-gateway policy init policies`" in done.stderr
    assert f"copy the default one from {ROOT}/policies" in done.stderr
    assert "GATEWAY__POLICIES__PATH" in done.stderr


def test_a_bad_context_of_opentelemetry_is_a_fault_without_a_traceback() -> None:
    done = run("serve", OTEL_PYTHON_CONTEXT="bad")
    assert done.returncode == 2
    assert done.stderr == "OTEL_PYTHON_CONTEXT: 'bad' is not accepted; use one of: contextvars_context\n"


def test_a_fifo_as_decision_log_does_not_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    done = run("serve", GATEWAY__DECISION_LOG__TYPE="file", GATEWAY__DECISION_LOG__PATH=f"{tmp_path}/fifo")
    assert done.returncode == 2
    assert f"{tmp_path}/fifo: decision_log.path: cannot be opened: neither a regular file" in done.stderr


def test_a_path_that_cannot_be_searched_is_named(tmp_path: Path) -> None:
    too_long = tmp_path / ("x" * 300)
    done = run("serve", GATEWAY__POLICIES__PATH=str(too_long))
    assert done.returncode == 2
    assert done.stderr == f"{too_long}: cannot be read: File name too long\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may search every folder")
def test_a_folder_that_may_not_be_searched_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    done = run("serve", GATEWAY__POLICIES__PATH=f"{tmp_path}/closed/policies")
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path}/closed/policies: cannot be read: Permission denied\n"


def test_plaintext_beyond_loopback_is_warned_of() -> None:
    upstream = "{address: 'api.example:1', tls: false}"
    with serving("serve", GATEWAY__UPSTREAMS__BAREMETAL=upstream) as (process, _, _):
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    (warning,) = [json.loads(line) for line in err.splitlines() if "plaintext" in line]
    assert (warning["level"], warning["key"]) == ("WARNING", "upstreams.baremetal.address")


def test_policy_check_and_test_of_the_bundle_that_ships() -> None:
    checked = run_command("policy", "check", "policies")
    assert checked.returncode == 0
    assert "no faults" in checked.stdout
    tested = run_command("policy", "test", "policies")
    assert tested.returncode == 0, tested.stdout
    assert ", 0 failed" in tested.stdout
    assert "never broken" not in tested.stdout


def test_policy_check_names_file_line_and_column(tmp_path: Path) -> None:
    text = (ROOT / "policies/naming.yaml").read_text()
    (tmp_path / "naming.yaml").write_text(text.replace("v1alpha.*: request.name", "v1alpha.*: request.nam"))
    done = run_command("policy", "check", str(tmp_path))
    assert done.returncode == 1
    line = next(number for number, one in enumerate(text.splitlines(), 1) if "v1alpha.*: request.name" in one)
    assert f"naming.yaml:{line}:" in done.stderr
    assert "undefined field 'nam'" in done.stderr


def test_policy_test_fails_with_a_difference(tmp_path: Path) -> None:
    for name in ("naming.yaml",):
        (tmp_path / name).write_text((ROOT / "policies" / name).read_text())
    (tmp_path / "tests.yaml").write_text(
        "apiVersion: baremetal-gateway/v1\nkind: Tests\nmetadata: {name: t}\ncases:\n"
        "  - name: wrong\n    method: yandex.cloud.baremetal.v1alpha.ImageService/Create\n"
        "    request: {name: noversion}\n    expect: {decision: deny}\n"
    )
    done = run_command("policy", "test", str(tmp_path))
    assert done.returncode == 1
    assert "expected deny, got allow" in done.stdout
    assert "warning naming/product-and-version: not expected" in done.stdout


def test_serve_with_the_configuration_that_ships() -> None:
    with serving("serve", "--config", "deploy/gateway.yaml") as (process, rest, admin):
        with urllib.request.urlopen(f"http://{admin}/metrics", timeout=10) as answer:
            assert b"gateway_calls_active" in answer.read() or rest
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0
    assert "Traceback" not in err


def test_a_rule_that_reads_what_callers_do_not_have_is_warned_of_at_the_start(tmp_path: Path) -> None:
    bundle = tmp_path / "p.yaml"
    bundle.write_text(policy_text("'admins' in caller.groups", methods=BOTH) + binding_text())
    with serving("serve", GATEWAY__POLICIES__PATH=str(bundle)) as (process, _, _):
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    (line,) = [told for told in map(json.loads, err.splitlines()) if told["level"] == "WARNING"]
    assert line["callers"] == "none"
    (fault,) = line["faults"]
    assert fault.startswith("p.yaml:12:")
    assert "reads caller.groups: " in fault
