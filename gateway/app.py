"""The composition root: configuration → parts → listeners; start, drain, stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pool

from gateway import __version__
from gateway.admission import Admission
from gateway.builder import Builder
from gateway.bundles import LastGood
from gateway.decision_log import DecisionLog, FileSink, Sink, StdoutSink
from gateway.faults import Fault, FaultsError, Position
from gateway.listeners import AdminListener, Front, Health, HttpServer, RestListener, RpcListener
from gateway.listeners.headers import MetadataReader, new_request_id
from gateway.reload import Reloader
from gateway.sources import Sources, read_sources
from gateway.surface import Serving
from gateway.telemetry import Telemetry, TelemetryError, start_telemetry
from gateway.transcode import JsonWriter
from gateway.upstream import Channels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.config import Address, Config
    from gateway.telemetry import Metrics

_log = logging.getLogger(__name__)

DRAIN_S = 10.0
"""Seconds that calls under way have to end when the gateway stops."""


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
        self._telemetry = telemetry or _open_telemetry(environment)
        tracing, metrics = self._telemetry.tracing, self._telemetry.metrics
        self._channels = Channels(config.upstreams)
        self._decision_log = _open_decision_log(config, metrics)
        builder = Builder(
            config=config,
            telemetry=self._telemetry,
            admission=Admission(config.limits.concurrency, metrics),
            channels=self._channels,
            decision_log=self._decision_log,
        )
        self._sources, surface, stand_in = builder.start()
        self._serving = Serving(surface)
        self._health = Health(facts={"version": __version__})
        self._reloader = Reloader(
            self._serving,
            None if stand_in else self._sources,
            lambda: read_sources(config),
            builder.build,
            self._keep,
            self._health,
            metrics,
        )
        self._reloader.note()
        if stand_in:
            self._reloader.refuse(stand_in.faults)
        self._watching: asyncio.Task[None] | None = None
        metadata = MetadataReader(config.api.pass_metadata, config.limits.header_bytes)
        front = Front(
            serving=self._serving, metadata=metadata, tracing=tracing, metrics=metrics, limits=config.limits
        )
        rest = RestListener(front)
        admin = AdminListener(self._health, metrics, lambda: self._serving.surface.openapi)
        # Not the surface's writer: it would keep its descriptors for as long as the servers live.
        writer, header_bytes = JsonWriter(descriptor_pool.Default()), config.limits.header_bytes
        self._rpc = RpcListener(front)
        self._rest = HttpServer(rest.handle, writer, header_bytes, new_request_id, DRAIN_S)
        self._admin = HttpServer(admin.handle, writer, header_bytes, new_request_id, drain_s=1.0)

    def _keep(self, sources: Sources) -> None:
        policies = self._config.policies
        if policies.on_error == "last_good":
            LastGood(policies.last_good).save(sources.bundle)

    async def start(self) -> Addresses:
        """Listen.

        Raises:
            FaultsError: an address is taken, or a TLS file cannot be used.
        """
        try:
            admin = await self._admin.start(self._config.admin.listen, self._config.admin.tls)
            rest = await self._rest.start(self._config.rest.listen, self._config.rest.tls)
            rpc = await self._rpc.start(self._config.grpc.listen, self._config.grpc.tls)
        except FaultsError:
            await self.stop()
            raise
        await self._reloader.keep(self._sources)
        if self._config.policies.reload:
            self._watching = asyncio.create_task(self._reloader.watch())
        self._health.is_ready = True
        return Addresses(rest=rest, grpc=rpc, admin=admin)

    async def reload(self) -> None:
        """Put policies and descriptors in force anew if their files have changed; a fault changes nothing."""
        await self._reloader.reload()

    async def stop(self) -> None:
        """Stop taking calls, let those under way end, close everything."""
        self._health.is_ready = False
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await asyncio.gather(self._rest.stop(), self._rpc.stop(DRAIN_S))
        await self._serving.surface.pipeline.drain()
        await self._channels.close()
        await self._decision_log.close()
        await self._admin.stop()
        await asyncio.to_thread(self._telemetry.shutdown)


async def serve(
    config: Config, environment: Mapping[str, str], announce: Callable[[Addresses], None] | None = None
) -> None:
    """Run a gateway until SIGTERM or SIGINT; SIGHUP reloads policies and descriptors.

    Args:
        config: what to serve.
        environment: for telemetry's variables.
        announce: told of the addresses once calls are taken.

    Raises:
        FaultsError: it cannot start.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    gateway = Gateway(config, environment)
    addresses = await gateway.start()
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.ensure_future(gateway.reload())
        reloads.add(task)  # a task that nothing refers to may vanish
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    if "ledger" in config.model_fields_set:
        _log.warning("this version keeps no ledger: calls are logged, not recorded durably")
    _log.info(
        "started",
        extra={
            "version": __version__,
            "rest": str(addresses.rest),
            "grpc": str(addresses.grpc),
            "admin": str(addresses.admin),
        },
    )
    if announce is not None:
        announce(addresses)
    await stopping.wait()
    _log.info("stopping")
    await gateway.stop()


def _open_telemetry(environment: Mapping[str, str]) -> Telemetry:
    try:
        return start_telemetry(environment, __version__)
    except TelemetryError as error:
        raise FaultsError([Fault(Position("environment"), "", str(error))]) from error


def _open_decision_log(config: Config, metrics: Metrics) -> DecisionLog:
    section = config.decision_log
    sink: Sink | None = None
    if section.type == "stdout":
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
