"""Sets telemetry up by the standard OTEL_* variables; without them it is off.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource

from gateway.faults import Fault, FaultsError, Position
from gateway.redaction import redact_text
from gateway.telemetry.environment import find_faults
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.tracing import Tracing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.trace import TracerProvider

_log = logging.getLogger(__name__)

SHUTDOWN_S = 3.0
"""Time for sending spans and metrics when the gateway stops, in seconds."""

_SERVICE = "baremetal-gateway"
_OTLP_BY_PROTOCOL = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Tracing and metrics, as the environment configures them."""

    tracing: Tracing
    metrics: Metrics
    _provider: TracerProvider | None = None

    def shutdown(self) -> None:
        """Send the remaining spans and metrics within SHUTDOWN_S. Blocks.

        An exporter waits for a collector, and retries, until its own timeout, regardless of the timeout
        of the shutdown. So each has a thread, which may run longer than this method.
        """
        shutdowns = [self.metrics.shutdown]
        if self._provider is not None:
            shutdowns.append(self._provider.shutdown)
        threads = [threading.Thread(target=one, name="telemetry shutdown", daemon=True) for one in shutdowns]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + SHUTDOWN_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            _log.warning("telemetry not sent", extra={"reason": "the collector does not respond in time"})


def start_telemetry(environment: Mapping[str, str], version: str) -> Telemetry:
    """Set telemetry up.

    Raises:
        FaultsError: with each variable whose value is invalid, and the accepted values.
    """
    if _is_disabled(environment):
        return Telemetry(Tracing(None), Metrics(Resource({"service.name": _SERVICE})))
    if faults := find_faults(environment):
        raise FaultsError(faults)
    try:
        return _start(environment, version)
    except Exception as error:
        # The SDK and its exporters read further variables, and raise exceptions of any type.
        text = f"telemetry cannot be set up: {redact_text(str(error)) or type(error).__name__}"
        raise FaultsError([Fault(Position("environment"), "OTEL_*", text)]) from error


def _is_disabled(environment: Mapping[str, str]) -> bool:
    return environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def _start(environment: Mapping[str, str], version: str) -> Telemetry:
    resource = Resource.create(
        {"service.name": environment.get("OTEL_SERVICE_NAME", _SERVICE), "service.version": version}
    )
    exporter = _exporter(environment, "traces")
    provider = _tracer_provider(resource, exporter) if exporter is not None else None
    return Telemetry(Tracing(provider), Metrics(resource, _readers(environment)), provider)


def _tracer_provider(resource: Resource, exporter: Any) -> TracerProvider:
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - only when tracing is on
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - only when tracing is on

    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _readers(environment: Mapping[str, str]) -> list[MetricReader]:
    exporter = _exporter(environment, "metrics")
    if exporter is None:
        return []
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415 - only when on

    return [PeriodicExportingMetricReader(exporter)]


def _exporter(environment: Mapping[str, str], signal: str) -> Any:
    """Return the exporter that the environment selects, or None."""
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    endpoint = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
    has_endpoint = environment.get(endpoint) or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    name = environment.get(variable, "").strip().lower() or ("otlp" if has_endpoint else "none")
    if name == "none":
        return None
    if name == "otlp":
        name = _otlp_name(environment, signal)
    return _load(f"opentelemetry_{signal}_exporter", name)


def _otlp_name(environment: Mapping[str, str], signal: str) -> str:
    own = environment.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "").strip()
    protocol = own or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL", "").strip() or "http/protobuf"
    return _OTLP_BY_PROTOCOL[protocol.lower()]


def _load(group: str, name: str) -> Any:
    (entry,) = entry_points(group=group, name=name)
    return entry.load()()
