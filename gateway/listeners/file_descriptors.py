"""The connection limits of the listeners. They depend on the number of files that the process may open."""

from __future__ import annotations

import logging
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.config import Config

_log = logging.getLogger(__name__)

ADMIN_CONNECTIONS = 32
"""The number of connections that are reserved for the admin listener."""
RESERVE = 96
"""The number of file descriptors that are reserved for upstreams, files, event loops and exporters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionBounds:
    """The maximum numbers of open connections of a listener: in total, and from one address."""

    max_connections: int
    max_connections_per_address: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The connection limits of all listeners."""

    rest: ConnectionBounds
    grpc: ConnectionBounds
    admin: ConnectionBounds


def make_budget(config: Config) -> Budget:
    """Return connection limits that fit within the limit on open files.

    The limit on open files is raised if necessary. If it cannot be raised enough, the connection limits are
    lowered, and the lower limits are logged. The sum of the connection limits stays below the limit on open
    files, so that the admin listener can always be reached.
    """
    rest, grpc = config.rest.max_connections, config.grpc.max_connections
    available = _raise_limit(rest + grpc + ADMIN_CONNECTIONS + RESERVE) - ADMIN_CONNECTIONS - RESERVE
    if available < rest + grpc:
        share = max(available, 0) / (rest + grpc)
        rest, grpc = max(1, int(rest * share)), max(1, int(grpc * share))
        _log.warning(
            "connections bounded by the limit on open files; raise it (ulimit -n, LimitNOFILE)",
            extra={"rest.max_connections": rest, "grpc.max_connections": grpc, "open_files": _hard_limit()},
        )
    return Budget(
        rest=_bounds(rest, config.rest.max_connections_per_address),
        grpc=_bounds(grpc, config.grpc.max_connections_per_address),
        admin=_bounds(ADMIN_CONNECTIONS, ADMIN_CONNECTIONS),
    )


def _bounds(total: int, per_address: int) -> ConnectionBounds:
    return ConnectionBounds(max_connections=total, max_connections_per_address=min(per_address, total))


def _raise_limit(wanted: int) -> int:
    """Raise the soft limit on open files if necessary.

    Return the number of files that may be open. The result is at most the wanted number.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    reachable = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    except (OSError, ValueError):  # a sandbox may forbid the change
        return soft
    return reachable


def _hard_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
