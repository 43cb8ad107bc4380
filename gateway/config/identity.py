"""The header in which callers send their identity, and the faults that concern several sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.faults import Fault, FaultsError, Position, suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from gateway.config.callers import Callers
    from gateway.config.sections import Config
    from gateway.faults import Path

AUTHORIZATION = "authorization"
"""The header in which upstreams expect credentials."""

OWN_HEADER = "x-gateway-authorization"
"""The header of callers' identities if the upstream gets the callers' own `authorization`."""

# Headers that have another meaning for the gateway, or for the upstream that they are passed to.
_USED = frozenset({"idempotency-key", "x-client-request-id", "x-client-trace-id", "x-forwarded-for"})


def identity_header(config: Config) -> str | None:
    """Return the name of the header in which callers send a JWT or a token, in lower case.

    The result is None if no configured kind of credentials is sent in a header.
    """
    if not config.callers.uses_header:
        return None
    return config.callers.header or (AUTHORIZATION if config.all_have_own_credentials else OWN_HEADER)


def find_identity_faults(config: Config) -> Iterator[tuple[Path, str]]:
    """Yield the path and the message of each fault in the identification of callers."""
    callers = config.callers
    for kind in ("jwt", "tokens"):
        is_used, section = kind in callers.kinds, getattr(callers, kind)
        if is_used and section is None:
            yield ("callers", kind), f"is required, because callers.type contains {kind}"
        if section is not None and not is_used:
            yield ("callers", kind), f"has no effect: callers.type does not contain {kind}"
    if not callers.kinds:
        given = callers.model_fields_set
        if "open_methods" in given:
            yield ("callers", "open_methods"), "has no effect: callers.type is none"
        if "failed_attempts" in given and not _checks_certificates(config):
            yield (
                ("callers", "failed_attempts"),
                "has no effect: callers.type is none, and neither rest.tls nor grpc.tls has client_ca",
            )
    yield from _find_header_faults(config)
    yield from _find_certificate_faults(config)
    yield from _find_mode_faults(config)


def check_open_methods(callers: Callers, methods: Collection[str]) -> None:
    """Check that each method in `callers.open_methods` is served.

    Args:
        callers: the section of the configuration.
        methods: the full names of all served methods, as `package.Service/Method`.

    Raises:
        FaultsError: methods are not served. The error contains a fault for each of them.
    """
    faults = [
        Fault(
            Position("configuration"),
            f"callers.open_methods[{index}]",
            f"{name!r} is not a served method{suggest(name, methods)}",
        )
        for index, name in enumerate(callers.open_methods)
        if name not in methods
    ]
    if faults:
        raise FaultsError(faults)


def _find_header_faults(config: Config) -> Iterator[tuple[Path, str]]:
    callers, path = config.callers, ("callers", "header")
    header = identity_header(config)
    if callers.header is not None and header is None:
        yield path, "has no effect: callers.type contains neither jwt nor tokens"
    if header is None:
        return
    if header in _USED or header.endswith("-bin"):
        yield path, f"{header!r} has another meaning; use another name"
    if header == AUTHORIZATION and not config.all_have_own_credentials:
        yield (
            path,
            (
                "authorization is passed on to an upstream, since the gateway has no credentials of its own; "
                f"use {OWN_HEADER}"
            ),
        )
    for index, name in enumerate(config.api.pass_metadata):
        if name == header:
            yield (
                ("api", "pass_metadata", index),
                f"{name!r} is the header of callers' identities (callers.header), which is never forwarded",
            )


def _checks_certificates(config: Config) -> bool:
    return any(tls is not None and tls.client_ca is not None for tls in (config.rest.tls, config.grpc.tls))


def _find_certificate_faults(config: Config) -> Iterator[tuple[Path, str]]:
    """Yield a fault for each listener that needs the CA certificates of callers, and does not have them."""
    kinds = config.callers.kinds
    if "mtls" not in kinds:
        return
    listeners = (("rest", config.rest.tls), ("grpc", config.grpc.tls))
    without = [name for name, tls in listeners if tls is None or tls.client_ca is None]
    if kinds == ("mtls",):
        for name in without:
            yield (
                (name, "tls", "client_ca"),
                "is required, because callers.type is mtls: this listener would refuse every caller",
            )
    elif len(without) == len(listeners):
        yield (
            ("callers", "type"),
            "mtls has no effect: neither rest.tls.client_ca nor grpc.tls.client_ca is set",
        )


def _find_mode_faults(config: Config) -> Iterator[tuple[Path, str]]:
    """Yield a fault if callers that are not identified could use the gateway's own credentials."""
    if config.is_observing and config.callers.kinds and config.services_with_own_credentials:
        yield (
            ("mode",),
            (
                "observe also forwards the calls of callers that are not identified, and they would use the "
                "gateway's own credentials; set credentials to passthrough, or callers.type to none"
            ),
        )
