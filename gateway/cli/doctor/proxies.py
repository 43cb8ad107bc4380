"""Finds out whether the gRPC library connects through a proxy of the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# The variables that the gRPC library reads, in its order. Their names have lower case only.
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_EXCEPTIONS = ("no_grpc_proxy", "no_proxy")


def uses_proxy(host: str, environment: Mapping[str, str]) -> bool:
    """Return whether a connection to a host uses a proxy."""
    if not any(environment.get(name) for name in _PROXIES):
        return False
    exceptions = next((environment[name] for name in _EXCEPTIONS if environment.get(name)), "")
    suffixes = (one.strip() for one in exceptions.split(","))
    return not any(
        suffix == "*" or (suffix and host.endswith(suffix.removeprefix("*"))) for suffix in suffixes
    )
