"""The composition root. It creates the parts and the listeners of a gateway, and starts and stops them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Never

from google.protobuf import descriptor_pool
from opentelemetry.sdk.resources import Resource

from gateway import __version__
from gateway.audit.record_writer import RecordWriter
from gateway.callers import CallerIdentifier
from gateway.config import identity_header
from gateway.config.api import OPERATION_SERVICE
from gateway.faults import Fault, FaultCollector, FaultsError, Position
from gateway.ledger.places import find_unusable_files
from gateway.ledger.service import LedgerService
from gateway.limits import Admission
from gateway.listeners import (
    ActiveCalls,
    AdminListener,
    ApiPage,
    Head,
    HttpServer,
    ListenerContext,
    MetadataReader,
    RestListener,
    RpcListener,
    StatusFacts,
    Usage,
    make_budget,
)
from gateway.operations import OperationsService
from gateway.operations.waiting.hub import WaitingHub
from gateway.operations.waiting.reader import OperationReader
from gateway.serving.builder import Builder
from gateway.serving.reloader import Reloader
from gateway.serving.snapshot import ActiveSnapshot
from gateway.serving.sources import build_bundle, build_schema, read_sources
from gateway.sinks import SinkError, SinkName, check_sink, open_sink
from gateway.telemetry import (
    EventLoopLag,
    ExportCondition,
    GcPauses,
    Health,
    Metrics,
    Status,
    Telemetry,
    Tracing,
)
from gateway.tls import ServerTls
from gateway.transcode import JsonWriter
from gateway.upstream import Channels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.config import Address, Config
    from gateway.config.origins import Origins
    from gateway.upstream.credentials.own_credentials import OwnCredentials

LAST_RESPONSES_S = 2.0
"""The maximum time for sending the last responses when the gateway stops, in seconds."""
LAST_REQUESTS_S = 1.0
"""The maximum time in which REST callers may send one more request on idle connections, in seconds."""
CONDITION = "listeners"
"""The name of the listeners' health condition.

The condition has the status FAILED while the gateway starts or stops.
"""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of the listeners."""

    rest: Address
    grpc: Address
    admin: Address


