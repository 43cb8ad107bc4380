"""The sections of the upstreams."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gateway.config.credentials import Credentials
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
    certificate: Path | None = None
    """PEM file of the certificate chain that the gateway presents, with its own certificate first."""
    key: Path | None = None
    """PEM file of the private key of `certificate`, without a password."""
    server_name: str | None = Field(None, min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._:-]+$")
    """Name that the certificate of the upstream must have; the host of `address` when not set."""
    credentials: Credentials | None = None
    """The gateway's own credentials for this upstream; those of the section `credentials` when not set."""
