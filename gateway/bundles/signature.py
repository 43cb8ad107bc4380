"""Detached signatures of bundles.

A signature is an Ed25519 signature (https://www.rfc-editor.org/rfc/rfc8032) in base64. The signed text
is the hash of the bundle, `sha256:…`. The hash includes the names and contents of all files of the bundle.
The signature is therefore invalid after a file is added, removed, renamed or changed.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from gateway.faults import Fault, FaultsError, Position

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.policy.bundle_files import BundleFiles


class PublicKey:
    """A public key that verifies the signatures of bundles."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    def check(self, files: BundleFiles, name: str) -> None:
        """Verify the signature of a bundle.

        Args:
            files: the files and the signature of the bundle.
            name: the name of the bundle in error messages.

        Raises:
            FaultsError: the bundle has no signature, or the signature does not match the bundle and the key.
        """
        if files.signature is None:
            raise _refuse(name, "the bundle is not signed, and policies.public_key requires a signature")
        try:
            self._key.verify(base64.b64decode(files.signature.strip(), validate=True), files.hash.encode())
        except ValueError as error:  # binascii.Error is a ValueError
            raise _refuse(name, "the signature is not base64") from error
        except InvalidSignature as error:
            reason = "the signature does not match: the bundle was altered, or signed with another key"
            raise _refuse(name, reason) from error


def load_public_key(path: Path) -> PublicKey:
    """Read a public key from a PEM file.

    Raises:
        FaultsError: the file cannot be read, or does not contain an Ed25519 public key.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise _refuse(str(path), f"cannot be read: {error.strerror}", "policies.public_key") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _refuse(str(path), "no public key in PEM form", "policies.public_key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _refuse(str(path), "not an Ed25519 key", "policies.public_key")
    return PublicKey(key)


def sign_bundle(files: BundleFiles, private_key: Path) -> str:
    """Sign a bundle, and return the signature in base64.

    Args:
        files: the files of the bundle.
        private_key: the path of a PEM file that contains an Ed25519 private key without a password.

    Raises:
        FaultsError: the PEM file cannot be read, or does not contain such a private key.
    """
    try:
        key = load_pem_private_key(private_key.read_bytes(), password=None)
    except OSError as error:
        raise _refuse(str(private_key), f"cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _refuse(str(private_key), "no private key in PEM form without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _refuse(str(private_key), "not an Ed25519 key")
    return base64.b64encode(key.sign(files.hash.encode())).decode()


def _refuse(name: str, reason: str, key: str = "") -> FaultsError:
    return FaultsError([Fault(Position(name), key, reason)])
