"""A certificate authority for tests: certificates of every kind, and revocation lists."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
DAY = timedelta(days=1)
PrivateKey = ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate with its private key, and the certificates of its intermediate CAs."""

    certificate: x509.Certificate
    private_key: PrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        return b"".join(one.public_bytes(Encoding.PEM) for one in (self.certificate, *self.chain))

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def key(self) -> bytes:
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write the files NAME.pem and NAME.key, and return their paths."""
        replace_file(folder / f"{name}.pem", self.pem)
        replace_file(folder / f"{name}.key", self.key)
        return folder / f"{name}.pem", folder / f"{name}.key"


class Authority:
    """A certificate authority."""

    def __init__(self, name: str = "CA", own: Issued | None = None) -> None:
        self.own = own or _sign(name, None, lifetime=(-DAY, 3650 * DAY), is_ca=True)

    @property
    def pem(self) -> bytes:
        return self.own.certificate.public_bytes(Encoding.PEM)

    def make_authority(self, name: str) -> Authority:
        """Return an intermediate CA."""
        return Authority(own=_sign(name, self.own, lifetime=(-DAY, 3650 * DAY), is_ca=True))

    def issue(
        self,
        name: str = "client",
        *,
        lifetime: tuple[timedelta, timedelta] = (-DAY, 365 * DAY),
        usages: Sequence[x509.ObjectIdentifier] = (CLIENT, SERVER),
        sends_chain: bool = False,
    ) -> Issued:
        """Issue a certificate for localhost and 127.0.0.1.

        Args:
            name: its common name.
            lifetime: its start and end, relative to now.
            usages: its extended key usages.
            sends_chain: whether the certificate of this CA is sent with it.
        """
        issued = _sign(name, self.own, lifetime=lifetime, usages=usages)
        chain = (self.own.certificate,) if sends_chain else ()
        return Issued(certificate=issued.certificate, private_key=issued.private_key, chain=chain)

    def revoke(
        self,
        revoked: Iterable[Issued] = (),
        *,
        lifetime: tuple[timedelta, timedelta] = (-DAY, DAY),
        extension: x509.ExtensionType | None = None,
    ) -> bytes:
        """Return a revocation list, as PEM."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.own.certificate.subject)
            .last_update(now + lifetime[0])
            .next_update(now + lifetime[1])
        )
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(now - DAY).build())
        if extension is not None:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(self.own.private_key, _hash_of(self.own.private_key)).public_bytes(Encoding.PEM)


def self_signed(name: str = "client") -> Issued:
    """Return a certificate that no CA has signed."""
    return _sign(name, None, lifetime=(-DAY, DAY), usages=(CLIENT,))


def sign_with(key: PrivateKey) -> Issued:
    """Return a certificate that its own key has signed."""
    return _sign("odd key", None, lifetime=(-DAY, DAY), key=key)


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file at once, as an operator should."""
    part = path.with_suffix(".new")
    part.write_bytes(data)
    part.rename(path)


def _sign(
    name: str,
    issuer: Issued | None,
    *,
    lifetime: tuple[timedelta, timedelta],
    is_ca: bool = False,
    usages: Sequence[x509.ObjectIdentifier] = (),
    key: PrivateKey | None = None,
) -> Issued:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer.private_key if issuer else key
    now = datetime.now(UTC)
    names: list[Any] = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + lifetime[0])
        .not_valid_after(now + lifetime[1])
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not is_ca:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
    return Issued(certificate=builder.sign(signer, _hash_of(signer)), private_key=key)


def _hash_of(key: PrivateKey) -> hashes.SHA256 | None:
    return None if isinstance(key, ed448.Ed448PrivateKey) else hashes.SHA256()
