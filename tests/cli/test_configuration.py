"""The commands `config check` and `config show`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import trustme

from gateway.bundles import LastGood, read_bundle
from tests.cli.test_program import run as run_process
from tests.commands import Finished, run_command
from tests.conftest import ROOT
from tests.policy.making import CREATE, binding_text, policy_text
from tests.processes import COMMAND, process_environment
from tests.screens import Screen

CANARY = "hunter2"
CREATES = [CREATE, "yandex.cloud.baremetal.v2.BootImageService/CreateBootImage"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a bundle."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/p.yaml").write_text(policy_text("method != ''", methods=CREATES) + binding_text())
    return tmp_path


def check(folder: Path, text: str, *words: str, **environment: str) -> Finished:
    (folder / "gateway.yaml").write_text(text)
    return run_command("config", "check", "--config", "gateway.yaml", *words, cwd=folder, **environment)


def faults(done: Finished, folder: Path) -> list[str]:
    """Return the faults without the lines of the file."""
    lines = done.stderr.replace(f"{folder}/", "").splitlines()
    return [line for line in lines if not line.startswith("  ")]


def test_a_configuration_without_faults(folder: Path) -> None:
    before = {*folder.rglob("*")}
    done = check(folder, "decision_log: {type: file}\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "gateway.yaml: no faults\n", "")
    assert json.loads(check(folder, "", "--json").stdout) == {"faults": []}
    assert {*folder.rglob("*")} == {*before, folder / "gateway.yaml"}
    assert run_command("config", "check", cwd=folder).stdout == "configuration: no faults\n"


def test_faults_of_keys_and_variables_are_reported_as_serve_reports_them(folder: Path) -> None:
    environment = {"GATEWAY__WORKERS": "4", "OTEL_TRACES_EXPORTER": "magic"}
    done = check(folder, "rest: {lisen: 1}\nlimits: {deadline_s: -1}\n", **environment)
    assert done.returncode == 1
    found = faults(done, folder)
    assert [line.partition(": ")[0] for line in found] == [
        "OTEL_TRACES_EXPORTER",
        "gateway.yaml:1:8",
        "gateway.yaml:2:10",
        "GATEWAY__WORKERS",
    ]
    served = run_process("serve", "--config", "gateway.yaml", cwd=folder, GATEWAY__WORKERS="4")
    assert served.returncode == 2
    assert set(served.stderr.splitlines()) < set(done.stderr.splitlines())


def test_faults_of_everything_that_is_named_are_reported_at_once(folder: Path) -> None:
    for name in ("ca.pem", "key.pem"):
        (folder / name).write_text("nothing")
    own = trustme.CA().issue_cert("localhost")
    own.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    done = check(
        folder,
        "rest: {tls: {certificate: certificate.pem, key: none.pem}}\n"
        "grpc: {tls: {certificate: certificate.pem, key: key.pem, client_ca: ca.pem}}\n"
        "upstreams: {baremetal: {root_certificates: ca.pem}}\n"
        "policies: {public_key: key.pem}\n"
        "decision_log: {type: file, path: no/decisions.jsonl}\n"
        "ledger: {url: 'sqlite:///no/ledger.db', signing_key: key.pem}\n",
    )
    assert done.returncode == 1
    keys = [": ".join(line.split(": ")[:2]) for line in faults(done, folder)]
    assert keys == [
        "no/decisions.jsonl: decision_log.path",
        "sqlite:///no/ledger.db: ledger.url",
        "ca.pem: upstreams.baremetal.root_certificates",
        "none.pem: rest.tls.key",
        "key.pem: grpc.tls.key",
        "ca.pem: grpc.tls.client_ca",
        "key.pem: ledger.signing_key",
        "key.pem: policies.public_key",
    ]


def test_faults_of_the_bundle_and_its_shadow_are_reported(folder: Path) -> None:
    LastGood(folder / "last-good-bundle.json").save(read_bundle(folder / "policies"))
    (folder / "policies/p.yaml").write_text(policy_text("request.nome != ''") + binding_text())
    done = check(folder, "policies: {on_error: last_good}\n")
    assert done.returncode == 1
    assert "undefined field 'nome'" in done.stderr
    (folder / "policies/p.yaml").write_text(policy_text("request.name != ''") + binding_text())
    (folder / "shadow.yaml").write_text(policy_text("request.nume != ''") + binding_text())
    done = check(folder, "policies: {shadow: shadow.yaml}\n")
    assert done.returncode == 1
    assert "undefined field 'nume'" in done.stderr
    done = check(folder, "policies: {shadow: nothing.yaml}\n", "--json")
    assert done.returncode == 1
    (fault,) = json.loads(done.stdout)["faults"]
    assert "nothing.yaml" in fault["file"]


def test_a_file_that_cannot_be_read_is_a_fault_and_wrong_usage_is_2(folder: Path) -> None:
    done = run_command("config", "check", "--config", "none.yaml", cwd=folder, GATEWAY__REST="[")
    assert done.returncode == 1
    assert "none.yaml: cannot be read: No such file or directory" in done.stderr
    assert "GATEWAY__REST: not valid YAML" in done.stderr
    assert run_command("config", "check", "--no-such-option").returncode == 2


def test_what_a_start_would_warn_of_is_shown(folder: Path) -> None:
    (folder / "policies/p.yaml").write_text(
        policy_text("'admins' in caller.groups", methods=CREATES) + binding_text()
    )
    done = check(folder, "")
    assert (done.returncode, done.stdout) == (0, "gateway.yaml: no faults\n")
    warning, fault = done.stderr.splitlines()
    assert warning == "warning: policies read facts about callers that the configured callers do not have"
    assert "p.yaml:12:" in fault


def test_a_check_beside_a_gateway_does_not_touch_its_files(folder: Path) -> None:
    (folder / "decisions.jsonl").write_text('{"record": "that is just being wri')
    assert check(folder, "decision_log: {type: file}\n").returncode == 0
    assert (folder / "decisions.jsonl").read_text() == '{"record": "that is just being wri'


def show(folder: Path, *words: str, **environment: str) -> Finished:
    (folder / "gateway.yaml").write_text(
        f"limits:\n  concurrency: 7\nledger: {{url: 'postgresql://me:{CANARY}@db/l'}}\n"
    )
    return run_command("config", "show", "--config", "gateway.yaml", *words, cwd=folder, **environment)


def test_values_are_shown_with_their_sources(folder: Path) -> None:
    done = show(folder, GATEWAY__REST__LISTEN="[::1]:80", GATEWAY__POLICIES__PATH="'true'")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    for line in (
        'rest.listen = "[::1]:80"  # GATEWAY__REST__LISTEN',
        "rest.tls = null  # default",
        "limits.concurrency = 7  # gateway.yaml:2",
        "ledger.url = postgresql://me:***@db/l  # gateway.yaml:3",
        "ledger.retention = 400d  # default",
        "policies.reload = true  # default",
        'policies.path = "true"  # GATEWAY__POLICIES__PATH',
        "api.descriptor_sets = []  # default",
        "api.services.yandex.cloud.operation.OperationService = operation  # default",
    ):
        assert line in lines
    assert CANARY not in done.stdout


def test_values_as_json_lines(folder: Path) -> None:
    lines = [json.loads(line) for line in show(folder, "--json").stdout.splitlines()]
    assert all(line.keys() == {"key", "value", "source"} for line in lines)
    assert {"key": "limits.concurrency", "value": 7, "source": "gateway.yaml:2"} in lines
    assert CANARY not in str(lines)


def test_a_configuration_with_faults_is_not_shown(folder: Path) -> None:
    done = show(folder, GATEWAY__WORKERS="x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("GATEWAY__WORKERS: workers: ")


def test_a_terminal_shows_a_table(folder: Path) -> None:
    show(folder)
    with Screen() as screen:
        process = subprocess.Popen(
            [*COMMAND, "config", "show", "--config", "gateway.yaml"],
            cwd=folder,
            env=process_environment({"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "160"}),
            stdout=screen.follower,
            stderr=subprocess.PIPE,
        )
        screen.close_follower()
        screen.wait_for("workers")
        assert process.communicate(timeout=60)[1] == b""
        shown = screen.read_all()
    (row,) = [line for line in shown.splitlines() if "limits.concurrency" in line]
    assert row.split() == ["limits.concurrency", "7", "gateway.yaml:2"]
    assert "KEY" in shown
    assert " = " not in shown
    assert CANARY not in shown
