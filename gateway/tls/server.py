"""TLS of one listener: the files in force, and their reload."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.faults import Fault, FaultCollector, FaultsError, Position
from gateway.telemetry import Status
from gateway.tls.client_certificates import ClientCertificates
from gateway.tls.expiry import CertificateExpiry
from gateway.watching import FileWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.config import ListenerTls
    from gateway.telemetry import Health, Metrics
    from gateway.tls.authorities import Authorities


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServerFiles:
    """The content of the PEM files of a listener.

    Attributes:
        chain: the certificate chain.
        key: the private key.
        client_ca: the CA certificates that verify callers; None if callers present no certificate.
    """

    chain: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None


class ServerTls:
    """TLS of one listener. Changed files are used for new connections; open connections stay open.

    Attributes:
        section: the configuration section, such as `rest.tls`.
        files: the content of the files in force.
        context: the TLS context for new connections. Changed files make a new context. So a session of an
            earlier context cannot be resumed, and the certificate of the caller is verified again.
        clients: checks the certificates of callers; None if callers present no certificate.
        on_change: a function that is called when changed files are in force.
        watch: watches the files.
    """

    def __init__(
        self,
        name: str,
        tls: ListenerTls,
        health: Health,
        metrics: Metrics,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Load the files.

        Args:
            name: the name of the listener.
            tls: the section of the configuration that names the files.
            health: the health that shows the state of the files, as the condition `<name>.tls`.
            metrics: the metrics that show the expiry of the certificate.
            now: a function that returns the Unix time in seconds.

        Raises:
            FaultsError: a file cannot be used. The error contains the faults of all files.
        """
        self.section = f"{name}.tls"
        self._tls = tls
        self._now = now
        self._authorities: Authorities | None = None
        self._expiry = CertificateExpiry(self.section, metrics, now)
        self.clients: ClientCertificates | None = None
        self.on_change: Callable[[], None] = lambda: None
        paths = [tls.certificate, tls.key, tls.client_ca, tls.crl]
        self.watch = FileWatch(
            self.section, [one for one in paths if one is not None], self._load, health, self._describe
        )
        self._load()
        self.watch.look()  # shows a certificate that has expired

    def _load(self) -> None:
        from gateway.tls.authorities import load_authorities  # noqa: PLC0415 - 9 MB of memory, only for TLS
        from gateway.tls.pem_files import CertificateFile, load_key_pair  # noqa: PLC0415 - the same

        tls, faults, is_grpc = self._tls, FaultCollector(), self.section == "grpc.tls"
        chain, key, authorities, client_ca = CertificateFile(), b"", None, None
        with faults.part():
            chain, key = load_key_pair(tls.certificate, tls.key, self.section, is_for_grpc=is_grpc)
        if tls.client_ca is not None:
            with faults.part():
                authorities, client_ca = load_authorities(
                    tls.client_ca, tls.crl, self.section, self._authorities
                )
        faults.check()
        self.context = make_context(tls, self.section, client_ca)
        # From here on, nothing fails. So either all old files or all new files are in force.
        self.files = ServerFiles(chain=chain.data, key=key, client_ca=client_ca)
        self._authorities = authorities
        if authorities is not None:
            self.clients = self.clients or ClientCertificates(authorities.examine, self._now)
            self.clients.replace(authorities.examine)
        self._expiry.set(tls.certificate, chain.certificates[0])
        self.on_change()

    def _describe(self) -> tuple[Status, str]:
        status, reason = self._expiry.describe()
        outdated = self._authorities.find_outdated(self._now()) if self._authorities else ""
        if outdated:
            return Status.DEGRADED, "; ".join(filter(None, (reason, f"{self._tls.crl}: {outdated}")))
        return status, reason


def make_context(tls: ListenerTls, section: str, client_ca: bytes | None) -> ssl.SSLContext:
    """Return a TLS context for a listener.

    Args:
        tls: the section of the configuration that names the files of the certificate.
        section: the name of the section, such as `rest.tls`.
        client_ca: the CA certificates that verify callers; None if callers present no certificate.

    Raises:
        FaultsError: OpenSSL refuses a file.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The flags of the gRPC library. So both listeners accept the same certificates: an intermediate CA in
    # client_ca is trusted without its root.
    context.verify_flags = ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_TRUSTED_FIRST
    path, key = tls.certificate, "certificate"
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if client_ca is not None and tls.client_ca is not None:
            path, key = tls.client_ca, "client_ca"
            context.load_verify_locations(cadata=client_ca.decode("ascii", "ignore"))
            context.verify_mode = ssl.CERT_OPTIONAL if tls.client_auth == "optional" else ssl.CERT_REQUIRED
    except OSError as error:  # OpenSSL refuses some valid PEM files, such as a key that is too short
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        message = f"cannot be used: {(reason or 'refused').replace('_', ' ').lower()}"
        raise FaultsError([Fault(Position(str(path)), f"{section}.{key}", message)]) from error
    return context
