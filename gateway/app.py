"""The composition root: configuration → parts → listeners; start, drain, stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pool

from gateway import __version__
from gateway.audit.decision_log import DecisionLog, FileSink, Sink, StdoutSink
from gateway.bundles import LastGood
from gateway.faults import Fault, FaultsError, Position
from gateway.limits import ConcurrencyLimit
from gateway.listeners import (
    ActiveCalls,
    AdminListener,
    HttpServer,
    ListenerContext,
    RestListener,
    RpcListener,
    make_budget,
)
from gateway.listeners.metadata import MetadataReader, new_request_id
from gateway.serving.builder import Builder
from gateway.serving.reloader import Reloader
from gateway.serving.settling import Settling
from gateway.serving.snapshot import ActiveSnapshot
from gateway.serving.sources import Sources, read_sources, stamp_sources
from gateway.standard_streams import is_stdout_closed
from gateway.telemetry import Health, Status, Telemetry, start_telemetry
from gateway.transcode import JsonWriter
from gateway.upstream import Channels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.config import Address, Config
    from gateway.telemetry import Metrics

LAST_RESPONSES_S = 2.0
"""Seconds to send the responses of the calls that the gateway's stop has ended."""

_LISTENERS = "listeners"
"""The condition of the listeners: failed while the gateway starts or stops."""

_CLOSED_STDOUT = (
    "standard output is closed, so no decision could be recorded there; "
    "redirect it, or set decision_log.type to file (with decision_log.path) or none"
)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the listeners wait."""

    rest: Address
    grpc: Address
    admin: Address


class Gateway:
    """A gateway made of a configuration. Everything that can be wrong with it shows when it is made.

    Raises:
        FaultsError: with the faults of descriptors, bundle, certificates or telemetry.
    """

    def __init__(
        self, config: Config, environment: Mapping[str, str], telemetry: Telemetry | None = None
    ) -> None:
        self._config = config
        self._telemetry = telemetry or start_telemetry(environment, __version__)
        tracing, metrics = self._telemetry.tracing, self._telemetry.metrics
        self._channels = Channels(config.upstreams)
        self._decision_log = _open_decision_log(config, metrics)
        builder = Builder(
            config=config,
            telemetry=self._telemetry,
            concurrency=ConcurrencyLimit(config.limits.concurrency, metrics),
            channels=self._channels,
            decision_log=self._decision_log,
        )
        self._sources, snapshot, stand_in = builder.start()
        self._active = ActiveSnapshot(snapshot)
        self._health = Health(facts={"version": __version__})
        self._health.set(_LISTENERS, Status.FAILED, "starting")
        self._reloader = Reloader(
            self._active,
            None if stand_in else self._sources,
            Settling(lambda: read_sources(config), lambda: stamp_sources(config), config.policies.settle_s),
            builder.build,
            self._keep,
            self._health,
            metrics,
            allows_removal=config.policies.allow_removal,
        )
        self._reloader.note()
        if stand_in:
            self._reloader.refuse(stand_in.faults)
        self._watching: asyncio.Task[None] | None = None
        metadata = MetadataReader(config.api.pass_metadata, config.limits.header_bytes)
        self._calls = ActiveCalls()
        shared = ListenerContext(
            active=self._active,
            metadata=metadata,
            tracing=tracing,
            metrics=metrics,
            limits=config.limits,
            calls=self._calls,
        )
        rest = RestListener(shared)
        admin = AdminListener(self._health, metrics, lambda: self._active.snapshot.openapi)
        # Not the snapshot's writer: it would keep its descriptors for as long as the servers live.
        writer, header_bytes = JsonWriter(descriptor_pool.Default()), config.limits.header_bytes
        self._rpc = RpcListener(shared, config.grpc)
        self._rest = HttpServer("rest", rest.handle, writer, header_bytes, new_request_id)
        self._admin = HttpServer("admin", admin.handle, writer, header_bytes, new_request_id)

    def _keep(self, sources: Sources) -> None:
        policies = self._config.policies
        if policies.on_error == "last_good":
            LastGood(policies.last_good).save(sources.bundle)

    async def start(self) -> Addresses:
        """Listen.

        Raises:
            FaultsError: an address is taken, or a TLS file cannot be used.
        """
        budget, config = make_budget(self._config), self._config
        faults: list[Fault] = []
        addresses: dict[str, Address] = {}
        for name, starting in (
            ("admin", self._admin.start(config.admin.listen, config.admin.tls, budget.admin)),
            ("rest", self._rest.start(config.rest.listen, config.rest.tls, budget.rest)),
            ("grpc", self._rpc.start(budget.grpc.max_connections)),
        ):
            try:
                addresses[name] = await starting
            except FaultsError as error:
                faults += error.faults
        if faults:
            await self.stop()
            raise FaultsError(faults)
        await self._reloader.keep(self._sources)
        if config.policies.reload:
            self._watching = asyncio.create_task(self._reloader.watch())
        self._health.set(_LISTENERS, Status.OK)
        return Addresses(**addresses)

    async def reload(self) -> None:
        """Reload policies and descriptors if their files have changed, once they have settled.

        A fault changes nothing.
        """
        await self._reloader.reload()

    async def stop(self) -> None:
        """Stop taking calls, let those under way end, close everything.

        A call has until its deadline, or for `limits.drain_s`; one that has not
        ended then has an error as its response. A change that was forwarded is
        waited for in any case: its outcome is logged.
        """
        self._health.set(_LISTENERS, Status.FAILED, "stopping")
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self._drain()
        await self._active.snapshot.pipeline.drain()
        await self._channels.close()
        await self._decision_log.close()
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


def _open_decision_log(config: Config, metrics: Metrics) -> DecisionLog:
    section = config.decision_log
    sink: Sink | None = None
    if section.type == "stdout":
        if is_stdout_closed():
            raise FaultsError([Fault(Position("standard output"), "decision_log.type", _CLOSED_STDOUT)])
        sink = StdoutSink()
    elif section.type == "file":
        try:
            sink = FileSink(section.path, survives_power_loss=section.durability == "power")
        except OSError as error:
            fault = Fault(
                Position(str(section.path)), "decision_log.path", f"cannot be opened: {error.strerror}"
            )
            raise FaultsError([fault]) from error
    return DecisionLog(sink, metrics, capacity=section.capacity, when_full=section.when_full)
