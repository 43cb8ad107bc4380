"""The gRPC channels. Each upstream has one channel, which all services of the upstream share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import grpc.aio

from gateway.faults import FaultCollector
from gateway.upstream.failure_log import FailureLog
from gateway.upstream.retry_budget import RetryBudget

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.config import Upstream
    from gateway.telemetry import Health

METADATA_BYTES = 64 * 1024
"""The maximum size of the metadata of an upstream's response, in bytes."""

_OPTIONS: Sequence[tuple[str, int | str]] = (
    ("grpc.primary_user_agent", "baremetal-gateway"),
    # gRPC does not know which calls may be repeated, so it must not retry calls. See retries.py.
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    # If the metadata of an upstream's error is not larger than METADATA_BYTES, the gRPC library keeps the
    # status code and the details of the error. With the default options, the library replaces all errors over
    # 16 KiB by RESOURCE_EXHAUSTED, and some errors over 8 KiB at random.
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


class Channels:
    """The channels of all upstreams. A channel connects lazily, when the first call uses it.

    Attributes:
        failures: the log of upstream failures. A reload keeps the log and the channels.
        retry_budgets: the retry budgets, keyed by the name of the upstream. A reload keeps them too.

    Raises:
        FaultsError: a file of root certificates cannot be read, or contains no certificate.
    """

    def __init__(self, upstreams: Mapping[str, Upstream], health: Health) -> None:
        credentials = _load_credentials(upstreams)
        self.failures = FailureLog(upstreams, health)
        self.retry_budgets = {name: RetryBudget() for name in upstreams}
        self._channels = {
            name: grpc.aio.secure_channel(upstream.address, credentials[name], options=_OPTIONS)
            if upstream.tls
            else grpc.aio.insecure_channel(upstream.address, options=_OPTIONS)
            for name, upstream in upstreams.items()
        }

    def __getitem__(self, name: str) -> grpc.aio.Channel:
        return self._channels[name]

    async def close(self) -> None:
        """Close every channel. The active calls are cancelled."""
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
