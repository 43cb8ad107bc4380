"""The official OTLP exporter over HTTP, changed so that it exports spans that are already encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult

if TYPE_CHECKING:
    from gateway.telemetry.span_encoder import RequestEncoder


class HttpSpanExporter(OTLPSpanExporter):
    """Exports encoded spans.

    The OpenTelemetry library handles the endpoint, headers, TLS, compression, retries and timeouts.
    """

    def __init__(self, requests: RequestEncoder, timeout_s: float | None) -> None:
        """Create the exporter. OpenTelemetry reads the other settings from the standard variables.

        Args:
            requests: the encoder that creates a request from encoded spans.
            timeout_s: the timeout of an export, in seconds. If it is None, the OpenTelemetry library reads
                the timeout from the standard variables.
        """
        super().__init__(timeout=timeout_s)
        self._requests = requests

    def export(self, spans: Any) -> SpanExportResult:
        """Send encoded spans. The OpenTelemetry library logs a failure."""
        # The export method of the OpenTelemetry library would encode the spans again. Therefore this method
        # uses the library's client.
        is_sent = self._client.export(self._requests.encode(spans)).success
        return SpanExportResult.SUCCESS if is_sent else SpanExportResult.FAILURE
