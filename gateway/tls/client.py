"""TLS of the channel to one upstream: the files in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from gateway.faults import FaultCollector
from gateway.tls.expiry import CertificateExpiry

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Upstream
    from gateway.telemetry import Metrics, Status


class ClientTls:
    """TLS of the channel to one upstream.

    Attributes:
        section: the name of the condition and of the label in metrics, such as `upstreams.baremetal.tls`.
        paths: the paths of the files.
    """

    def __init__(self, name: str, upstream: Upstream, metrics: Metrics) -> None:
        """Initialize the object. `load` loads the files.

        Args:
            name: the name of the upstream.
            upstream: the section of the configuration that names the files.
            metrics: the metrics that show the expiry of the certificate.
        """
        self.section = f"upstreams.{name}.tls"
        files = (upstream.root_certificates, upstream.certificate, upstream.key)
        self.paths: tuple[Path, ...] = tuple(one for one in files if one is not None)
        self._prefix = f"upstreams.{name}"
        self._upstream = upstream
        self._expiry = CertificateExpiry(self.section, metrics)

    def load(self) -> grpc.ChannelCredentials:
        """Load the files, and return the credentials of a channel.

        Raises:
            FaultsError: a file cannot be used. The error contains the faults of all files.
        """
        if not self.paths:
            return grpc.ssl_channel_credentials()
        from gateway.tls.pem_files import (  # noqa: PLC0415 - 9 MB of memory, only for these files
            CertificateFile,
            load_key_pair,
            read_certificates,
        )

        upstream, faults = self._upstream, FaultCollector()
        roots, chain, key = None, CertificateFile(), b""
        if upstream.root_certificates is not None:
            with faults.part():
                roots = read_certificates(upstream.root_certificates, f"{self._prefix}.root_certificates")
        if upstream.certificate is not None and upstream.key is not None:
            with faults.part():
                chain, key = load_key_pair(upstream.certificate, upstream.key, self._prefix, is_for_grpc=True)
        faults.check()
        if upstream.certificate is None:
            return grpc.ssl_channel_credentials(roots)
        self._expiry.set(upstream.certificate, chain.certificates[0])
        return grpc.ssl_channel_credentials(roots, key, chain.data)

    def describe(self) -> tuple[Status, str]:
        """Return the status of the certificate of the gateway, and the reason."""
        return self._expiry.describe()
