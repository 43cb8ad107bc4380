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
from gateway.telemetry.batch_processor import BatchProcessor, BatchSettings
from gateway.telemetry.environment import find_faults
from gateway.telemetry.instruments import EXEMPLAR_FILTER, need_sdk
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.span import LOG_SCOPE, SCOPE, RecordedSpan
from gateway.telemetry.span_processor import SpanProcessor
from gateway.telemetry.tail import Reason, Tail
from gateway.telemetry.tracing import SLOW_S, Tracer, Tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.telemetry.otlp_log_handler import OtlpLogHandler

_log = logging.getLogger(__name__)

SHUTDOWN_S = 3.0
"""The maximum time for sending spans, metrics and log records when the gateway stops, in seconds."""

# An exporter is ended _ABORT_S seconds after SHUTDOWN_S. Without this limit, the exporter could retry until
# its own timeout.
_ABORT_S = 0.5
_SERVICE = "baremetal-gateway"
_OTLP_TIMEOUT_S = 10.0
_TRACES = "traces"
_OTLP_BY_PROTOCOL = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}


_LOG_DELAY_S = 1.0  # the default of OTEL_BLRP_SCHEDULE_DELAY


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings:
    """The settings of traces for which there are no standard variables.

    Attributes:
        trusts_remote: whether the trace context of a caller is the parent of the call's span.
        keep: the calls whose spans are exported although the sampler has not selected them.
        slow_s: the duration over which a call is slow, in seconds.
    """

    trusts_remote: bool = True
    keep: tuple[Reason, ...] = tuple(Reason)
    slow_s: float = SLOW_S


