"""Issues tokens as the cloud's IAM does, and checks the tokens of calls.

An IAM token is issued for a JSON Web Token that a known key has signed, for a token of a trusted workload, or
for the virtual machine that asks.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from gateway.emulator.status_error import StatusError, invalid_argument
from gateway.errors import Code

if TYPE_CHECKING:
    from collections.abc import Callable

IAM_SERVICE = "yandex.cloud.iam.v1.IamTokenService"
CREATE_TOKEN = f"{IAM_SERVICE}/Create"
AUDIENCE = "https://iam.api.cloud.yandex.net/iam/v1/tokens"

_MAX_JWT_LIFE_S = 3600
_CLAIMS = ["iss", "aud", "iat", "exp"]


class TokenIssuer:
    """Issues tokens, and knows which are valid.

    Attributes:
        life_s: the life of new tokens, in seconds.
        audience: the audience that a JSON Web Token must have.
        issued: the service accounts for which tokens were issued, in order.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Initialize the issuer.

        Args:
            clock: the function that returns the Unix time in seconds.
        """
        self.life_s = 12 * 3600.0
        self.audience = AUDIENCE
        self.issued: list[str] = []
        self._clock = clock
        self._keys: dict[str, tuple[str, Any]] = {}
        self._workloads: dict[str, str] = {}
        self._expiries: dict[str, float] = {}

    def register_key(self, key_id: str, service_account_id: str, public_key: Any) -> None:
        """Accept JSON Web Tokens that a key of a service account has signed.

        Args:
            key_id: the ID of the key.
            service_account_id: the ID of the service account.
            public_key: the RSA public key, an object of the package cryptography.
        """
        self._keys[key_id] = (service_account_id, public_key)

    def trust_workload(self, token: str, service_account_id: str) -> None:
        """Accept the token of a workload in exchange for tokens of a service account."""
        self._workloads[token] = service_account_id

    def accept(self, token: str) -> None:
        """Let a token be valid that was not issued here. It does not expire."""
        self._expiries[token] = float("inf")

    def revoke_all(self) -> None:
        """Let no token be valid that was issued or accepted until now."""
        self._expiries.clear()

    def is_valid(self, token: str) -> bool:
        """Return whether a token is valid at present."""
        return self._expiries.get(token, 0.0) > self._clock()

    def issue(self, service_account_id: str) -> tuple[str, float]:
        """Return a new token, and the time at which it expires."""
        token = f"t1.{secrets.token_urlsafe(48)}"
        expires_at = self._clock() + self.life_s
        self._expiries[token] = expires_at
        self.issued.append(service_account_id)
        return token, expires_at

    def exchange_jwt(self, token: str) -> tuple[str, float]:
        """Return a new token for a JSON Web Token, and the time at which it expires.

        Raises:
            StatusError: the JSON Web Token is not accepted.
        """
        import jwt  # noqa: PLC0415 - only here

        try:
            service_account_id, key = self._keys[jwt.get_unverified_header(token)["kid"]]
            # The life is measured with the clock of the emulator below.
            options: Any = {"require": _CLAIMS, "verify_exp": False, "verify_iat": False}
            claims = jwt.decode(token, key, algorithms=["PS256"], audience=self.audience, options=options)
        except (jwt.PyJWTError, KeyError) as error:
            reason = f"the JWT is not accepted: {type(error).__name__}"
            raise StatusError(Code.UNAUTHENTICATED, reason) from error
        if claims["iss"] != service_account_id:
            raise StatusError(Code.UNAUTHENTICATED, "the JWT is not accepted: another issuer")
        if not claims["iat"] <= self._clock() < claims["exp"]:
            raise StatusError(Code.UNAUTHENTICATED, "the JWT is not accepted: it is early or has expired")
        if claims["exp"] - claims["iat"] > _MAX_JWT_LIFE_S:
            raise invalid_argument("the JWT is valid for more than an hour")
        return self.issue(service_account_id)

    def exchange_workload(self, token: str, service_account_id: str) -> tuple[str, float] | None:
        """Return a new token for the token of a workload, and its expiry; None if it is not accepted."""
        if not service_account_id or self._workloads.get(token) != service_account_id:
            return None
        return self.issue(service_account_id)

    def check_call(self, metadata: dict[str, str | bytes]) -> None:
        """Check the token of a call.

        Raises:
            StatusError: the call has no valid token.
        """
        scheme, _, token = str(metadata.get("authorization", "")).partition(" ")
        if scheme != "Bearer" or not self.is_valid(token):
            raise StatusError(Code.UNAUTHENTICATED, "the token is invalid")
