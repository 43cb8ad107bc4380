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
from gateway.config import find_plaintext
from gateway.decision_log import DecisionLog, FileSink, Sink, StdoutSink
from gateway.faults import Fault, FaultsError, Position
from gateway.listeners import (
    ActiveCalls,
    AdminListener,
    Front,
    Health,
    HttpServer,
    RestListener,
    RpcListener,
    make_budget,
)
from gateway.listeners.headers import MetadataReader, new_request_id
from gateway.reload import Reloader
from gateway.settling import Settling
from gateway.sources import Sources, read_sources, stamp_sources
from gateway.standard_streams import is_stdout_closed
from gateway.surface import Serving
from gateway.telemetry import Telemetry, start_telemetry
from gateway.transcode import JsonWriter
from gateway.upstream import Channels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.config import Address, Config
    from gateway.telemetry import Metrics

_log = logging.getLogger(__name__)

LAST_RESPONSES_S = 2.0
"""Seconds to send the responses of the calls that the gateway's stop has ended."""

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
        front = Front(
            serving=self._serving,
            metadata=metadata,
            tracing=tracing,
            metrics=metrics,
            limits=config.limits,
            calls=self._calls,
        )
        rest = RestListener(front)
        admin = AdminListener(self._health, metrics, lambda: self._serving.surface.openapi)
        # Not the surface's writer: it would keep its descriptors for as long as the servers live.
        writer, header_bytes = JsonWriter(descriptor_pool.Default()), config.limits.header_bytes
        self._rpc = RpcListener(front, config.grpc)
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
        self._health.is_ready = True
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
        self._health.is_ready = False
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self._drain()
        await self._serving.surface.pipeline.drain()
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
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    # Before any file is read: a reload that is asked for meanwhile happens once it can.
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    gateway = Gateway(config, environment)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    addresses = await gateway.start()
    reloading = asyncio.create_task(_reload_when(asked, gateway))
    for key, address in find_plaintext(config):
        _log.warning("plaintext over a network: set tls here", extra={"key": key, "address": address})
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
    reloading.cancel()
    await asyncio.wait([reloading])
    await gateway.stop()


async def _reload_when(asked: asyncio.Event, gateway: Gateway) -> None:
    """Reload each time it is asked for; what is asked for during a reload is one more."""
    while True:
        await asked.wait()
        asked.clear()
        await gateway.reload()


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
