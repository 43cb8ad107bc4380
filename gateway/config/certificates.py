"""Reads and checks PEM files of certificates and private keys.

The faults of this module contain the file name and the configuration key. The errors of TLS libraries contain
neither of them. Some TLS libraries report an error only at the first handshake.
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
    """Return the content of a certificate file.

    Args:
        path: the path of the file.
        key: the configuration key that contains the path.

    Raises:
        FaultsError: the file cannot be read, or contains no certificate.
    """
    data = _read(path, key)
    _parse_certificates(data, path, key)
    return data


def read_key_pair(certificate: Path, private_key: Path, section: str) -> tuple[bytes, bytes]:
    """Return the content of a certificate chain file and the content of a private key file.

    Args:
        certificate: the path of the certificate chain. The server's own certificate is the first certificate
            in the chain.
        private_key: the path of the unencrypted private key.
        section: the configuration section that contains both paths, such as `rest.tls`.

    Raises:
        FaultsError: a file is invalid, or the private key is not the key of the certificate. The error
            contains the faults of both files.
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
    except TypeError as error:  # cryptography raises this error if the key needs a password
        raise _fault(path, key, "is encrypted; give a private key without a password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _fault(
            path, key, "contains no private key in PEM form (-----BEGIN PRIVATE KEY-----)"
        ) from error


def _fault(path: Path, key: str, message: str) -> FaultsError:
    return FaultsError([Fault(Position(str(path)), key, message)])
