"""The official exporter of spans by OTLP over HTTP, for spans that are encoded already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult

if TYPE_CHECKING:
    from gateway.telemetry.span_encoder import RequestEncoder


class HttpSpanExporter(OTLPSpanExporter):
    """Exports encoded spans. Endpoint, headers, TLS, compression, retries and timeouts are the library's."""

    def __init__(self, requests: RequestEncoder, timeout_s: float | None) -> None:
        """Prepare by the standard variables.

        Args:
            requests: makes a request of encoded spans.
            timeout_s: the timeout of an export, in seconds; None when the exporter's own variable decides.
        """
        super().__init__(timeout=timeout_s)
        self._requests = requests

    def export(self, spans: Any) -> SpanExportResult:
        """Send encoded spans; a failure is logged."""
        # The library encodes spans in this very method, so only its client can be used.
        is_sent = self._client.export(self._requests.encode(spans)).success
        return SpanExportResult.SUCCESS if is_sent else SpanExportResult.FAILURE
