"""The gRPC channels. Each upstream has one channel, which all services of the upstream share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import grpc.aio

from gateway.faults import FaultCollector
from gateway.tls import ClientTls
from gateway.upstream.failure_log import FailureLog
from gateway.upstream.retry_budget import RetryBudget
from gateway.upstream.upstream_channel import UpstreamChannel
from gateway.watching import FileWatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.config import Upstream
    from gateway.telemetry import Health, Metrics

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
    ("grpc.http2.ping_timeout_ms", 10_000),  # without it, the keepalive timeout has no effect
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


class Channels:
    """The channels of all upstreams. A channel connects lazily, when the first call uses it.

    Attributes:
        failures: the log of upstream failures. A reload keeps the log and the channels.
        addresses: the addresses of the upstreams, keyed by the name of the upstream.
        retry_budgets: the retry budgets, keyed by the name of the upstream. A reload keeps them too.
        watches: the watches of the TLS files. When files of an upstream change, its channel is replaced.

    Raises:
        FaultsError: a TLS file cannot be used. The error contains the faults of all files.
    """

    def __init__(self, upstreams: Mapping[str, Upstream], health: Health, metrics: Metrics) -> None:
        self.addresses = {name: upstream.address for name, upstream in upstreams.items()}
        self.failures = FailureLog(upstreams, health)
        self.retry_budgets = {name: RetryBudget() for name in upstreams}
        self.watches: list[FileWatch] = []
        self._channels: dict[str, UpstreamChannel] = {}
        self._health = health
        faults = FaultCollector()
        for name, upstream in upstreams.items():
            with faults.part():
                self._open(name, upstream, metrics)
        faults.check()

    def __getitem__(self, name: str) -> UpstreamChannel:
        return self._channels[name]

    def _open(self, name: str, upstream: Upstream, metrics: Metrics) -> None:
        if not upstream.tls:
            channel = grpc.aio.insecure_channel(upstream.address, options=_OPTIONS)
            self._channels[name] = UpstreamChannel(channel)
            return
        tls = ClientTls(name, upstream, metrics)
        options = list(_OPTIONS)
        if upstream.server_name is not None:
            options.append(("grpc.ssl_target_name_override", upstream.server_name))

        def connect() -> grpc.aio.Channel:
            return grpc.aio.secure_channel(upstream.address, tls.load(), options=options)

        if not tls.paths:
            self._channels[name] = UpstreamChannel(connect())
            return
        watch = FileWatch(
            tls.section, tls.paths, lambda: self[name].replace(connect()), self._health, tls.describe
        )
        self._channels[name] = UpstreamChannel(connect())
        self.watches.append(watch)
        watch.look()  # shows a certificate that has expired

    async def close(self) -> None:
        """Close every channel. The active calls are cancelled."""
        for channel in self._channels.values():
            await channel.close()
