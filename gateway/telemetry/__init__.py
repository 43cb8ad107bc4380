"""Telemetry: traces, metrics, logs and health.

If the semantic conventions of OpenTelemetry define a name, the gateway uses this name:
https://opentelemetry.io/docs/specs/semconv/.
"""

from gateway.telemetry.event_loop_lag import EventLoopLag
from gateway.telemetry.export_condition import ExportCondition
from gateway.telemetry.exporter_messages import ExporterMessages
from gateway.telemetry.health import Condition, Health, Status
from gateway.telemetry.logs import capture_other_output, configure_logs, log_fields
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.process_metrics import GcPauses
from gateway.telemetry.setup import (
    Telemetry,
    TraceSettings,
    find_exporters,
    find_variable_faults,
    start_telemetry,
)
from gateway.telemetry.shared_attributes import SharedAttributes
from gateway.telemetry.tail import Reason, Tail
from gateway.telemetry.tracing import (
    Span,
    Tracer,
    Tracing,
    add_event,
    keep,
    set_shared,
    to_headers,
    trace_id_of,
    without_sampling,
)

__all__ = [
    "Condition",
    "EventLoopLag",
    "ExportCondition",
    "ExporterMessages",
    "GcPauses",
    "Health",
    "Metrics",
    "Reason",
    "SharedAttributes",
    "Span",
    "Status",
    "Tail",
    "Telemetry",
    "TraceSettings",
    "Tracer",
    "Tracing",
    "add_event",
    "capture_other_output",
    "configure_logs",
    "find_exporters",
    "find_variable_faults",
    "keep",
    "log_fields",
    "set_shared",
    "start_telemetry",
    "to_headers",
    "trace_id_of",
    "without_sampling",
]
