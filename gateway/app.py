"""The composition root: configuration → parts → listeners; start, drain, stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.bundle_files import read_bundle
from gateway.faults import Fault, FaultsError, Position
from gateway.listeners import AdminListener, Health, HttpServer, RestListener
from gateway.listeners.headers import new_request_id
from gateway.pipeline import Pipeline
from gateway.policy import Decider, load_bundle
from gateway.schema import Schema, SchemaError, load_schema
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


def open_schema(config: Config) -> Schema:
    """Load the descriptors that a configuration names.

    Raises:
        FaultsError: a set cannot be read, or its descriptors cannot be served.
    """
    sets, faults = {}, []
    for index, path in enumerate(config.api.descriptor_sets):
        try:
            sets[str(path)] = path.read_bytes()
        except OSError as error:
            key = f"api.descriptor_sets[{index}]"
            faults.append(Fault(Position(str(path)), key, f"cannot be read: {error.strerror}"))
    if faults:
        raise FaultsError(faults)
    try:
        return load_schema(config.services, sets)
    except SchemaError as error:
        raise _schema_faults(error) from error


def open_bundle(config: Config, schema: Schema) -> Bundle:
    """Load the bundle that a configuration names.

    Raises:
        FaultsError: with every fault in it.
    """
    return load_bundle(read_bundle(config.policies.path), schema)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the listeners wait."""

    rest: Address
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
        schema = open_schema(config)
        try:
            router, validator = build_router(schema), Validator(schema)
        except SchemaError as error:
            raise _schema_faults(error) from error
        bundle = open_bundle(config, schema)
        self._telemetry = telemetry or _open_telemetry(environment)
        tracing, metrics = self._telemetry.tracing, self._telemetry.metrics
        writer = JsonWriter(schema.pool)
        self._channels = Channels(config.upstreams)
        forwarder = Forwarder(schema, config.services, self._channels, tracing, metrics)
        pipeline = Pipeline(validator, Decider(bundle), forwarder, metrics, config.limits.concurrency)
        self._health = Health(facts={"version": __version__, "bundle": bundle.hash})
        rest = RestListener(router, writer, pipeline, tracing, metrics, config.limits)
        admin = AdminListener(self._health, metrics)
        header_bytes = config.limits.header_bytes
        self._rest = HttpServer(rest.handle, writer, header_bytes, new_request_id)
        self._admin = HttpServer(admin.handle, writer, header_bytes, new_request_id)

    async def start(self) -> Addresses:
        """Listen.

        Raises:
            FaultsError: an address is taken, or a TLS file cannot be used.
        """
        try:
            admin = await self._admin.start(self._config.admin.listen, self._config.admin.tls)
            rest = await self._rest.start(self._config.rest.listen, self._config.rest.tls)
        except FaultsError:
            await self.stop()
            raise
        self._health.is_ready = True
        return Addresses(rest=rest, admin=admin)

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Stop taking calls, let those under way end, close everything."""
        self._health.is_ready = False
        await self._rest.stop(drain_s)
        await self._channels.close()
        await self._admin.stop(0)
        await asyncio.to_thread(self._telemetry.shutdown)


async def serve(
    config: Config, environment: Mapping[str, str], announce: Callable[[Addresses], None] | None = None
) -> None:
    """Run a gateway until SIGTERM or SIGINT.

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
    _log.info(
        "started",
        extra={"version": __version__, "rest": str(addresses.rest), "admin": str(addresses.admin)},
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
