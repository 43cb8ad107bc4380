"""The gRPC channels: one channel for each upstream. All services of an upstream share the channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import grpc.aio

from gateway.faults import FaultCollector
from gateway.upstream.failure_log import FailureLog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.config import Upstream
    from gateway.telemetry import Health

METADATA_BYTES = 64 * 1024
"""The maximum size of the metadata of an upstream's response, in bytes."""

_OPTIONS: Sequence[tuple[str, int | str]] = (
    ("grpc.primary_user_agent", "baremetal-gateway"),
    # Only the gateway knows which calls may be made twice, so the library must not retry.
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    # Up to this size, an upstream's error keeps its code and details. By default, the library replaces some
    # errors over 8 KiB at random by RESOURCE_EXHAUSTED, and all errors over 16 KiB.
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


class Channels:
    """The channels of all upstreams. Each channel connects lazily, at its first call.

    Attributes:
        failures: the log of upstream failures. A reload keeps the log and the channels.

    Raises:
        FaultsError: a file of root certificates cannot be read, or contains no certificate.
    """

    def __init__(self, upstreams: Mapping[str, Upstream], health: Health) -> None:
        credentials = _load_credentials(upstreams)
        self.failures = FailureLog(upstreams, health)
        self._channels = {
            name: grpc.aio.secure_channel(upstream.address, credentials[name], options=_OPTIONS)
            if upstream.tls
            else grpc.aio.insecure_channel(upstream.address, options=_OPTIONS)
            for name, upstream in upstreams.items()
        }

    def __getitem__(self, name: str) -> grpc.aio.Channel:
        return self._channels[name]

    async def close(self) -> None:
        """Close every channel; active calls are cancelled."""
        for channel in self._channels.values():
            await channel.close()


def _load_credentials(upstreams: Mapping[str, Upstream]) -> dict[str, grpc.ChannelCredentials]:
    credentials: dict[str, grpc.ChannelCredentials] = {}
    faults = FaultCollector()
    for name, upstream in upstreams.items():
        path, roots = upstream.root_certificates, None
        with faults.part():
            if path is not None:
                from gateway.config.certificates import read_certificates  # noqa: PLC0415 - 9 MB of memory

                roots = read_certificates(path, f"upstreams.{name}.root_certificates")
            credentials[name] = grpc.ssl_channel_credentials(roots)
    faults.check()
    return credentials
