"""Key pairs for tests of notes. They are derived from a text, so that signatures do not change."""

from __future__ import annotations

from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway.tlog import Signer

NAME = "gateway.example/audit"


def private_key(seed: str = "") -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sha256(seed.encode()).digest())


def private_pem(seed: str = "") -> bytes:
    return private_key(seed).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(seed: str = "") -> bytes:
    return private_key(seed).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def make_signer(name: str = NAME, seed: str = "") -> Signer:
    return Signer.load(private_pem(seed), name)
