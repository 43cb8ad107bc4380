"""The authorized key of a service account: it signs a JSON Web Token, which IAM exchanges for an IAM token.

See https://yandex.cloud/en/docs/iam/operations/iam-token/create-for-sa.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from google.protobuf import message_factory
from google.protobuf.message import DecodeError

from gateway.faults import FaultCollector
from gateway.quoting import escape_line
from gateway.redaction import redact_text
from gateway.schema import builtin_descriptors, load_pool
from gateway.tls.pem_files import read_certificates
from gateway.upstream.credentials.access_token import CredentialsError, make_token
from gateway.upstream.credentials.secret_files import fault_of, read_secret

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config.credentials import ServiceAccountKeyCredentials
    from gateway.upstream.credentials.access_token import AccessToken

IAM_METHOD = "/yandex.cloud.iam.v1.IamTokenService/Create"
"""The gRPC path of the method that issues IAM tokens."""

_SERVICE = "yandex.cloud.iam.v1.IamTokenService"
_JWT_LIFE_S = 3600
_SKEW_S = 60
_MIN_BITS = 2048
_MAX_SHOWN = 200
_FIELDS = ("id", "service_account_id", "private_key")
_BEGIN = "-----BEGIN"


class AuthorizedKey:
    """An authorized key. The repr does not show it.

    Args:
        path: the path of the JSON file.
        key: the configuration key that contains the path.

    Raises:
        FaultsError: the file does not contain an authorized key.
    """

    def __init__(self, path: Path, key: str) -> None:
        try:
            fields = orjson.loads(read_secret(path, key))
        except orjson.JSONDecodeError:
            raise fault_of(path, key, "is not JSON") from None  # the error would show the content
        found: dict[str, Any] = fields if isinstance(fields, dict) else {}
        missing = [name for name in _FIELDS if not (isinstance(found.get(name), str) and found[name])]
        if missing:
            message = f"is not an authorized key of a service account: {', '.join(missing)} is missing"
            raise fault_of(path, key, message)
        self._id, self._service_account_id, text = (found[name] for name in _FIELDS)
        try:
            # The cloud writes a line of text before the key.
            private_key = load_pem_private_key(text[max(text.find(_BEGIN), 0) :].encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise fault_of(
                path, key, "private_key is no private key in PEM form without a password"
            ) from None
        if not isinstance(private_key, RSAPrivateKey) or private_key.key_size < _MIN_BITS:
            raise fault_of(path, key, f"private_key is no RSA key of at least {_MIN_BITS} bits")
        self._private_key = private_key

    def sign(self, audience: str) -> str:
        """Return a new JSON Web Token."""
        # A clock that is a little ahead would make the token one of the future.
        issued_at = int(time.time()) - _SKEW_S
        claims = {
            "iss": self._service_account_id,
            "aud": audience,
            "iat": issued_at,
            "exp": issued_at + _JWT_LIFE_S,
        }
        return jwt.encode(claims, self._private_key, algorithm="PS256", headers={"kid": self._id})


class KeyExchange:
    """Exchanges signed tokens for IAM tokens.

    Raises:
        FaultsError: a file has faults.
    """

    def __init__(self, section: ServiceAccountKeyCredentials, key: str) -> None:
        self._section = section
        self._key = f"{key}.file"
        faults, roots = FaultCollector(), None
        with faults.part():
            self.load()
        with faults.part():
            if section.root_certificates is not None:
                roots = read_certificates(section.root_certificates, f"{key}.root_certificates")
        faults.check()
        self._roots = roots
        self._channel: grpc.aio.Channel | None = None
        pool, _ = load_pool({"built-in descriptors": builtin_descriptors()})
        create = pool.FindServiceByName(_SERVICE).FindMethodByName("Create")
        self._request: Any = message_factory.GetMessageClass(create.input_type)
        self._reply: Any = message_factory.GetMessageClass(create.output_type)

    def load(self) -> None:
        """Read the key file."""
        self._authorized_key = AuthorizedKey(self._section.file, self._key)

    async def fetch(self) -> AccessToken:
        """Return a new IAM token."""
        address = self._section.iam
        request = self._request(jwt=self._authorized_key.sign(self._section.audience))
        if self._channel is None:
            self._channel = self._open()
        create: Any = self._channel.unary_unary(IAM_METHOD)
        try:
            data = await create(request.SerializeToString())
            reply = self._reply.FromString(data)
        except grpc.aio.AioRpcError as error:
            details = escape_line(redact_text(error.details() or "", _MAX_SHOWN))
            raise CredentialsError(f"{address}: {error.code().name}: {details}") from None
        except DecodeError:
            raise CredentialsError(f"{address} returned a response that cannot be read") from None
        if not reply.HasField("expires_at"):
            raise CredentialsError(f"{address} returned no expires_at")
        expires_at = reply.expires_at.seconds + reply.expires_at.nanos / 1e9
        return make_token(reply.iam_token, expires_at, address)

    def _open(self) -> grpc.aio.Channel:
        options = (
            ("grpc.primary_user_agent", "baremetal-gateway"),
            ("grpc.enable_retries", 0),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 5_000),
        )
        if not self._section.tls:
            return grpc.aio.insecure_channel(self._section.iam, options=options)
        return grpc.aio.secure_channel(
            self._section.iam, grpc.ssl_channel_credentials(self._roots), options=options
        )

    async def close(self) -> None:
        """Close the channel."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()
