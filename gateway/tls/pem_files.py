"""Reads and checks PEM files of certificates, private keys and certificate revocation lists.

The faults of this module contain the file name and the configuration key. The errors of TLS libraries contain
neither of them. Some TLS libraries report an error only at the first handshake.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.faults import Fault, FaultCollector, FaultsError, Position

if TYPE_CHECKING:
    from pathlib import Path

_MARKER = re.compile(rb"^-+.*$", re.MULTILINE)
_END = re.compile(rb"-----END [A-Z0-9 ]+-----\s*")
_GRPC_CURVES = {"secp256r1", "secp384r1", "secp521r1"}
_CRL = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True, slots=True, eq=False)
class CertificateFile:
    """A file of certificates.

    Attributes:
        data: the content of the file.
        certificates: the certificates in the file. A file that was loaded has at least one.
    """

    data: bytes = b""
    certificates: tuple[x509.Certificate, ...] = ()


def load_certificates(path: Path, key: str) -> CertificateFile:
    """Load a file of certificates.

    Args:
        path: the path of the file.
        key: the configuration key that contains the path.

    Raises:
        FaultsError: the file cannot be read, is not complete, or contains no certificate.
    """
    data = _read(path, key)
    try:
        certificates = tuple(x509.load_pem_x509_certificates(data))
        for one in certificates:
            (
                one.public_key(),
                one.not_valid_after_utc,
                one.subject.rfc4514_string(),
            )  # are read when they are used
    except (ValueError, UnsupportedAlgorithm) as error:
        message = "contains no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
        raise _fault(path, key, message) from error
    _check_complete(data, path, key)
    return CertificateFile(data, certificates)


def read_certificates(path: Path, key: str) -> bytes:
    """Return the content of a file of certificates.

    Args:
        path: the path of the file.
        key: the configuration key that contains the path.

    Raises:
        FaultsError: the file cannot be read, is not complete, or contains no certificate.
    """
    return load_certificates(path, key).data


def load_key_pair(
    certificate: Path, private_key: Path, section: str, *, is_for_grpc: bool
) -> tuple[CertificateFile, bytes]:
    """Return a certificate chain, and the content of the file of its private key.

    Args:
        certificate: the path of the certificate chain. The own certificate is the first certificate in the
            chain.
        private_key: the path of the unencrypted private key.
        section: the configuration section that contains both paths, such as `rest.tls`.
        is_for_grpc: whether the gRPC library uses the files. It supports fewer kinds of keys than OpenSSL,
            and does not report the others at a reload.

    Raises:
        FaultsError: a file is invalid, or the private key is not the key of the certificate. The error
            contains the faults of both files.
    """
    faults = FaultCollector()
    chain, secret, public = CertificateFile(), b"", b""
    with faults.part():
        chain = load_certificates(certificate, f"{section}.certificate")
        if is_for_grpc and not _is_supported_by_grpc(chain.certificates[0]):
            message = "has a key that the gRPC library cannot use; use RSA or P-256"
            raise _fault(certificate, f"{section}.certificate", message)
    with faults.part():
        secret = _read(private_key, f"{section}.key")
        public = _parse_key(secret, private_key, f"{section}.key")
    if not faults and _public_key(chain.certificates[0]) != public:
        message = f"is not the key of the first certificate in {certificate}"
        faults.add(Fault(Position(str(private_key)), f"{section}.key", message))
    faults.check()
    return chain, secret


def load_crls(path: Path, key: str) -> tuple[x509.CertificateRevocationList, ...]:
    """Load the certificate revocation lists of a file.

    Raises:
        FaultsError: the file cannot be read, is not complete, or contains no certificate revocation list.
    """
    data = _read(path, key)
    message = "contains no certificate revocation list in PEM form (-----BEGIN X509 CRL-----)"
    _check_complete(data, path, key)
    try:
        found = tuple(x509.load_pem_x509_crl(text) for text in _CRL.findall(data))
    except ValueError as error:
        raise _fault(path, key, message) from error
    if not found:
        raise _fault(path, key, message)
    return found


def _read(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _fault(path, key, f"cannot be read: {error.strerror}") from error


def _check_complete(data: bytes, path: Path, key: str) -> None:
    """Raise an error if a file ends within a PEM block. Such a file is half-written.

    cryptography ignores an incomplete block after a complete one. So a chain could lose its last certificate.
    """
    markers = _MARKER.findall(data)
    if markers and not _END.fullmatch(markers[-1]):
        raise _fault(path, key, "is not complete: it ends within a PEM block")


def _is_supported_by_grpc(certificate: x509.Certificate) -> bool:
    key = certificate.public_key()
    if isinstance(key, EllipticCurvePublicKey):
        return key.curve.name in _GRPC_CURVES
    return not isinstance(key, Ed448PublicKey)


def _public_key(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _parse_key(data: bytes, path: Path, key: str) -> bytes:
    """Return the public key of a private key."""
    try:
        private = load_pem_private_key(data, password=None)
        return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except TypeError as error:  # cryptography raises this error if the key needs a password
        raise _fault(path, key, "is encrypted; give a private key without a password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _fault(
            path, key, "contains no private key in PEM form (-----BEGIN PRIVATE KEY-----)"
        ) from error


def _fault(path: Path, key: str, message: str) -> FaultsError:
    return FaultsError([Fault(Position(str(path)), key, message)])
