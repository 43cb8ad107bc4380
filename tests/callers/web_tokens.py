"""Verifiers of JSON web tokens, and tokens that no library signs, for tests."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any

import pytest
from jwt.algorithms import ECAlgorithm

from gateway.callers.credentials import PresentedCredentials
from gateway.callers.identity import CallerIdentity, CredentialError
from gateway.callers.key_set import KeySet, parse_key_set
from gateway.callers.web_tokens import WebTokenVerifier
from tests.callers.making import (
    encode_part,
    jwks,
    make_claims,
    make_key,
    make_section,
)


def now() -> int:
    """Return the time in seconds. A test that starts late would see an earlier token as expired."""
    return int(time.time())


def sign_raw(claims: dict[str, Any] | bytes, header: dict[str, Any] | None = None) -> str:
    """Sign claims or a payload, and a header, that the library refuses to sign."""
    payload = claims if isinstance(claims, bytes) else make_claims() | claims
    signed = f"{encode_part(header or {'alg': 'ES256', 'kid': 'k1'})}.{encode_part(payload)}"
    signature = ECAlgorithm(ECAlgorithm.SHA256).sign(signed.encode(), make_key("ES256"))
    return f"{signed}.{encode_part(signature)}"


def sign_hmac(secret: bytes) -> str:
    signed = f"{encode_part({'alg': 'HS256', 'kid': 'k1'})}.{encode_part(make_claims())}"
    return f"{signed}.{encode_part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


class FixedKeys:
    """A source whose keys a test sets."""

    def __init__(self, data: bytes | None = None) -> None:
        self.keys: KeySet | None = None
        self.refetches = 0
        if data is not None:
            self.set(data)

    def set(self, data: bytes) -> None:
        self.keys = parse_key_set(data, ("ES256", "RS256", "PS256", "EdDSA"))

    async def refetch(self) -> None:
        self.refetches += 1

    async def start(self) -> None: ...

    async def run(self) -> Any: ...

    async def stop(self) -> None: ...


def make_verifier(keys: FixedKeys | None = None, **section: Any) -> WebTokenVerifier:
    return WebTokenVerifier(make_section(**section), keys or FixedKeys(jwks()))


def present(token: str) -> PresentedCredentials:
    return PresentedCredentials("192.0.2.1", None, f"Bearer {token}")


async def verify(token: str, **section: Any) -> CallerIdentity:
    return await make_verifier(**section).verify(present(token))


async def check_refused(
    token: str, problem: str, verifier: WebTokenVerifier | None = None
) -> CredentialError:
    """Check that a token is refused for one problem, and that the error contains no part of it."""
    verifier = verifier or make_verifier()
    assert verifier.recall(present(token)) is None
    with pytest.raises(CredentialError) as caught:
        await verifier.verify(present(token))
    assert caught.value.problem == problem
    assert caught.value.__cause__ is None
    parts = [token, *(part for part in token.split(".") if len(part) > 4)]
    assert not any(part in str(caught.value) + caught.value.text for part in parts)
    assert verifier.remembered == 0
    return caught.value
