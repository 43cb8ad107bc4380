"""PEM files of certificates and keys, checked when they are read.

The errors of libraries ("no start line", or none until the first handshake) name neither the file nor the key
of the configuration; the faults from here name both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.faults import Fault, FaultCollector, FaultsError, Position

if TYPE_CHECKING:
    from pathlib import Path


def read_certificates(path: Path, key: str) -> bytes:
    """Return the content of a file of certificates.

    Args:
        path: the path of the file.
        key: the key of the configuration that names the file.

    Raises:
        FaultsError: it cannot be read, or contains no certificate.
    """
    data = _read(path, key)
    _parse_certificates(data, path, key)
    return data


def read_key_pair(certificate: Path, private_key: Path, section: str) -> tuple[bytes, bytes]:
    """Return the contents of the files of a certificate chain and of its private key.

    Args:
        certificate: file of the chain, the server's own certificate first.
        private_key: file of the key, not encrypted.
        section: the section of the configuration that names the files, such as `rest.tls`.

    Raises:
        FaultsError: with all faults of both files, or when they do not belong together.
    """
    faults = FaultCollector()
    chain, secret = b"", b""
    own, public = b"", b""
    with faults.part():
        chain = _read(certificate, f"{section}.certificate")
        own = _parse_certificates(chain, certificate, f"{section}.certificate")
    with faults.part():
        secret = _read(private_key, f"{section}.key")
        public = _parse_key(secret, private_key, f"{section}.key")
    if not faults and own != public:
        message = f"is not the key of the first certificate in {certificate}"
        faults.add(Fault(Position(str(private_key)), f"{section}.key", message))
    faults.check()
    return chain, secret


def _read(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _fault(path, key, f"cannot be read: {error.strerror}") from error


def _parse_certificates(data: bytes, path: Path, key: str) -> bytes:
    """Return the public key of the first certificate."""
    try:
        certificates = x509.load_pem_x509_certificates(data)
        return certificates[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _fault(
            path, key, "contains no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
        ) from error


def _parse_key(data: bytes, path: Path, key: str) -> bytes:
    """Return the public key of a private key."""
    try:
        private = load_pem_private_key(data, password=None)
        return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except TypeError as error:  # the library's error when a password is needed
        raise _fault(path, key, "is encrypted; give a private key without a password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _fault(
            path, key, "contains no private key in PEM form (-----BEGIN PRIVATE KEY-----)"
        ) from error


def _fault(path: Path, key: str, message: str) -> FaultsError:
    return FaultsError([Fault(Position(str(path)), key, message)])
