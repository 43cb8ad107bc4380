"""OPA with its Envoy plugin, as the policy server of Envoy's ext_authz filter.

No package registry has it, so it is measured only where GATEWAY_BENCH_OPA names its binary.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bench.processes import ROOT

BINARY_VARIABLE = "GATEWAY_BENCH_OPA"
"""The path of the binary `opa-envoy`."""

_POLICY = ROOT / "bench/policy.rego"


def find_opa() -> Path | None:
    """Return the path of the binary; None if the variable is not set.

    Raises:
        FileNotFoundError: the variable names no file.
    """
    name = os.environ.get(BINARY_VARIABLE)
    if not name:
        return None
    path = Path(name)
    if not path.is_file():
        raise FileNotFoundError(f"{BINARY_VARIABLE} is {name}, and there is no such file")
    return path


def opa_version(binary: Path) -> str:
    """Return the version of the binary."""
    text = subprocess.run([binary, "version"], capture_output=True, text=True, check=True).stdout
    return text.partition("Version: ")[2].split()[0]


def opa_command(binary: Path, config: Path, *, listen: str, collector: str) -> list[str]:
    """Write the configuration of OPA, and return the command that starts it.

    Decisions are logged to the standard output. Spans are exported four times a second, as by the others.

    Args:
        binary: the path of OPA.
        config: the file to write; its name ends in .json.
        listen: the address of the policy server.
        collector: the address for OTLP.
    """
    descriptors = config.with_suffix(".binpb")
    descriptors.write_bytes(_descriptors_without_comments())
    content = {
        "plugins": {
            "envoy_ext_authz_grpc": {
                "addr": listen,
                "path": "envoy/authz/decision",
                "proto-descriptor": str(descriptors),
            }
        },
        "decision_logs": {"console": True},
        "distributed_tracing": {
            "type": "grpc",
            "address": collector,
            "service_name": "opa",
            "sample_percentage": 100,
            "encryption": "off",
            "batch_span_processor_options": {"batch_timeout_ms": 250},
        },
    }
    config.write_text(json.dumps(content), encoding="utf-8")
    no_port = ["--addr", f"unix://{config.with_suffix('.socket')}", "--diagnostic-addr", "127.0.0.1:0"]
    return [str(binary), "run", "--server", *no_port, "--config-file", str(config), str(_POLICY)]


def _descriptors_without_comments() -> bytes:
    """Return the descriptors of the API. OPA refuses comments that have no position in a file."""
    files = FileDescriptorSet.FromString((ROOT / "gateway/descriptors.binpb").read_bytes())
    for file in files.file:
        file.ClearField("source_code_info")
    return files.SerializeToString()
