"""The official OTLP exporter over HTTP, changed so that it exports log records that are already encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs.export import LogRecordExportResult

if TYPE_CHECKING:
    from gateway.telemetry.span_encoder import RequestEncoder


class HttpLogExporter(OTLPLogExporter):
    """Exports encoded log records.

    The OpenTelemetry library handles the endpoint, headers, TLS, compression, retries and timeouts.
    """

    def __init__(self, requests: RequestEncoder, timeout_s: float | None) -> None:
        """Create the exporter. OpenTelemetry reads the other settings from the standard variables.

        Args:
            requests: the encoder that creates a request from encoded log records.
            timeout_s: the timeout of an export, in seconds. If it is None, the OpenTelemetry library reads
                the timeout from the standard variables.
        """
        super().__init__(timeout=timeout_s)
        self._requests = requests

    def export(self, batch: Any) -> LogRecordExportResult:
        """Send encoded log records. The OpenTelemetry library logs a failure."""
        # The export method of the OpenTelemetry library would encode the records again. Therefore this method
        # uses the library's client.
        is_sent = self._client.export(self._requests.encode(batch)).success
        return LogRecordExportResult.SUCCESS if is_sent else LogRecordExportResult.FAILURE
