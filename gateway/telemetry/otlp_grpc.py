"""The official exporter of spans by OTLP over gRPC, for spans that are encoded already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from gateway.telemetry.span_encoder import RequestEncoder


class GrpcSpanExporter(OTLPSpanExporter):
    """Exports encoded spans. Endpoint, headers, TLS, compression, retries and timeouts are the library's."""

    def __init__(self, requests: RequestEncoder, timeout_s: float | None) -> None:
        """Prepare by the standard variables.

        Args:
            requests: makes a request of encoded spans.
            timeout_s: the timeout of an export, in seconds; None when the exporter's own variable decides.
        """
        super().__init__(timeout=timeout_s)
        self._requests = requests

    def _translate_data(self, data: Any) -> ExportTraceServiceRequest:
        # The library calls this for each attempt. Its stub serializes messages only.
        return ExportTraceServiceRequest.FromString(self._requests.encode(data))
