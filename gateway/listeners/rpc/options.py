"""The options of the gRPC server. They set the limits that the gRPC library enforces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.config import Grpc, Limits

HEAD_S = 10.0
"""The maximum duration of a TLS handshake, in seconds. The HTTP/2 handshake has the same time limit."""
_GRACE_S = 10.0
_PING_STRIKES = 2
"""The number of pings that may arrive too early. The connection is closed at the next one."""

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
        *_keepalive_options(section),
    )


def _keepalive_options(section: Grpc) -> Sequence[tuple[str, int]]:
    """Return the options of the gateway's own pings, and of the pings of clients."""
    return (
        ("grpc.keepalive_time_ms", _ms(section.keepalive_s)),
        ("grpc.keepalive_timeout_ms", _ms(section.keepalive_timeout_s)),
        # Without this option, a peer that does not respond to a ping keeps its connection for a minute.
        ("grpc.http2.ping_timeout_ms", _ms(section.keepalive_timeout_s)),
        ("grpc.http2.min_ping_interval_without_data_ms", _ms(section.min_ping_interval_s)),
        ("grpc.http2.max_ping_strikes", _PING_STRIKES),
        ("grpc.keepalive_permit_without_calls", int(section.idle_pings)),
    )


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
