"""Identifies callers by JSON web tokens.

https://www.rfc-editor.org/rfc/rfc8725 lists the attacks on implementations of JWTs. A key is used only for
the algorithms of its type, never for the one that the token names. Keys come only from the configured source,
never from the token.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt

from gateway.callers.bounded_cache import BoundedCache
from gateway.callers.identity import MAX_NAME, CallerIdentity, CredentialError, is_claim_text, is_name
from gateway.errors import Code, GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.callers.credentials import PresentedCredentials
    from gateway.callers.key_set import Key
    from gateway.callers.key_source import KeySource
    from gateway.config import JwtCallers

MAX_VERIFIED = 4096
"""The maximum number of verified tokens that are remembered."""

MAX_WAITING = 100
"""The maximum number of requests that wait for a fetch of keys. They are not identified yet, so no limit on
calls applies to them."""

MAX_CLAIMS = 64
"""The maximum number of claims of a token."""

MAX_GROUPS = 256
"""The maximum number of groups of a caller."""

_MAX_CLAIM_NAME = 256
# Parameters that name a key, that are extensions, or that change what is signed.
_REFUSED_PARAMETERS = ("crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "enc")
# https://www.rfc-editor.org/rfc/rfc8725#section-3.11: other types are tokens for another use.
_TYPES = frozenset({"jwt", "at+jwt"})
_REQUIRED = ("exp", "iss", "aud", "sub")
_PROBLEMS: tuple[tuple[type[jwt.PyJWTError], str, str], ...] = (
    (jwt.ExpiredSignatureError, "EXPIRED", "has expired; get a new one"),
    (jwt.ImmatureSignatureError, "NOT_YET_VALID", "is not valid yet (nbf or iat)"),
    (jwt.InvalidIssuerError, "WRONG_ISSUER", "is from another issuer (iss)"),
    (jwt.InvalidAudienceError, "WRONG_AUDIENCE", "is for another audience (aud)"),
    (jwt.InvalidSignatureError, "BAD_SIGNATURE", "has a wrong signature"),
)


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token that was verified. The token itself is not kept."""

    identity: CallerIdentity
    expires_at: float
    key: bytes


