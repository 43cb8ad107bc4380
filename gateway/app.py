"""The composition root: configuration → parts → listeners; start, drain, stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pool

from gateway import __version__
from gateway.audit.record_writer import RecordWriter
from gateway.faults import Fault, FaultCollector, FaultsError, Position
from gateway.limits import ConcurrencyLimit
from gateway.listeners import (
    ActiveCalls,
    AdminListener,
    Head,
    HttpServer,
    ListenerContext,
    MetadataReader,
    RestListener,
    RpcListener,
    make_budget,
)
from gateway.serving.builder import Builder
from gateway.serving.reloader import Reloader
from gateway.serving.snapshot import ActiveSnapshot
from gateway.serving.sources import build_bundle, build_schema, read_sources
from gateway.sinks import SinkError, open_sink
from gateway.telemetry import Health, Status
from gateway.transcode import JsonWriter
from gateway.upstream import Channels

if TYPE_CHECKING:
    from gateway.config import Address, Config
    from gateway.telemetry import Telemetry

LAST_RESPONSES_S = 2.0
"""Seconds to send the responses of the calls that the gateway's stop has ended."""
CONDITION = "listeners"
"""The condition of the listeners: failed while the gateway starts or stops."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of the listeners."""

    rest: Address
    grpc: Address
    admin: Address


class Gateway:
    """A gateway of one configuration. Everything that can be wrong with that shows when it is made.

    Raises:
        FaultsError: with the faults of descriptors, bundle, certificates or sinks.
    """

    def __init__(self, config: Config, telemetry: Telemetry) -> None:
        self._config = config
        self._telemetry = telemetry
        self._health = Health(facts={"version": __version__})
        self._health.set(CONDITION, Status.FAILED, "starting")
        self._concurrency = ConcurrencyLimit(config.limits.concurrency, telemetry.metrics)
        self._calls = ActiveCalls()
        self._open_channels_and_sink()
        self._start_serving()
        self._make_listeners()

    def _open_channels_and_sink(self) -> None:
        config, faults = self._config, FaultCollector()
        with faults.part():
            self._channels = Channels(config.upstreams, self._health)
        with faults.part():
            self._records = _make_record_writer(config, self._telemetry, self._health)
        if faults:  # nothing can be built; the faults of the bundle are reported with them
            with faults.part():
                sources = read_sources(config)
                build_bundle(config, build_schema(config, sources.descriptor_sets), sources.bundle)
        faults.check()

    def _start_serving(self) -> None:
        builder = Builder(
            config=self._config,
            telemetry=self._telemetry,
            channels=self._channels,
            records=self._records,
        )
        self._sources, snapshot, self._start_faults = builder.start()
        self._active = ActiveSnapshot(snapshot)
        self._reloader = Reloader(self._active, builder, self._health, self._telemetry.metrics)
        self._watching: asyncio.Task[None] | None = None

    def _make_listeners(self) -> None:
        config, telemetry = self._config, self._telemetry
        header_bytes = config.limits.header_bytes
        context = ListenerContext(
            active=self._active,
            head=Head(self._concurrency),
            metadata=MetadataReader(config.api.pass_metadata, header_bytes),
            tracing=telemetry.tracing,
            metrics=telemetry.metrics,
            limits=config.limits,
            calls=self._calls,
        )
        rest = RestListener(context)
        admin = AdminListener(self._health, telemetry.metrics, self._active)
        # Not the snapshot's writer: it would keep its descriptors for as long as the servers live.
        writer = JsonWriter(descriptor_pool.Default())
        self._rest = HttpServer("rest", rest.handle, writer, header_bytes)
        self._admin = HttpServer("admin", admin.handle, writer, header_bytes)
        self._rpc = RpcListener(context, config.grpc)

    async def start(self) -> Addresses:
        """Listen.

        Raises:
            FaultsError: an address is taken, or a TLS file cannot be used.
        """
        budget, config = make_budget(self._config), self._config
        faults = FaultCollector()
        addresses: dict[str, Address] = {}
        for name, starting in (
            ("admin", self._admin.start(config.admin.listen, config.admin.tls, budget.admin)),
            ("rest", self._rest.start(config.rest.listen, config.rest.tls, budget.rest)),
            ("grpc", self._rpc.start(budget.grpc.max_connections)),
        ):
            with faults.part():
                addresses[name] = await starting
        if faults:
            await self.stop()
        faults.check()
        await self._reloader.start(self._sources, self._start_faults)
        if config.policies.reload:
            self._watching = asyncio.create_task(self._reloader.watch())
        self._health.set(CONDITION, Status.OK)
        return Addresses(**addresses)

    async def reload(self) -> None:
        """Reload policies and descriptors if their files have changed, after they have settled.

        A fault changes nothing.
        """
        await self._reloader.reload()

    async def stop(self) -> None:
        """Stop taking calls, let those under way end, close everything.

        A call has until its deadline, or for `limits.drain_s`; one that has not
        ended then has an error as its response. A change that was forwarded is
        waited for in any case: its outcome is logged.
        """
        self._health.set(CONDITION, Status.FAILED, "stopping")
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self._drain()
        if self._concurrency.forwarding:
            await asyncio.wait(self._concurrency.forwarding)
        await self._channels.close()
        await self._records.close()
        await self._admin.stop(LAST_RESPONSES_S)
        await asyncio.to_thread(self._telemetry.shutdown)

    async def _drain(self) -> None:
        limits = self._config.limits
        drain_s = limits.deadline_s + LAST_RESPONSES_S if limits.drain_s is None else limits.drain_s
        self._calls.is_stopping = True
        cut = asyncio.get_running_loop().call_later(drain_s, self._calls.cut)
        timeout_s = drain_s + LAST_RESPONSES_S
        await asyncio.gather(self._rest.stop(timeout_s), self._rpc.stop(timeout_s))
        cut.cancel()


def _make_record_writer(config: Config, telemetry: Telemetry, health: Health) -> RecordWriter:
    section = config.decision_log
    try:
        sink = open_sink(section.type, section)
    except SinkError as error:
        fault = Fault(Position(error.place), f"decision_log.{error.key}", error.reason)
        raise FaultsError([fault]) from error
    return RecordWriter(
        sink, telemetry.metrics, health, capacity=section.capacity, when_full=section.when_full
    )