class Gateway:
    """A gateway that serves one configuration.

    Args:
        config: the configuration.
        telemetry: the traces and metrics of the process.
        on_active: a function that is called each time a new snapshot has become active.
        origins: the origins of the values of the configuration, for the status page; None if not known.

    Raises:
        FaultsError: there are faults in the descriptors, the bundle, the TLS files or the sink.
    """

    def __init__(
        self,
        config: Config,
        telemetry: Telemetry,
        on_active: Callable[[], None] = lambda: None,
        origins: Origins | None = None,
    ) -> None:
        self._config = config
        self._origins = origins
        self._on_active = on_active
        self._telemetry = telemetry
        self._health = Health(facts={"version": __version__, "mode": config.mode})
        self._health.set(CONDITION, Status.FAILED, "starting")
        metrics = telemetry.metrics
        metrics.watch_health(self._health)
        self._exports = ExportCondition(metrics.results, self._health)
        self._monitors = (EventLoopLag(metrics.record_lag), GcPauses(metrics.record_gc_pause))
        self._admission = Admission(
            config.limits, telemetry.metrics, self._health, is_observing=config.is_observing
        )
        self._calls = ActiveCalls()
        self._is_started = False
        self._rest_address: Address | None = None
        self._open_channels_and_sink()
        self._start_serving()
        self._make_listeners()

    def _open_channels_and_sink(self) -> None:
        config, faults = self._config, FaultCollector()
        with faults.part():
            self._channels = Channels(config.upstreams, self._health, self._telemetry.metrics)
        self._tls: dict[str, ServerTls] = {}
        for name, tls in (("rest", config.rest.tls), ("grpc", config.grpc.tls), ("admin", config.admin.tls)):
            if tls is not None:
                with faults.part():
                    self._tls[name] = ServerTls(name, tls, self._health, self._telemetry.metrics)
        self._credentials: OwnCredentials | None = None
        with faults.part():
            self._credentials = _make_credentials(config, self._telemetry, self._health)
        with faults.part():
            self._callers = CallerIdentifier(
                config.callers, identity_header(config), self._health, self._telemetry.metrics
            )
        with faults.part():
            self._records = _make_record_writer(config, self._telemetry, self._health)
        self._ledger: LedgerService | None = None
        if config.ledger.enabled:
            with faults.part():
                self._ledger = LedgerService(
                    config.ledger,
                    self._telemetry.metrics,
                    self._health,
                    self._telemetry.tracing,
                    config.services_to_follow,
                    is_observing=config.is_observing,
                )
        if faults:  # the gateway cannot start, but the faults of other files are reported too
            with faults.part():
                sources = read_sources(config)
                build_bundle(config, build_schema(config, sources.descriptor_sets), sources.bundle)
        faults.check()

    def _start_serving(self) -> None:
        self._operations = (
            OperationsService(self._ledger, lambda: self._active.snapshot, self._config, self._telemetry)
            if self._ledger
            else None
        )
        limits = self._config.limits
        reader = OperationReader(lambda: self._active.snapshot, limits.deadline_s, limits.concurrency)
        self._waiting = WaitingHub(
            reader,
            limits.waiters,
            count=self._telemetry.metrics.change_waiters,
            has_own_credentials=OPERATION_SERVICE in self._config.services_with_own_credentials,
        )
        builder = Builder(
            config=self._config,
            telemetry=self._telemetry,
            channels=self._channels,
            records=self._records,
            ledger=self._ledger.ledger if self._ledger else None,
            observe=self._operations.observer.observe if self._operations else None,
            hub=self._waiting,
            credentials=self._credentials.by_upstream if self._credentials else {},
        )
        self._sources, snapshot, self._start_faults = builder.start()
        self._active = ActiveSnapshot(snapshot)
        self._reloader = Reloader(
            self._active, builder, self._health, self._telemetry.metrics, self._on_active
        )
        self._watching: asyncio.Task[None] | None = None
        self._watches = [one.watch for one in self._tls.values()] + self._channels.watches
        self._watching_files: list[asyncio.Task[Never]] = []

    def _make_listeners(self) -> None:
        config, telemetry = self._config, self._telemetry
        header_bytes = config.limits.header_bytes
        context = ListenerContext(
            active=self._active,
            head=Head(self._callers, self._admission),
            metadata=MetadataReader(config.api.pass_metadata, header_bytes, identity_header(config)),
            tracing=telemetry.tracing,
            metrics=telemetry.metrics,
            limits=config.limits,
            calls=self._calls,
            own_services=config.services_with_own_credentials,
            is_observing=config.is_observing,
        )
        clients = {name: one.clients for name, one in self._tls.items()}
        rest = RestListener(context, clients.get("rest"))
        api_page = ApiPage(config, lambda: self._rest_address)
        usage = Usage(
            config=config,
            admission=self._admission,
            waiting=self._waiting,
            ledger=self._ledger,
            operations=self._operations,
        )
        facts = StatusFacts(
            config=config, origins=self._origins, health=self._health, active=self._active, usage=usage
        )
        admin = AdminListener(facts, telemetry.metrics, api_page, clients.get("admin"))
        # The servers do not use the JSON writer of a snapshot. If they used this writer, they would keep the
        # descriptors of the snapshot in memory until the gateway stops.
        writer = JsonWriter(descriptor_pool.Default())
        self._rest = HttpServer("rest", rest.handle, writer, header_bytes)
        self._admin = HttpServer("admin", admin.handle, writer, header_bytes)
        self._rpc = RpcListener(context, config.grpc, self._health)

    async def start(self) -> Addresses:
        """Start the listeners, and return their addresses.

        Raises:
            FaultsError: an address cannot be used.
        """
        budget, config = make_budget(self._config), self._config
        faults = FaultCollector()
        addresses: dict[str, Address] = {}
        if self._ledger is not None:
            with faults.part():
                await self._ledger.start()
        if self._credentials is not None:
            await self._credentials.start()
        await self._callers.start()
        await self._admission.start()
        for name, starting in (
            ("admin", self._admin.start(config.admin.listen, self._tls.get("admin"), budget.admin)),
            ("rest", self._rest.start(config.rest.listen, self._tls.get("rest"), budget.rest)),
            ("grpc", self._rpc.start(self._tls.get("grpc"), budget.grpc.max_connections)),
        ):
            with faults.part():
                addresses[name] = await starting
        if faults:
            await self.stop()
        faults.check()
        self._rest_address = addresses["rest"]
        if self._operations is not None:
            self._operations.start()
        await self._reloader.start(self._sources, self._start_faults)
        if config.policies.reload:
            self._watching = asyncio.create_task(self._reloader.watch())
        self._watching_files = [asyncio.create_task(one.run()) for one in self._watches]
        self._watching_files.append(asyncio.create_task(self._exports.run()))
        for monitor in self._monitors:
            monitor.start()
        self._is_started = True
        self._health.set(CONDITION, Status.OK)
        return Addresses(**addresses)

    async def discard(self) -> None:
        """Release the parts of a gateway that was not started."""
        await self._channels.close()
        await self._records.close()

    @property
    def shadow_faults(self) -> tuple[Fault, ...]:
        """The faults that prevent the evaluation of the shadow bundle."""
        return self._active.snapshot.shadow_faults

    async def reload(self) -> None:
        """Reload policies and descriptors if their files have changed.

        The new files are used only after they have not changed for a configured time. If the new files have
        faults, the active snapshot continues to serve calls.
        """
        await self._reloader.reload()

    async def stop(self) -> None:
        """Stop accepting calls, let active calls end, and close everything.

        The gateway is not ready any more, and accepts calls for `shutdown.delay_s`. Then active calls may
        continue for `shutdown.grace_s`, or until their deadlines if it is not set. The gateway then ends the
        remaining calls with an error. The gateway always waits until forwarded changes have ended, so that
        the outcome of each change is logged.
        """
        self._health.set(CONDITION, Status.FAILED, "stopping")
        for monitor in self._monitors:
            monitor.stop()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        for task in self._watching_files:
            task.cancel()
        if self._watching_files:
            await asyncio.wait(self._watching_files)
        await self._drain()
        if self._admission.forwarding:
            await asyncio.wait(self._admission.forwarding)
        await self._callers.stop()
        if self._ledger is not None:
            await self._ledger.stop_tasks()
        if self._credentials is not None:
            await self._credentials.stop()
        await self._channels.close()
        await self._admission.close()
        if self._ledger is not None:
            await self._ledger.stop()
        await self._records.close()
        await self._admin.stop(LAST_RESPONSES_S)
        await asyncio.to_thread(self._telemetry.shutdown)

    async def _drain(self) -> None:
        if self._is_started:
            await asyncio.sleep(self._config.shutdown.delay_s)
        grace_s = self._config.shutdown.grace_s
        if grace_s is None:
            grace_s = self._config.limits.deadline_s + LAST_RESPONSES_S
        self._calls.is_stopping = True
        await self._waiting.stop()
        cut = asyncio.get_running_loop().call_later(grace_s, self._calls.cut)
        timeout_s = grace_s + LAST_RESPONSES_S
        await asyncio.gather(
            self._rest.stop(timeout_s, min(LAST_REQUESTS_S, grace_s)), self._rpc.stop(timeout_s)
        )
        cut.cancel()


