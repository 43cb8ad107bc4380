"""Service accounts of the emulated cloud: their authorized keys, and the files that hold them."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.emulator import Emulator

ACCOUNT = "ajeserviceaccount000"
KEY_ID = "ajekey00000000000000"


@cache
def _generate(name: str) -> RSAPrivateKey:
    assert name
    return generate_private_key(public_exponent=65537, key_size=2048)


def private_key(name: str = "first") -> RSAPrivateKey:
    """Return a key. It is generated once in a process, because that takes long."""
    return _generate(name)


def key_text(name: str = "first") -> str:
    """Return a private key as the cloud writes it, with a line before it."""
    pem = private_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return f"PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <{KEY_ID}>\n{pem.decode()}"


def write_key(path: Path, name: str = "first", **changes: Any) -> Path:
    """Write the file of an authorized key."""
    fields = {
        "id": KEY_ID,
        "service_account_id": ACCOUNT,
        "created_at": "2026-01-02T03:04:05Z",
        "key_algorithm": "RSA_2048",
        "private_key": key_text(name),
    }
    path.write_text(json.dumps(fields | changes))
    return path


def register(emulator: Emulator, name: str = "first") -> None:
    """Let the emulated IAM know the public key."""
    emulator.tokens.register_key(KEY_ID, ACCOUNT, private_key(name).public_key())
