"""Issuers of JSON web tokens, certificates, and heads of requests, for tests of the identification."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.call import RequestHead
from gateway.config import Callers, JwtCallers

ISSUER, AUDIENCE = "https://id.example", "gateway"
METHOD = "yandex.cloud.baremetal.v1alpha.ImageService/List"
HEADER = "x-gateway-authorization"


@cache
def make_key(kind: str, number: int = 0) -> Any:
    """Return a private key: `RS256`, `RS1024`, `ES256`, `ES384` or `EdDSA`. Equal arguments: the same key."""
    del number
    match kind:
        case "RS256" | "PS256":
            return rsa.generate_private_key(65537, 2048)
        case "RS1024":
            return rsa.generate_private_key(65537, 1024)  # noqa: S505 - is refused
        case "ES384":
            return ec.generate_private_key(ec.SECP384R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return ec.generate_private_key(ec.SECP256R1())


def to_jwk(key: Any, **members: Any) -> dict[str, Any]:
    """Return the public key of a private key as a JWK."""
    algorithm: Any = OKPAlgorithm
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = RSAAlgorithm
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = ECAlgorithm
    jwk: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    jwk.pop("key_ops", None)
    return jwk | members


def to_jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def make_claims(**changes: Any) -> dict[str, Any]:
    """Return good claims with changes. A claim that is changed to None is left out."""
    now = int(time.time())
    claims: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": now + 600, "iat": now}
    return {name: value for name, value in (claims | changes).items() if value is not None}


def sign(
    claims: dict[str, Any] | None = None,
    *,
    key: Any = None,
    algorithm: str = "ES256",
    kid: str | None = "k1",
    **header: Any,
) -> str:
    """Return a JWT that is signed with a key; the default key is that of `jwks()`."""
    headers = header if kid is None else {"kid": kid} | header
    return jwt.encode(
        make_claims() if claims is None else claims, key or make_key("ES256"), algorithm, headers=headers
    )


def jwks() -> bytes:
    return to_jwks(to_jwk(make_key("ES256"), kid="k1", use="sig", alg="ES256"))


def encode_part(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_section(**changes: Any) -> JwtCallers:
    given = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_file": "keys.json"} | changes
    return JwtCallers(**given)


def make_callers(kinds: Sequence[str], **changes: Any) -> Callers:
    return Callers.model_validate({"type": list(kinds)} | changes)


def make_head(
    token: str | None = None,
    *headers: tuple[str, str],
    address: str = "192.0.2.1",
    certificate: bytes | None = None,
    method: str = METHOD,
    header: str = HEADER,
) -> RequestHead:
    """Return the head of a request with a bearer token, further headers, and a few usual ones."""
    given = [("host", "gateway"), ("user-agent", "curl/8"), ("accept", "*/*"), *headers]
    if token is not None:
        given.append((header, f"Bearer {token}"))
    return RequestHead(address=address, headers=given, certificate=certificate, method=method)


def make_certificate(
    subject: str = "CN=ann",
    *names: x509.GeneralName,
    starts: timedelta = timedelta(hours=-1),
    ends: timedelta = timedelta(hours=1),
) -> bytes:
    """Return a certificate in DER form."""
    now, key = datetime.now(UTC), make_key("ES256")
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(subject))
        .issuer_name(x509.Name.from_rfc4514_string("CN=authority"))
        .public_key(key.public_key())
        .serial_number(0x1234)
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not subject)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


class Clock:
    """A clock that a test sets."""

    def __init__(self, time_s: float = 1000.0) -> None:
        self.time_s = time_s

    def __call__(self) -> float:
        return self.time_s


class JwksServer:
    """Serves a key set over HTTP. Tests change what it responds."""

    def __init__(self) -> None:
        self.body = jwks()
        self.status = 200
        self.headers: dict[str, str] = {}
        self.requests = 0
        self.url = ""

    async def respond(self, _: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        return web.Response(body=self.body, status=self.status, headers=self.headers)


@asynccontextmanager
async def serve_keys(ssl_context: Any = None) -> AsyncIterator[JwksServer]:
    """Serve a key set on a free port."""
    keys = JwksServer()
    runner = web.ServerRunner(web.Server(keys.respond))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
    await site.start()
    port = runner.addresses[0][1]
    keys.url = f"https://localhost:{port}/keys" if ssl_context else f"http://127.0.0.1:{port}/keys"
    try:
        yield keys
    finally:
        await runner.cleanup()
