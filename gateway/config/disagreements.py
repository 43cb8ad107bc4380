"""Finds values of the configuration that are valid alone, but not together with the values of other keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.config.api import INFRASTRUCTURE_SERVICES, NEEDED_METHODS, OWN_SERVICES
from gateway.config.credentials import is_own
from gateway.config.discovery import CLOUD_ENDPOINTS
from gateway.config.identity import find_identity_faults
from gateway.config.tls_checks import find_tls_faults
from gateway.config.values import is_loopback
from gateway.faults import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.config.sections import Config
    from gateway.faults import Path


def find_disagreements(config: Config) -> Iterator[tuple[Path, str]]:
    """Yield the path of a key, and a message, for each value that does not agree with other values."""
    yield from _find_in_services(config)
    yield from _find_in_discovery(config)
    yield from _find_in_credentials(config)
    yield from find_tls_faults(config)
    yield from find_identity_faults(config)
    yield from config.limits.find_ineffective()
    yield from _find_in_try_calls(config)
    yield from config.telemetry.find_ineffective()


def _find_in_services(config: Config) -> Iterator[tuple[Path, str]]:
    for index, method in enumerate(config.api.excluded_methods):
        if method in NEEDED_METHODS:
            message = f"{method} is needed to follow operations; it cannot be excluded"
            yield ("api", "excluded_methods", index), message
    for service, upstream in config.services.items():
        if service in OWN_SERVICES or service in INFRASTRUCTURE_SERVICES:
            yield ("api", "services", service), "is served by the gateway itself"
        if upstream not in config.upstreams:
            names = ", ".join(config.upstreams)
            yield ("api", "services", service), f"there is no upstream {upstream!r}; upstreams: {names}"


def _find_in_discovery(config: Config) -> Iterator[tuple[Path, str]]:
    """Yield each key of discovery that has no effect."""
    section = config.discovery
    if not section.enabled:
        for key in sorted(section.model_fields_set - {"enabled"}):
            yield ("discovery", key), "has no effect, because discovery.enabled is false"
        return
    for name, address in section.endpoints.items():
        path = ("discovery", "endpoints", name)
        if name in config.own_ids:
            yield path, "the gateway serves it, so discovery.address is its address"
        elif address is None and name not in CLOUD_ENDPOINTS:
            hint = suggest(name, CLOUD_ENDPOINTS)
            yield path, f"null removes an address of the cloud, and none has this ID{hint}"


def _find_in_credentials(config: Config) -> Iterator[tuple[Path, str]]:
    """Yield credentials that no upstream uses, and upstreams to which they would be sent in plaintext."""
    if is_own(config.credentials) and all(one.credentials is not None for one in config.upstreams.values()):
        message = "has no effect, because each upstream has credentials of its own; remove one of them"
        yield ("credentials",), message
    for name, upstream in config.upstreams.items():
        host = upstream.address.rpartition(":")[0]
        if config.has_own_credentials(name) and not upstream.tls and not is_loopback(host):
            message = (
                "the gateway's own credentials are sent to this upstream, and plaintext over a network would "
                "reveal them; remove `tls: false`"
            )
            yield ("upstreams", name, "tls"), message


def _find_in_try_calls(config: Config) -> Iterator[tuple[Path, str]]:
    """Yield a fault if calls cannot be tried although the configuration allows them for everybody."""
    tls = config.rest.tls
    if config.admin.try_calls == "always" and tls is not None and tls.client_ca is not None:
        message = (
            "has no effect: rest.tls.client_ca requires a client certificate, which the gateway does not "
            "have; use never"
        )
        yield ("admin", "try_calls"), message
