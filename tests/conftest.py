"""The fixtures of most tests: an emulator, a gateway that forwards to it, a client of that gateway."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.app import Addresses, Gateway
from gateway.config import Config, load_config
from gateway.emulator import Emulator
from gateway.schema import Schema, load_schema
from gateway.telemetry import Metrics, Telemetry, Tracer, Tracing

ROOT = Path(__file__).parent.parent
IMAGES = "/baremetal/v1alpha/images"

GOOD_IMAGE: dict[str, Any] = {
    "folderId": "b1gexample",
    "name": "ubuntu-24-04",
    "uri": "https://storage.yandexcloud.net/golden-images/ubuntu-24.04.iso",
    "labels": {"env": "dev", "owner": "infra", "cost-center": "cc-42"},
}


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that serves, with its emulator, its telemetry and a client."""

    gateway: Gateway
    addresses: Addresses
    emulator: Emulator
    client: aiohttp.ClientSession
    exporter: InMemorySpanExporter
    metrics: Metrics

    def url(self, path: str) -> str:
        return f"http://{self.addresses.rest}{path}"

    def admin(self, path: str) -> str:
        return f"http://{self.addresses.admin}{path}"

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}


Start = Callable[..., Awaitable[Running]]


@pytest.fixture(scope="session")
def schema() -> Schema:
    return load_schema(Config().services)


def make_config(emulator_address: str, **sections: Any) -> Config:
    """A configuration with free ports and every upstream at one address; sections override."""
    environment = {
        f"GATEWAY__{name.upper()}__LISTEN": "127.0.0.1:0" for name in ("rest", "grpc", "admin")
    } | {"GATEWAY__POLICIES__PATH": str(ROOT / "policies"), "GATEWAY__POLICIES__RELOAD": "false"}
    environment["GATEWAY__POLICIES__SETTLE_S"] = "0.01"
    # Standard output is how the processes of a test run talk to each other.
    environment["GATEWAY__DECISION_LOG__TYPE"] = "none"
    environment["GATEWAY__LEDGER__ENABLED"] = "false"  # tests of the ledger name a database of their own
    for name in ("BAREMETAL", "OPERATION"):
        environment[f"GATEWAY__UPSTREAMS__{name}__ADDRESS"] = emulator_address
        environment[f"GATEWAY__UPSTREAMS__{name}__TLS"] = "false"
    environment |= {f"GATEWAY__{name.upper()}": str(value) for name, value in sections.items()}
    return load_config(None, environment)


def plain_telemetry() -> Telemetry:
    """Telemetry that keeps metrics and traces nothing."""
    return Telemetry(Tracing(), Metrics(Resource.create()))


async def start_gateway(
    stack: AsyncExitStack,
    *,
    is_traced: bool = False,
    delay_s: float = 0.0,
    telemetry: Telemetry | None = None,
    **sections: Any,
) -> Running:
    """Start an emulator, a gateway and a client; the stack stops them."""
    emulator = await stack.enter_async_context(Emulator(delay_s=delay_s))
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    tracer = Tracer(TracerProvider(shutdown_on_exit=False), lambda span: processor.on_end(span.to_readable()))
    if telemetry is None:
        telemetry = Telemetry(Tracing(tracer if is_traced else None), Metrics(Resource.create()))
    gateway = Gateway(make_config(emulator.address, **sections), telemetry)
    addresses = await gateway.start()
    stack.push_async_callback(gateway.stop)
    client = await stack.enter_async_context(aiohttp.ClientSession())
    return Running(gateway, addresses, emulator, client, exporter, telemetry.metrics)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start gateways; keyword arguments are configuration keys as `limits__deadline_s=1`."""
    async with AsyncExitStack() as stack:
        yield partial(start_gateway, stack)


@pytest.fixture(scope="session")
async def shared_gateway() -> AsyncIterator[Running]:
    async with AsyncExitStack() as stack:
        yield await start_gateway(stack)


@pytest.fixture
def running(shared_gateway: Running) -> Running:
    """A gateway that tests share, with a new emulator's state.

    A test that stops, reloads or configures anything, or reads metrics, starts a gateway of its own.
    """
    shared_gateway.emulator.reset()
    return shared_gateway


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level("INFO"):
        yield caplog


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test fail, instead of skipping it, if it needs a program that the CI has to install."""
    report = yield
    is_required = os.environ.get("GATEWAY_TEST_REQUIRES_PROGRAMS")
    if is_required and report.skipped and "is not installed" in str(report.longrepr):
        report.outcome = "failed"
    return report
