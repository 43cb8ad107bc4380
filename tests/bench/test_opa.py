"""OPA as the policy server of the comparison."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bench.opa import find_opa, opa_command, opa_version


def test_without_the_variable_there_is_no_opa(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_BENCH_OPA", raising=False)
    assert find_opa() is None


def test_a_wrong_path_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GATEWAY_BENCH_OPA", str(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError, match="GATEWAY_BENCH_OPA"):
        find_opa()


def test_the_version_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    binary = tmp_path / "opa-envoy"
    binary.write_text("#!/bin/sh\nprintf 'Version: 1.9.0\\nBuild Commit: x\\n'\n", encoding="utf-8")
    binary.chmod(0o700)
    monkeypatch.setenv("GATEWAY_BENCH_OPA", str(binary))
    found = find_opa()
    assert found == binary
    assert opa_version(binary) == "1.9.0"


def test_the_command_names_a_policy_and_a_configuration(tmp_path: Path) -> None:
    config = tmp_path / "opa.json"
    command = opa_command(Path("opa-envoy"), config, listen="127.0.0.1:1", collector="127.0.0.1:2")
    policy = Path(command[-1])
    assert policy.read_text(encoding="utf-8").count("violations contains") == 7
    written = json.loads(config.read_text(encoding="utf-8"))
    plugin = written["plugins"]["envoy_ext_authz_grpc"]
    assert (plugin["addr"], written["distributed_tracing"]["address"]) == ("127.0.0.1:1", "127.0.0.1:2")
    files = FileDescriptorSet.FromString(Path(plugin["proto-descriptor"]).read_bytes())
    assert files.file
    assert not any(file.HasField("source_code_info") for file in files.file)
