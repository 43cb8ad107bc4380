"""What the identification of a caller does, for each kind of credentials."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from jwt.algorithms import ECAlgorithm

from gateway.call import RequestHead
from gateway.callers import CallerIdentifier
from gateway.config import Callers
from gateway.telemetry import Health

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.telemetry import Metrics

_HEADER = "x-gateway-authorization"
_TOKEN = "t" * 43  # 256 bits in base64
_ISSUER = "https://id.example"


class IdentifyCalls:
    """An identifier of callers with all kinds of credentials, and the head of a request for each kind."""

    def __init__(self, metrics: Metrics, headers: Sequence[tuple[str, str]], method: str) -> None:
        """Make the identifier, and identify each caller once.

        Args:
            metrics: the metrics of the identifier.
            headers: the headers of the request, without a credential.
            method: the full name of the called method.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        with tempfile.TemporaryDirectory() as folder:
            section = _write_files(Path(folder), key)
            self._identifier = CallerIdentifier(section, _HEADER, Health(), metrics)
        web_token = jwt.encode(_claims(), key, "ES256", headers={"kid": "bench"})
        self._heads = {
            "identify (token)": self._head(headers, method, token=_TOKEN),
            "identify (certificate)": self._head(headers, method, certificate=_make_certificate(key)),
            "identify (JWT seen before)": self._head(headers, method, token=web_token),
        }

    @property
    def heads(self) -> Mapping[str, RequestHead]:
        """The head of a request for each stage."""
        return self._heads

    async def identify(self, head: RequestHead) -> None:
        """Identify the caller of a request."""
        await self._identifier.identify(head)

    @staticmethod
    def _head(
        headers: Sequence[tuple[str, str]], method: str, *, token: str = "", certificate: bytes | None = None
    ) -> RequestHead:
        given = [(name.lower(), value) for name, value in headers]
        if token:
            given.append((_HEADER, f"Bearer {token}"))
        return RequestHead(address="127.0.0.1", headers=given, certificate=certificate, method=method)


def _write_files(folder: Path, key: ec.EllipticCurvePrivateKey) -> Callers:
    digest = hashlib.sha256(_TOKEN.encode()).hexdigest()
    (folder / "tokens.yaml").write_text(f"tokens: [{{name: ci, sha256: {digest}, groups: [builders]}}]")
    public: dict[str, Any] = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    (folder / "keys.json").write_text(json.dumps({"keys": [public | {"kid": "bench"}]}))
    return Callers.model_validate(
        {
            "type": ["jwt", "tokens", "mtls"],
            "jwt": {"issuer": _ISSUER, "audience": "gateway", "jwks_file": folder / "keys.json"},
            "tokens": {"file": folder / "tokens.yaml"},
        }
    )


def _claims() -> dict[str, Any]:
    now = int(time.time())
    standard = {"iss": _ISSUER, "aud": "gateway", "sub": "ann", "iat": now, "exp": now + 86400}
    return standard | {"groups": ["builders", "admins"], "email": "ann@example.org", "jti": "1f0c"}


def _make_certificate(key: ec.EllipticCurvePrivateKey) -> bytes:
    name, now = x509.Name.from_rfc4514_string("CN=ann,O=Example"), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("ann.example.org")]), critical=False)
    )
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)
