"""Finds combinations of TLS keys that have no effect or are not safe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.config.values import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.config.listeners import ListenerTls
    from gateway.config.sections import Config
    from gateway.config.upstreams import Upstream

_UPSTREAM_TLS_KEYS = ("root_certificates", "certificate", "key", "server_name")

_NO_OPTIONAL = (
    "the gRPC library for Python cannot request a certificate without requiring it; use required, or remove "
    "client_ca, so that callers identify themselves in another way"
)


def find_tls_faults(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path of each faulty key, and the message of its fault."""
    for name, listener in (("rest", config.rest), ("grpc", config.grpc), ("admin", config.admin)):
        if listener.tls is not None:
            if listener.allow_plaintext:
                yield (name, "allow_plaintext"), "has no effect, because tls is set; remove one of them"
            yield from _find_in_listener(name, listener.tls)
        elif not listener.allow_plaintext and not is_loopback(listener.listen.host):
            yield (
                (name, "listen"),
                (
                    f"{listener.listen} is not on loopback: set {name}.tls, or accept plaintext with "
                    f"{name}.allow_plaintext: true"
                ),
            )
    for name, upstream in config.upstreams.items():
        yield from _find_in_upstream(name, upstream)


def _find_in_listener(name: str, tls: ListenerTls) -> Iterator[tuple[tuple[str, ...], str]]:
    if tls.client_ca is None:
        for key in ("client_auth", "crl"):
            if getattr(tls, key) is not None:
                yield (name, "tls", key), f"has no effect without {name}.tls.client_ca"
    elif name == "grpc" and tls.client_auth == "optional":
        yield (name, "tls", "client_auth"), _NO_OPTIONAL


def _find_in_upstream(name: str, upstream: Upstream) -> Iterator[tuple[tuple[str, ...], str]]:
    section = f"upstreams.{name}"
    if not upstream.tls:
        for key in _UPSTREAM_TLS_KEYS:
            if getattr(upstream, key) is not None:
                yield ("upstreams", name, key), f"has no effect with {section}.tls: false"
    elif (upstream.certificate is None) != (upstream.key is None):
        given, missing = ("certificate", "key") if upstream.key is None else ("key", "certificate")
        yield ("upstreams", name, given), f"needs {section}.{missing} too"
