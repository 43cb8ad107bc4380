"""Checks the certificates of callers at the head of each call, after the TLS handshake.

The handshake has verified the chain, the validity and the purpose of the certificate. This module refuses a
certificate that was revoked, or that has become invalid since the handshake. Both listeners use it, because
the Python API of gRPC knows no certificate revocation lists.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.errors import Code, GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CACHED = 4096
"""The maximum number of certificates whose verdict is kept."""

# No scheme is registered for certificates, but HTTP requires a challenge. The name is the one of
# https://datatracker.ietf.org/doc/html/draft-thomson-httpbis-cant-01.
CHALLENGE = 'ClientCertificate realm="baremetal-gateway"'
"""The value of `WWW-Authenticate` for a caller that has to present another certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How long a certificate is accepted, and why it is refused after that.

    Attributes:
        until: the Unix time in seconds from which on the certificate is refused; 0 if it is never accepted.
        reason: the reason of the error, in UPPER_SNAKE_CASE.
        message: the message of the error.
    """

    until: float
    reason: str
    message: str


class ClientCertificates:
    """Checks the certificates of the callers of one listener. The verdicts are cached."""

    def __init__(self, examine: Callable[[bytes], Verdict], now: Callable[[], float] = time.time) -> None:
        """Initialize the object.

        Args:
            examine: a function that returns the verdict on a certificate in DER form.
            now: a function that returns the Unix time in seconds.
        """
        self._examine = examine
        self._now = now
        self._known: dict[bytes, Verdict] = {}

    def replace(self, examine: Callable[[bytes], Verdict]) -> None:
        """Examine all certificates again with another function, because the files have changed."""
        self._examine = examine
        self._known.clear()

    def check(self, certificate: bytes) -> None:
        """Check a certificate that the TLS handshake has verified.

        Args:
            certificate: the certificate in DER form.

        Raises:
            GatewayError: UNAUTHENTICATED. The certificate has expired or was revoked, or it cannot be known
                whether it was revoked, or its CA is not trusted any more.
        """
        verdict = self._known.get(certificate) or self._learn(certificate)
        if self._now() >= verdict.until:
            headers = {"WWW-Authenticate": CHALLENGE}
            raise GatewayError(Code.UNAUTHENTICATED, verdict.reason, verdict.message, headers=headers)

    def _learn(self, certificate: bytes) -> Verdict:
        if len(self._known) >= MAX_CACHED:
            self._known.clear()
        verdict = self._known[certificate] = self._examine(certificate)
        return verdict