def _make_credentials(config: Config, telemetry: Telemetry, health: Health) -> OwnCredentials | None:
    if not any(map(config.has_own_credentials, config.services.values())):
        return None
    from gateway.upstream.credentials.own_credentials import OwnCredentials  # noqa: PLC0415 - rarely needed

    return OwnCredentials(config, health, telemetry.metrics)


async def check(config: Config) -> None:
    """Check a configuration, and everything that it names, as far as this is possible without a start.

    The parts of a gateway are made as for a start. So the check finds what a start finds, except for
    addresses and databases that cannot be used. No file is created or changed, and nothing is connected.

    Args:
        config: the configuration.

    Raises:
        FaultsError: there are faults. The error contains all faults that were found.
    """
    faults = FaultCollector()
    for fault in _find_faults_of_places(config):
        faults.add(fault)
    # The sink would create its file. With the last good bundle, the faults of the bundle would not be raised.
    unwritten = {
        "decision_log": config.decision_log.model_copy(update={"type": SinkName.NONE}),
        "policies": config.policies.model_copy(update={"on_error": "refuse"}),
    }
    with faults.part():
        telemetry = Telemetry(Tracing(), Metrics(Resource.get_empty()))
        gateway = Gateway(config.model_copy(update=unwritten), telemetry)
        await gateway.discard()
        for fault in gateway.shadow_faults:
            faults.add(fault)
    faults.check()


def _find_faults_of_places(config: Config) -> Iterator[Fault]:
    """Yield the faults of the places that a gateway writes to: the sink and the ledger."""
    try:
        check_sink(config.sink, config.decision_log)
    except SinkError as error:
        yield _to_fault(error)
    if config.ledger.enabled:
        yield from find_unusable_files(config.ledger)


def _to_fault(error: SinkError) -> Fault:
    return Fault(Position(error.place), f"decision_log.{error.key}", error.reason)


def _make_record_writer(config: Config, telemetry: Telemetry, health: Health) -> RecordWriter:
    section = config.decision_log
    try:
        sink = open_sink(config.sink, section)
    except SinkError as error:
        raise FaultsError([_to_fault(error)]) from error
    return RecordWriter(
        sink,
        telemetry.metrics,
        health,
        capacity=section.capacity,
        when_full=section.when_full,
        is_observing=config.is_observing,
    )
