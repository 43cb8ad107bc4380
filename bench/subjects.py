"""What is compared: each subject with the command that starts it."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.envoy import write_config
from bench.opa import opa_command
from bench.processes import Group, free_address, wait_until_listening, wait_until_served
from bench.workloads import IMAGES, http_request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BARE, FULL, ENVOY, ENVOY_POLICY, ENVOY_OPA = "bare", "gateway", "envoy", "envoy-policy", "envoy-opa"
_DECIDING = ("denied",)
_PROBE = http_request("GET", f"{IMAGES}?folderId=b1gexample&pageSize=10")


@dataclass(frozen=True, slots=True)
class Beside:
    """The addresses of the processes beside what is measured."""

    upstream: str
    collector: str
    metrics: str


@dataclass(slots=True)
class Subject:
    """Something that is measured, and runs.

    Attributes:
        key: short name.
        name: for people.
        group: its processes.
        rest: its address for REST.
        grpc: its address for gRPC.
        has_policy: it decides on requests.
        policy_pid: of its policy server, if that is another process.
        ready_s: from its start to its first response.
        calls: that it was sent, those to warm up included.
    """

    key: str
    name: str
    group: Group = field(default_factory=Group)
    rest: str = field(default_factory=free_address)
    grpc: str = field(default_factory=free_address)
    has_policy: bool = True
    policy_pid: int | None = None
    ready_s: float = 0.0
    calls: int = 0

    def takes(self, workload: str) -> bool:
        """Return whether a workload makes sense here."""
        return self.has_policy or workload not in _DECIDING


def start_bare(beside: Beside) -> Subject:
    """Start the bare forwarder."""
    subject = Subject(BARE, "bare forwarder", has_policy=False)
    return _start(
        subject,
        lambda: subject.group.start_python("bench.bare", subject.rest, subject.grpc, beside.upstream),
    )


def gateway_environment(upstream: str, rest: str, rpc: str) -> dict[str, str]:
    """Return the variables of a gateway before an upstream."""
    environment = {
        "GATEWAY__REST__LISTEN": rest,
        "GATEWAY__GRPC__LISTEN": rpc,
        "GATEWAY__ADMIN__LISTEN": free_address(),
        # The bound is for callers of other machines; here all connections have one address.
        "GATEWAY__GRPC__MAX_CONNECTIONS_PER_ADDRESS": "1024",
        # One variant has a ledger. How long its commits take depends on the disk.
        "GATEWAY__LEDGER__ENABLED": "false",
    }
    for name in ("BAREMETAL", "OPERATION"):
        environment[f"GATEWAY__UPSTREAMS__{name}__ADDRESS"] = upstream
        environment[f"GATEWAY__UPSTREAMS__{name}__TLS"] = "false"
    return environment


def start_gateway(beside: Beside, key: str, name: str, further: dict[str, str]) -> Subject:
    """Start a gateway with further variables; its log and its records go to pipes that are read."""
    subject = Subject(key, name)
    environment = gateway_environment(beside.upstream, subject.rest, subject.grpc)
    environment |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{beside.collector}",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://{beside.metrics}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_SERVICE_NAME": key,
        "OTEL_BSP_SCHEDULE_DELAY": "250",  # so that what a slice defers is done when its CPU is read
    }
    command = [sys.executable, "-m", "gateway", "serve"]
    return _start(
        subject,
        lambda: subject.group.start(command, environment | further, stdout="records", stderr="log"),
    )


def start_envoy(beside: Beside, binary: Path, folder: Path) -> Subject:
    """Start Envoy as transcoder alone."""
    subject = Subject(ENVOY, "Envoy, transcoder alone", has_policy=False)
    subject.grpc = subject.rest
    path = folder / "envoy.json"
    write_config(path, listen=subject.rest, upstream=beside.upstream)
    return _start(subject, lambda: _run_envoy(subject, binary, path))


def start_envoy_with_policy(beside: Beside, binary: Path, folder: Path) -> Subject:
    """Start Envoy with ext_authz, traces and an access log, and a policy server in Python."""
    subject, policy = Subject(ENVOY_POLICY, "Envoy, ext_authz, traces, logs"), free_address()
    command = [sys.executable, "-m", "bench.stubs", "policy", policy]
    return _start_envoy_before(subject, policy, command, beside, binary, folder)


def start_envoy_with_opa(beside: Beside, binary: Path, opa: Path, folder: Path) -> Subject:
    """Start the same Envoy with OPA as the policy server."""
    subject, policy = Subject(ENVOY_OPA, "Envoy with OPA, traces, logs"), free_address()
    command = opa_command(opa, folder / "opa.json", listen=policy, collector=beside.collector)
    return _start_envoy_before(subject, policy, command, beside, binary, folder)


def _start_envoy_before(
    subject: Subject, policy: str, command: list[str], beside: Beside, binary: Path, folder: Path
) -> Subject:
    subject.grpc = subject.rest
    path = folder / f"{subject.key}.json"
    write_config(
        path,
        listen=subject.rest,
        upstream=beside.upstream,
        policy=policy,
        collector=beside.collector,
        service=subject.key,
    )

    def run() -> None:
        server = subject.group.start(command, stdout="records", stderr="policy log")
        subject.policy_pid = server.pid
        wait_until_listening(policy)
        _run_envoy(subject, binary, path)

    return _start(subject, run)


def _run_envoy(subject: Subject, binary: Path, path: Path) -> None:
    # One worker thread, as the gateway has one event loop.
    options = ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"]
    subject.group.start([str(binary), "-c", str(path), *options], stdout="log")


def _start(subject: Subject, run: Callable[[], object]) -> Subject:
    started = time.perf_counter()
    run()
    wait_until_served(subject.rest, _PROBE)
    subject.ready_s = time.perf_counter() - started
    return subject


def gateway_variants(folder: Path) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the variants of the gateway: key → name and variables.

    Args:
        folder: the folder for the ledger.
    """
    off = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
    sampled = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}
    return {
        FULL: ("gateway, everything on", {}),
        "gateway-ledger": (
            "gateway, ledger instead of decision log",
            {
                "GATEWAY__LEDGER__ENABLED": "true",
                "GATEWAY__LEDGER__URL": f"sqlite:///{folder}/ledger.db",
            },
        ),
        "gateway-no-otlp": ("gateway, OTLP off", off),
        "gateway-sampled": ("gateway, 10 % of traces sampled", sampled),
        "gateway-no-records": ("gateway, records off", {"GATEWAY__DECISION_LOG__TYPE": "none"}),
    }