_DEFAULT = TraceSettings()


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The tracing and the metrics that the environment configures.

    Attributes:
        tracing: the object that starts spans.
        metrics: the metrics of the gateway.
        spans: the processor that exports ended spans; None when tracing is off.
        log_records: the processor that exports log records; None if they are only written to standard error.
    """

    tracing: Tracing
    metrics: Metrics
    spans: SpanProcessor[Any] | None = None
    log_records: BatchProcessor[logging.LogRecord, bytes] | None = None
    _log_handler: OtlpLogHandler | None = None

    def shutdown(self) -> None:
        """Send the remaining spans, metrics and log records within SHUTDOWN_S. This method blocks.

        If the collector does not respond, an exporter waits and retries until its own timeout, even if the
        timeout of the shutdown is shorter. Therefore each exporter is shut down in its own thread. The thread
        may run longer than this method.
        """
        shutdowns: list[Callable[[float], None]] = [self.metrics.shutdown]
        if self.spans is not None:
            shutdowns.append(self.spans.shutdown)
        if self.log_records is not None and self._log_handler is not None:
            logging.getLogger().removeHandler(self._log_handler)
            shutdowns.append(self.log_records.shutdown)
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


def start_telemetry(
    environment: Mapping[str, str], version: str, traces: TraceSettings = _DEFAULT
) -> Telemetry:
    """Set up telemetry and return it.

    Args:
        environment: the environment variables.
        version: the version of the gateway.
        traces: the settings of traces for which there are no standard variables.

    Raises:
        FaultsError: the value of a variable is invalid, or the SDK cannot be set up. The error contains a
            fault for each invalid variable.
    """
    if _is_disabled(environment):
        tracing = Tracing(None, trusts_remote=traces.trusts_remote)
        return Telemetry(tracing, Metrics(Resource({"service.name": _SERVICE})))
    if faults := find_variable_faults(environment):
        raise FaultsError(faults)
    try:
        return _start(environment, version, traces)
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


def _start(environment: Mapping[str, str], version: str, traces: TraceSettings) -> Telemetry:
    resource = Resource.create(
        {"service.name": environment.get("OTEL_SERVICE_NAME", _SERVICE), "service.version": version}
    )
    metrics = _start_metrics(environment, resource)
    tracing, spans = _start_tracing(environment, resource, traces, metrics)
    return Telemetry(tracing, metrics, spans, *_start_logs(environment, resource))


def _start_tracing(
    environment: Mapping[str, str], resource: Resource, traces: TraceSettings, metrics: Metrics
) -> tuple[Tracing, SpanProcessor[Any] | None]:
    name = _exporter_name(environment, "traces")
    if name is None:
        return Tracing(None, trusts_remote=traces.trusts_remote), None
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - only when tracing is on

    encode, exporter = _span_exporter(name, environment, resource)
    metrics.results.expect(_TRACES)
    spans = SpanProcessor(
        encode,
        exporter.export,
        exporter.shutdown,
        BatchSettings.of(environment),
        note_export=lambda is_sent: metrics.results.note(_TRACES, is_good=is_sent),
    )
    metrics.watch_spans(spans)
    tail = Tail(traces.keep, spans.put_kept) if traces.keep else None
    tracer = Tracer(TracerProvider(resource=resource, shutdown_on_exit=False), spans.put, tail)
    return Tracing(tracer, trusts_remote=traces.trusts_remote, slow_s=traces.slow_s), spans


def _start_logs(
    environment: Mapping[str, str], resource: Resource
) -> tuple[BatchProcessor[logging.LogRecord, bytes] | None, OtlpLogHandler | None]:
    """Start to send log records, if variables of logs ask for it."""
    if not _exports_logs(environment):
        return None, None
    from gateway.telemetry.log_encoder import encode_record  # noqa: PLC0415 - only when records are sent
    from gateway.telemetry.otlp_log_handler import OtlpLogHandler  # noqa: PLC0415 - only when records are sent

    exporter = _log_exporter(environment, resource)
    settings = BatchSettings.of(environment, "OTEL_BLRP", _LOG_DELAY_S)
    records = BatchProcessor(encode_record, exporter.export, exporter.shutdown, settings, "log records")
    handler = OtlpLogHandler(records)
    logging.getLogger().addHandler(handler)
    return records, handler


def _exports_logs(environment: Mapping[str, str]) -> bool:
    """Return whether variables of logs ask for an export.

    Unlike with traces and metrics, OTEL_EXPORTER_OTLP_ENDPOINT alone is not enough, because many collectors
    receive no logs, and standard error has the same lines.
    """
    own = environment.get("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "").strip()
    name = environment.get("OTEL_LOGS_EXPORTER", "").strip().lower() or ("otlp" if own else "none")
    return name != "none"


def _log_exporter(environment: Mapping[str, str], resource: Resource) -> Any:
    from gateway.telemetry.span_encoder import RequestEncoder  # noqa: PLC0415 - only for OTLP

    requests, timeout_s = RequestEncoder(resource, LOG_SCOPE), _export_timeout_s(environment, "BLRP", "LOGS")
    if _otlp_name(environment, "logs") == _OTLP_BY_PROTOCOL["grpc"]:
        from gateway.telemetry.otlp_log_grpc import GrpcLogExporter  # noqa: PLC0415 - only the one in use

        return GrpcLogExporter(requests, timeout_s)
    from gateway.telemetry.otlp_log_http import HttpLogExporter  # noqa: PLC0415 - only the one in use

    return HttpLogExporter(requests, timeout_s)


def _span_exporter(
    name: str, environment: Mapping[str, str], resource: Resource
) -> tuple[Callable[[RecordedSpan], Any], Any]:
    """Return a function that encodes a span, and an exporter of the encoded spans."""
    if name not in _OTLP_BY_PROTOCOL.values():
        return RecordedSpan.to_readable, _load("opentelemetry_traces_exporter", name)
    from gateway.telemetry.span_encoder import RequestEncoder, encode_span  # noqa: PLC0415 - only for OTLP

    requests, timeout_s = RequestEncoder(resource, SCOPE), _export_timeout_s(environment, "BSP", "TRACES")
    if name == _OTLP_BY_PROTOCOL["grpc"]:
        from gateway.telemetry.otlp_grpc import GrpcSpanExporter  # noqa: PLC0415 - only the one in use

        return encode_span, GrpcSpanExporter(requests, timeout_s)
    from gateway.telemetry.otlp_http import HttpSpanExporter  # noqa: PLC0415 - only the one in use

    return encode_span, HttpSpanExporter(requests, timeout_s)


def _export_timeout_s(environment: Mapping[str, str], batch: str, signal: str) -> float | None:
    """Return the timeout of an export in seconds, or None.

    If OTEL_BSP_EXPORT_TIMEOUT is set (OTEL_BLRP_… for logs), the result is the lower of this timeout and the
    exporter's timeout. If not, the result is None, and the exporter reads its own timeout.
    """
    variable = f"OTEL_{batch}_EXPORT_TIMEOUT"
    if variable not in environment:
        return None
    own = environment.get(f"OTEL_EXPORTER_OTLP_{signal}_TIMEOUT") or environment.get(
        "OTEL_EXPORTER_OTLP_TIMEOUT"
    )
    return min(float(own or _OTLP_TIMEOUT_S), float(environment[variable]) / 1e3)


def _start_metrics(environment: Mapping[str, str], resource: Resource) -> Metrics:
    name = _exporter_name(environment, "metrics")
    exporter = _load("opentelemetry_metrics_exporter", name) if name else None
    has_exemplars = environment.get(EXEMPLAR_FILTER, "").strip().lower() != "always_off"
    return Metrics(resource, exporter, by_sdk=need_sdk(environment), has_exemplars=has_exemplars)


def find_exporters(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the name of the exporter of each signal that is exported, such as `otlp_proto_http`."""
    if _is_disabled(environment):
        return {}
    found = {signal: _exporter_name(environment, signal) for signal in ("traces", "metrics")}
    found["logs"] = _otlp_name(environment, "logs") if _exports_logs(environment) else None
    return {signal: name for signal, name in found.items() if name is not None}


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
