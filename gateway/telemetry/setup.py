"""Sets up telemetry from the standard OTEL_* variables. Without these variables, nothing is exported.

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
from gateway.telemetry.instruments import need_sdk
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.span import SCOPE, RecordedSpan
from gateway.telemetry.span_processor import BatchSettings, SpanProcessor
from gateway.telemetry.tracing import Tracer, Tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_log = logging.getLogger(__name__)

SHUTDOWN_S = 3.0
"""The maximum time for sending spans and metrics when the gateway stops, in seconds."""

# An exporter is ended _ABORT_S seconds after SHUTDOWN_S. Without this limit, the exporter could retry until
# its own timeout.
_ABORT_S = 0.5
_SERVICE = "baremetal-gateway"
_OTLP_TIMEOUT_S = 10.0
_OTLP_BY_PROTOCOL = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The tracing and the metrics that the environment configures.

    Attributes:
        tracing: the object that starts spans.
        metrics: the metrics of the gateway.
        spans: the processor that exports ended spans; None when tracing is off.
    """

    tracing: Tracing
    metrics: Metrics
    spans: SpanProcessor[Any] | None = None

    def shutdown(self) -> None:
        """Send the remaining spans and metrics within SHUTDOWN_S. This method blocks.

        If the collector does not respond, an exporter waits and retries until its own timeout, even if the
        timeout of the shutdown is shorter. Therefore each exporter is shut down in its own thread. The thread
        may run longer than this method.
        """
        shutdowns: list[Callable[[float], None]] = [self.metrics.shutdown]
        if self.spans is not None:
            shutdowns.append(self.spans.shutdown)
        threads = [
            threading.Thread(target=one, args=[SHUTDOWN_S + _ABORT_S], name="telemetry shutdown", daemon=True)
            for one in shutdowns
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + SHUTDOWN_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            _log.warning("telemetry not sent", extra={"reason": "the collector does not respond in time"})


def start_telemetry(environment: Mapping[str, str], version: str) -> Telemetry:
    """Set up telemetry and return it.

    Raises:
        FaultsError: the value of a variable is invalid, or the SDK cannot be set up. The error contains a
            fault for each invalid variable.
    """
    if _is_disabled(environment):
        return Telemetry(Tracing(None), Metrics(Resource({"service.name": _SERVICE})))
    if faults := find_variable_faults(environment):
        raise FaultsError(faults)
    try:
        return _start(environment, version)
    except Exception as error:
        # The SDK and its exporters also read variables that find_faults() does not check. They can raise
        # exceptions of any type.
        text = f"telemetry cannot be set up: {redact_text(str(error)) or type(error).__name__}"
        raise FaultsError([Fault(Position("environment"), "OTEL_*", text)]) from error


def find_variable_faults(environment: Mapping[str, str]) -> list[Fault]:
    """Return a fault for each variable with an invalid value; none if telemetry is disabled."""
    return [] if _is_disabled(environment) else find_faults(environment)


def _is_disabled(environment: Mapping[str, str]) -> bool:
    return environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def _start(environment: Mapping[str, str], version: str) -> Telemetry:
    resource = Resource.create(
        {"service.name": environment.get("OTEL_SERVICE_NAME", _SERVICE), "service.version": version}
    )
    tracing, spans = _start_tracing(environment, resource)
    return Telemetry(tracing, _start_metrics(environment, resource), spans)


def _start_tracing(
    environment: Mapping[str, str], resource: Resource
) -> tuple[Tracing, SpanProcessor[Any] | None]:
    name = _exporter_name(environment, "traces")
    if name is None:
        return Tracing(), None
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - only when tracing is on

    encode, exporter = _span_exporter(name, environment, resource)
    spans = SpanProcessor(encode, exporter.export, exporter.shutdown, BatchSettings.of(environment))
    tracer = Tracer(TracerProvider(resource=resource, shutdown_on_exit=False), spans.put)
    return Tracing(tracer), spans


def _span_exporter(
    name: str, environment: Mapping[str, str], resource: Resource
) -> tuple[Callable[[RecordedSpan], Any], Any]:
    """Return a function that encodes a span, and an exporter of the encoded spans."""
    if name not in _OTLP_BY_PROTOCOL.values():
        return RecordedSpan.to_readable, _load("opentelemetry_traces_exporter", name)
    from gateway.telemetry.span_encoder import RequestEncoder, encode_span  # noqa: PLC0415 - only for OTLP

    requests, timeout_s = RequestEncoder(resource, SCOPE), _export_timeout_s(environment)
    if name == _OTLP_BY_PROTOCOL["grpc"]:
        from gateway.telemetry.otlp_grpc import GrpcSpanExporter  # noqa: PLC0415 - only the one in use

        return encode_span, GrpcSpanExporter(requests, timeout_s)
    from gateway.telemetry.otlp_http import HttpSpanExporter  # noqa: PLC0415 - only the one in use

    return encode_span, HttpSpanExporter(requests, timeout_s)


def _export_timeout_s(environment: Mapping[str, str]) -> float | None:
    """Return the timeout of an export in seconds, or None.

    If OTEL_BSP_EXPORT_TIMEOUT is set, the result is the lower of this timeout and the exporter's timeout.
    If the variable is not set, the result is None, and the exporter reads its own timeout.
    """
    if "OTEL_BSP_EXPORT_TIMEOUT" not in environment:
        return None
    own = environment.get("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT") or environment.get(
        "OTEL_EXPORTER_OTLP_TIMEOUT"
    )
    return min(float(own or _OTLP_TIMEOUT_S), float(environment["OTEL_BSP_EXPORT_TIMEOUT"]) / 1e3)


def _start_metrics(environment: Mapping[str, str], resource: Resource) -> Metrics:
    name = _exporter_name(environment, "metrics")
    exporter = _load("opentelemetry_metrics_exporter", name) if name else None
    return Metrics(resource, exporter, by_sdk=need_sdk(environment))


def _exporter_name(environment: Mapping[str, str], signal: str) -> str | None:
    """Return the name of the exporter that the environment selects, or None."""
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    endpoint = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
    has_endpoint = environment.get(endpoint) or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    name = environment.get(variable, "").strip().lower() or ("otlp" if has_endpoint else "none")
    if name == "otlp":
        return _otlp_name(environment, signal)
    return None if name == "none" else name


def _otlp_name(environment: Mapping[str, str], signal: str) -> str:
    own = environment.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "").strip()
    protocol = own or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL", "").strip() or "http/protobuf"
    return _OTLP_BY_PROTOCOL[protocol.lower()]


def _load(group: str, name: str) -> Any:
    (entry,) = entry_points(group=group, name=name)
    return entry.load()()
