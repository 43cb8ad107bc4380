"""The credentials that a caller presents. None of them is verified yet, and none of them is ever shown."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any, Protocol

from gateway.callers.identity import CallerIdentity, CredentialError

MAX_TOKEN = 8192
"""The maximum length of a token, in characters. Longer ones are refused before they are read."""

_SCHEME = "bearer"
_MAX_VALUE = MAX_TOKEN + len(_SCHEME) + 16
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_COMPACT_JWS = re.compile(r"(?P<header>[A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")


class BearerToken:
    """A JWT or a token that a caller has sent. Its text is shown nowhere.

    Attributes:
        text: the text of the token.
        digest: the SHA-256 of the text.
    """

    __slots__ = ("_header", "_is_parsed", "digest", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha256(text.encode()).digest()
        self._header: dict[str, Any] | None = None
        self._is_parsed = False

    @property
    def jws_header(self) -> dict[str, Any] | None:
        """The header of a JWS in compact form, which is not verified; None if the token has another form."""
        if not self._is_parsed:
            self._header, self._is_parsed = _parse_header(self.text), True
        return self._header


def parse_bearer(value: str) -> BearerToken:
    """Parse the value of the header.

    Raises:
        CredentialError: the value is not `Bearer` and a token, or too long.
    """
    if len(value) > _MAX_VALUE:
        raise CredentialError("TOO_LONG", f"is longer than {MAX_TOKEN} characters")
    scheme, _, rest = value.partition(" ")
    text = rest.strip(" ")
    if scheme.lower() != _SCHEME or not _VISIBLE.fullmatch(text):
        raise CredentialError("MALFORMED", "is malformed; send `Bearer`, a space and the token")
    if len(text) > MAX_TOKEN:
        raise CredentialError("TOO_LONG", f"is longer than {MAX_TOKEN} characters")
    return BearerToken(text)


class PresentedCredentials:
    """What one request presents.

    Attributes:
        address: the IP address of the caller.
        certificate: the client certificate in DER form; None if there is none.
        header: the value of the header of the caller's identity; None if there is none.
    """

    __slots__ = ("_bearer", "address", "certificate", "header")

    def __init__(self, address: str, certificate: bytes | None, header: str | None) -> None:
        self.address = address
        self.certificate = certificate
        self.header = header
        self._bearer: BearerToken | None = None

    @property
    def bearer(self) -> BearerToken:
        """The token in the header.

        Raises:
            CredentialError: there is no header, or it contains no token.
        """
        if self._bearer is None:
            self._bearer = parse_bearer(self.header or "")
        return self._bearer


class CredentialVerifier(Protocol):
    """Verifies credentials of one kind.

    Attributes:
        kind: the kind of the callers.
    """

    kind: str

    def is_present(self, given: PresentedCredentials) -> bool:
        """Return whether a credential of this kind is present.

        Raises:
            CredentialError: the header contains no token.
        """

    def recall(self, given: PresentedCredentials) -> CallerIdentity | None:
        """Return the identity of a credential that was verified before and is still valid; otherwise None."""

    async def verify(self, given: PresentedCredentials) -> CallerIdentity:
        """Verify the credential that is present, and return its identity.

        Raises:
            CredentialError: the credential is wrong.
            GatewayError: the credential cannot be verified now.
        """


def _parse_header(text: str) -> dict[str, Any] | None:
    if text.count(".") != 2:  # noqa: PLR2004 - a JWS has three parts; most tokens have one
        return None
    match = _COMPACT_JWS.fullmatch(text)
    if match is None:
        return None
    digits = match["header"]
    try:
        header = json.loads(base64.urlsafe_b64decode(digits + "=" * (-len(digits) % 4)))
    except (ValueError, RecursionError):
        return None
    return header if isinstance(header, dict) else None