class WebTokenVerifier:
    """Identifies callers by JSON web tokens."""

    kind = "jwt"

    def __init__(
        self,
        section: JwtCallers,
        source: KeySource,
        *,
        shares_header: bool = False,
        now: Callable[[], float] = time.time,
        max_verified: int = MAX_VERIFIED,
    ) -> None:
        """Initialize the verifier.

        Args:
            section: the section of the configuration.
            source: the source of the keys.
            shares_header: whether tokens are sent in the same header.
            now: a function that returns the time in seconds since 1970.
            max_verified: the maximum number of verified tokens that are remembered.
        """
        self._section = section
        self._algorithms = frozenset(section.algorithms)
        self._source = source
        self._shares_header = shares_header
        self._now = now
        self._verified: BoundedCache[bytes, _Verified] = BoundedCache(max_verified)
        self._waiting = 0

    @property
    def remembered(self) -> int:
        """The number of tokens that are remembered."""
        return len(self._verified)

    def is_present(self, given: PresentedCredentials) -> bool:
        """Return whether the header contains a JWT. If tokens share the header, a JWT is a JWS."""
        return given.header is not None and not (self._shares_header and given.bearer.jws_header is None)

    def recall(self, given: PresentedCredentials) -> CallerIdentity | None:
        """Return the identity of a token that was verified before; otherwise None.

        A token is forgotten when it has expired, or when its key is no longer among the keys of the issuer.
        """
        digest = given.bearer.digest
        known = self._verified.get(digest)
        if known is None:
            return None
        keys = self._source.keys
        if known.expires_at <= self._now() or keys is None or known.key not in keys.fingerprints:
            self._verified.remove(digest)
            return None
        return known.identity

    async def verify(self, given: PresentedCredentials) -> CallerIdentity:
        """Verify a token, and return its identity.

        Raises:
            CredentialError: the token is not valid.
            GatewayError: UNAVAILABLE if no keys could be fetched yet.
        """
        bearer = given.bearer
        header = bearer.jws_header
        if header is None:
            raise CredentialError("MALFORMED", "is malformed")
        algorithm = self._check_header(header)
        key = await self._find_key(header.get("kid"))
        if algorithm not in key.algorithms:
            raise CredentialError("ALGORITHM", "has an algorithm that is not the one of its key")
        claims = self._decode(bearer.text, key, algorithm)
        identity = _identify(claims, self._section.groups_claim)
        expires_at = int(claims["exp"]) + self._section.clock_skew_s
        self._verified.put(bearer.digest, _Verified(identity, expires_at, key.fingerprint))
        return identity

    def _check_header(self, header: Mapping[str, Any]) -> str:
        """Check the header of a token, which is not verified, and return the algorithm."""
        for name in _REFUSED_PARAMETERS:
            if name in header:
                raise CredentialError("HEADER", f"has the header parameter {name}, which is not accepted")
        kind = header.get("typ", "JWT")
        if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
            raise CredentialError("HEADER", "has a type (typ) that is neither JWT nor at+jwt")
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise CredentialError("ALGORITHM", "has an algorithm that is not accepted")
        return algorithm

    async def _find_key(self, key_id: object) -> Key:
        if self._source.keys is None:
            raise _keys_unavailable()
        if key_id is not None and not isinstance(key_id, str):
            raise CredentialError("HEADER", "has a key ID (kid) that is not a text")
        key = self._source.keys.find(key_id)
        if key is None:
            await self._refetch()
            key = self._source.keys.find(key_id)
        if key is None:
            text = "names no key (kid)" if key_id is None else "is signed with a key that is unknown"
            raise CredentialError("UNKNOWN_KEY", text)
        return key

    async def _refetch(self) -> None:
        if self._waiting >= MAX_WAITING:
            raise _keys_unavailable()
        self._waiting += 1
        try:
            await self._source.refetch()
        finally:
            self._waiting -= 1

    def _decode(self, text: str, key: Key, algorithm: str) -> dict[str, Any]:
        """Verify the signature and the claims of a token, and return the claims."""
        section = self._section
        try:
            return jwt.decode(
                text,
                key.public,
                algorithms=[algorithm],
                audience=section.audience,
                issuer=section.issuer,
                leeway=section.clock_skew_s,
                options={"require": list(_REQUIRED)},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            refused = _explain(error)
        raise refused  # without its cause, which may contain a part of the token


def _keys_unavailable() -> GatewayError:
    return GatewayError(
        Code.UNAVAILABLE,
        "KEYS_UNAVAILABLE",
        "JWTs cannot be verified now, because the keys of their issuer cannot be fetched; try again",
    )


def _explain(error: Exception) -> CredentialError:
    if isinstance(error, jwt.MissingRequiredClaimError) and error.claim in _REQUIRED:
        return CredentialError("CLAIMS", f"has no claim {error.claim}")
    for kind, problem, text in _PROBLEMS:
        if isinstance(error, kind):
            return CredentialError(problem, text)
    return CredentialError("MALFORMED", "is malformed")


def _identify(claims: Mapping[str, Any], groups_claim: str) -> CallerIdentity:
    if not is_name(claims["sub"]):
        raise CredentialError("CLAIMS", f"has a claim sub that is not 1 to {MAX_NAME} printable characters")
    if len(claims) > MAX_CLAIMS:
        raise CredentialError("CLAIMS", f"has more than {MAX_CLAIMS} claims")
    return CallerIdentity(
        kind=WebTokenVerifier.kind,
        id=claims["sub"],
        groups=_read_groups(claims.get(groups_claim)),
        claims={
            name: text
            for name, value in claims.items()
            if name != groups_claim
            and len(name) <= _MAX_CLAIM_NAME
            and is_claim_text(name)
            and is_claim_text(text := _to_text(value))
        },
    )


def _read_groups(value: Any) -> tuple[str, ...]:
    """Return the groups in a claim. No group is left out, because rules may refuse the members of a group."""
    if value is None:
        return ()
    groups = [value] if isinstance(value, str) else value
    if not isinstance(groups, list) or not all(isinstance(one, str) and is_name(one) for one in groups):
        raise CredentialError("CLAIMS", "has a claim with groups that is not a list of printable texts")
    if len(groups) > MAX_GROUPS:
        raise CredentialError("CLAIMS", f"has more than {MAX_GROUPS} groups")
    return tuple(groups)


def _to_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
