"""The options of the gRPC server. They set the limits that the gRPC library enforces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.config import Grpc, Limits

HEAD_S = 10.0
"""The maximum duration of a TLS handshake, in seconds. The HTTP/2 handshake has the same time limit."""
_KEEPALIVE_S = 60.0
_GRACE_S = 10.0

_OVERSIZE = 2
"""The gRPC library's size limit for requests, as a multiple of the gateway's size limit.

If the size of a request is between the two limits, the gRPC library reads the request. So the gateway can
refuse the request with error details.
"""


def server_options(section: Grpc, limits: Limits, max_connections: int) -> Sequence[tuple[str, int]]:
    """Return the options of the gRPC server."""
    return (
        (
            "grpc.so_reuseport",
            0,
        ),  # with the value 1, another process could open the same port and receive some of the calls
        ("grpc.max_receive_message_length", _OVERSIZE * limits.body_bytes),
        ("grpc.max_metadata_size", limits.header_bytes),
        ("grpc.absolute_max_metadata_size", limits.header_bytes),
        ("grpc.max_allowed_incoming_connections", max_connections),
        ("grpc.max_concurrent_streams", section.max_streams),
        ("grpc.max_connection_idle_ms", _ms(section.idle_s)),
        ("grpc.max_connection_age_ms", _ms(section.age_s)),
        ("grpc.max_connection_age_grace_ms", _ms(max(limits.deadline_s, limits.wait_s) + _GRACE_S)),
        ("grpc.server_handshake_timeout_ms", _ms(HEAD_S)),
        ("grpc.http2.settings_timeout", _ms(HEAD_S)),
        # Keepalive detects peers that disappeared without closing the connection.
        ("grpc.keepalive_time_ms", _ms(_KEEPALIVE_S)),
        ("grpc.keepalive_timeout_ms", _ms(HEAD_S)),
    )


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
