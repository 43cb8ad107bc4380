"""The client of an OTLP service over gRPC, for requests that are already encoded.

The stubs that protoc generates accept only protobuf messages. A request with 512 spans would have to be
parsed to many thousand messages, only to be encoded again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import grpc

    from gateway.telemetry.span_encoder import RequestEncoder


class EncodedStub:
    """A client with the method that the exporters of OpenTelemetry call."""

    def __init__(self, channel: grpc.Channel, path: str) -> None:
        """Create the client.

        Args:
            channel: the channel to the collector.
            path: the path of the method that exports.
        """
        self._export: Any = channel.unary_unary(path)  # neither serializes requests nor parses responses

    def Export(self, request: bytes, *, metadata: Any, timeout: float) -> None:  # noqa: N802 - of the exporters
        """Export an encoded request.

        Raises:
            grpc.RpcError: the export has failed.
        """
        self._export(request, metadata=metadata, timeout=timeout)


class EncodedExports:
    """What an exporter of OpenTelemetry does differently if its items are already encoded.

    It is the first base class of an exporter. The library handles the endpoint, headers, TLS, compression,
    retries and timeouts.
    """

    PATH: ClassVar[str]
    """The path of the method that exports."""

    _requests: RequestEncoder
    _channel: Any
    _client: Any

    def _initialize_channel_and_stub(self) -> None:
        # The OpenTelemetry library calls this method for each new channel.
        super()._initialize_channel_and_stub()  # type: ignore[misc]  # of the exporter
        self._client = EncodedStub(self._channel, self.PATH)

    def _translate_data(self, data: Any) -> Any:
        # The OpenTelemetry library calls this method for each attempt.
        return self._requests.encode(data)
