"""The composition root: configuration → parts → listeners; start, drain, stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.admission import Admission
from gateway.bundle_files import read_bundle
from gateway.faults import Fault, FaultsError, Position
from gateway.listeners import AdminListener, Front, Health, HttpServer, RestListener, RpcListener
from gateway.listeners.headers import MetadataReader, new_request_id
from gateway.openapi import build_document, read_comments, to_json
from gateway.pipeline import Pipeline
from gateway.policy import Decider, load_bundle
from gateway.reload import Reloader
from gateway.schema import Schema, SchemaError, builtin_descriptors, load_schema
from gateway.surface import Serving, Surface
from gateway.telemetry import Telemetry, TelemetryError, start_telemetry
from gateway.transcode import JsonWriter, build_router
from gateway.upstream import Channels, Forwarder
from gateway.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.config import Address, Config
    from gateway.policy import Bundle

_log = logging.getLogger(__name__)

DRAIN_S = 10.0
"""Seconds that calls under way have to end when the gateway stops."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The files that a surface is made of: name → content."""

    descriptor_sets: Mapping[str, bytes]
    bundle: Mapping[str, str]


def read_sources(config: Config) -> Sources:
    """Read the files that a configuration names.

    Raises:
        FaultsError: with every file that cannot be read.
    """
    return Sources(_read_descriptor_sets(config), read_bundle(config.policies.path))


def open_schema(config: Config) -> Schema:
    """Load the descriptors that a configuration names.

    Raises:
        FaultsError: a set cannot be read, or its descriptors cannot be served.
    """
    return _load_schema(config, _read_descriptor_sets(config))


def describe_api(config: Config) -> bytes:
    """Return the OpenAPI document of what a configuration serves, as JSON.

    Raises:
        FaultsError: a descriptor set cannot be read, or its descriptors cannot be served.
    """
    descriptor_sets = _read_descriptor_sets(config)
    return _describe(config, _load_schema(config, descriptor_sets), descriptor_sets)


def _describe(config: Config, schema: Schema, descriptor_sets: Mapping[str, bytes]) -> bytes:
    comments = read_comments([builtin_descriptors(), *descriptor_sets.values()])
    scheme = "https" if config.rest.tls else "http"
    document = build_document(
        schema, comments, version=__version__, server=f"{scheme}://{config.rest.listen}"
    )
    return to_json(document)


def open_bundle(config: Config, schema: Schema) -> Bundle:
    """Load the bundle that a configuration names.

    Raises:
        FaultsError: with every fault in it.
    """
    return load_bundle(read_bundle(config.policies.path), schema)


def _read_descriptor_sets(config: Config) -> dict[str, bytes]:
    sets, faults = {}, []
    for index, path in enumerate(config.api.descriptor_sets):
        try:
            sets[str(path)] = path.read_bytes()
        except OSError as error:
            key = f"api.descriptor_sets[{index}]"
            faults.append(Fault(Position(str(path)), key, f"cannot be read: {error.strerror}"))
    if faults:
        raise FaultsError(faults)
    return sets


def _load_schema(config: Config, descriptor_sets: Mapping[str, bytes]) -> Schema:
    try:
        return load_schema(config.services, descriptor_sets)
    except SchemaError as error:
        raise _schema_faults(error) from error


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
        sources = read_sources(config)
        self._telemetry = telemetry or _open_telemetry(environment)
        tracing, metrics = self._telemetry.tracing, self._telemetry.metrics
        self._admission = Admission(config.limits.concurrency, metrics)
        self._channels = Channels(config.upstreams)
        self._serving = Serving(self._build(sources))
        self._health = Health(facts={"version": __version__})
        self._reloader = Reloader(
            self._serving, sources, lambda: read_sources(config), self._build, self._health, metrics
        )
        self._watching: asyncio.Task[None] | None = None
        metadata = MetadataReader(config.api.pass_metadata, config.limits.header_bytes)
        front = Front(
            serving=self._serving, metadata=metadata, tracing=tracing, metrics=metrics, limits=config.limits
        )
        rest = RestListener(front)
        admin = AdminListener(self._health, metrics, lambda: self._serving.surface.openapi)
        writer, header_bytes = self._serving.surface.writer, config.limits.header_bytes
        self._rpc = RpcListener(front)
        self._rest = HttpServer(rest.handle, writer, header_bytes, new_request_id, DRAIN_S)
        self._admin = HttpServer(admin.handle, writer, header_bytes, new_request_id, drain_s=1.0)

    def _build(self, sources: Sources) -> Surface:
        """Make a surface; called again, in a thread, whenever the files have changed."""
        config, telemetry = self._config, self._telemetry
        schema = _load_schema(config, sources.descriptor_sets)
        try:
            router, validator = build_router(schema), Validator(schema)
        except SchemaError as error:
            raise _schema_faults(error) from error
        bundle = load_bundle(sources.bundle, schema)
        forwarder = Forwarder(schema, config.services, self._channels, telemetry.tracing, telemetry.metrics)
        pipeline = Pipeline(self._admission, validator, Decider(bundle), forwarder, telemetry.metrics)
        return Surface(
            router=router,
            writer=JsonWriter(schema.pool, prints_defaults=config.rest.print_defaults),
            methods={method.path: method for method in schema.methods.values()},
            pipeline=pipeline,
            bundle_hash=bundle.hash,
            openapi=_describe(config, schema, sources.descriptor_sets),
        )

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


def _schema_faults(error: SchemaError) -> FaultsError:
    return FaultsError(Fault(Position("descriptors"), "", fault) for fault in error.faults)
