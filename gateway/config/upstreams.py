"""The sections of the upstreams."""

from __future__ import annotations

from pathlib import Path

from gateway.config.section import Section
from gateway.config.values import TargetAddress


class Upstream(Section):
    """One gRPC server that calls are forwarded to."""

    address: TargetAddress
    """Host and port."""
    tls: bool = True
    """Connect with TLS; `false` is plaintext, with a warning at the start when it is not on loopback."""
    root_certificates: Path | None = None
    """PEM file of the authorities to trust instead of the default ones."""
