"""Functions that run a gateway in this process.

SIGTERM and SIGINT stop the gateway. SIGHUP reloads policies and descriptors.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.app import Gateway
from gateway.config import find_plaintext
from gateway.telemetry import Reason, TraceSettings, start_telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gateway.app import Addresses
    from gateway.config import Config
    from gateway.config.origins import Origins

_log = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
RELOAD_SIGNAL = signal.SIGHUP
COLLECT_AFTER = 10_000
"""The number of new objects, less those that were dropped, after which garbage is collected.

Python's default is 700. Under load, the active calls have more objects, so that each collection would visit
them and find no garbage. This would take 3 % of the time of a call.
"""


async def serve(
    config: Config,
    environment: Mapping[str, str],
    announce: Callable[[Addresses], None] | None = None,
    origins: Origins | None = None,
) -> None:
    """Run a gateway until SIGTERM or SIGINT arrives. SIGHUP reloads policies and descriptors.

    Args:
        config: the configuration of the gateway.
        environment: the environment variables that configure telemetry.
        announce: a function that is called after the gateway has started to accept calls. The argument is the
            addresses of the listeners.
        origins: the origins of the values of the configuration, for the status page; None if not known.

    Raises:
        FaultsError: the gateway cannot start.
    """
    stopping, reload_requested = asyncio.Event(), asyncio.Event()
    # The signal handlers are set before policies and descriptors are read. So a SIGHUP during the start
    # causes a reload after the start.
    with _signals(stopping, reload_requested):
        telemetry = start_telemetry(environment, __version__, _trace_settings(config))
        gateway = Gateway(config, telemetry, freeze_objects, origins)
        addresses = await gateway.start()
        gc.set_threshold(COLLECT_AFTER)
        gc.enable()  # see __main__.py
        reloading = asyncio.create_task(_reload_on(reload_requested, gateway))
        report_start(config, addresses)
        if announce is not None:
            announce(addresses)
        await stopping.wait()
        _log.info("stopping")
        reloading.cancel()
        await asyncio.wait([reloading])
        await gateway.stop()


def _trace_settings(config: Config) -> TraceSettings:
    section = config.telemetry
    return TraceSettings(
        trusts_remote=section.trust_remote_context,
        keep=tuple(map(Reason, section.keep)),
        slow_s=section.slow_s,
    )


def freeze_objects() -> None:
    """Exclude all present objects from garbage collection, except those that are garbage already.

    Later collections visit only the objects of calls. A collection that visits every module, descriptor and
    policy would stop all calls for about 50 ms. The objects of a replaced snapshot are collected when this
    function is called again.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@contextmanager
def _signals(stopping: asyncio.Event, reload_requested: asyncio.Event) -> Iterator[None]:
    """Set `stopping` on SIGTERM and SIGINT, and `reload_requested` on SIGHUP. Ignore them afterwards.

    The signal handlers of asyncio are not used, because the event loop restores the default action of a
    signal when its handler is removed. Then the next signal would kill the process. The exit code would
    report a failure, and the last lines of the log would be lost.
    """
    loop = asyncio.get_running_loop()
    for events, numbers in ((stopping, STOP_SIGNALS), (reload_requested, (RELOAD_SIGNAL,))):
        for number in numbers:
            signal.signal(number, lambda *_, event=events: loop.call_soon_threadsafe(event.set))
    try:
        yield
    finally:
        for number in (*STOP_SIGNALS, RELOAD_SIGNAL):
            signal.signal(number, signal.SIG_IGN)


async def _reload_on(requested: asyncio.Event, gateway: Gateway) -> None:
    """Reload each time the event is set. Several signals during a reload cause only one further reload."""
    while True:
        await requested.wait()
        requested.clear()
        await gateway.reload()


def report_start(config: Config, addresses: Addresses) -> None:
    """Log the start, and a warning for each part of the configuration that is probably a mistake."""
    for key, address in find_plaintext(config):
        _log.warning("plaintext over a network: set tls here", extra={"key": key, "address": address})
    if config.is_observing:
        _log.warning("nothing is enforced: set mode to enforce to apply policies, limits and identities")
    if config.discovery.enabled and config.endpoints is None:
        _log.warning(
            "clients cannot use discovery: set discovery.address to the address by which they reach the gRPC "
            "listener, or discovery.enabled to false",
            extra={"address": str(config.grpc.listen)},
        )
    facts = {"rest": str(addresses.rest), "grpc": str(addresses.grpc), "admin": str(addresses.admin)}
    _log.info("started", extra={"version": __version__, **facts})
