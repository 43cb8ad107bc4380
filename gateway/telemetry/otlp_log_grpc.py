"""The official OTLP exporter over gRPC, changed so that it exports log records that are already encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

from gateway.telemetry.otlp_stub import EncodedExports

if TYPE_CHECKING:
    from gateway.telemetry.span_encoder import RequestEncoder


class GrpcLogExporter(EncodedExports, OTLPLogExporter):
    """Exports encoded log records.

    The OpenTelemetry library handles the endpoint, headers, TLS, compression, retries and timeouts.
    """

    PATH = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"

    def __init__(self, requests: RequestEncoder, timeout_s: float | None) -> None:
        """Create the exporter. OpenTelemetry reads the other settings from the standard variables.

        Args:
            requests: the encoder that creates a request from encoded log records.
            timeout_s: the timeout of an export, in seconds. If it is None, the OpenTelemetry library reads
                the timeout from the standard variables.
        """
        super().__init__(timeout=timeout_s)
        self._requests = requests
