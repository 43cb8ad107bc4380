"""Refuses callers that cannot be identified: the errors, their count and the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.callers.failed_attempts import FailedAttempts
from gateway.config import Rate
from gateway.errors import Code, GatewayError
from gateway.tls.client_certificates import CHALLENGE as _CERTIFICATE_CHALLENGE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.callers.identity import CredentialError
    from gateway.config import CallerKind
    from gateway.telemetry import Metrics

_log = logging.getLogger(__name__)

LOG_RATE = Rate(count=60, seconds=60)
"""The maximum rate of log lines about refused callers. The next line shows the number of omitted lines."""

_CHALLENGE = 'Bearer realm="baremetal-gateway"'
_INVALID = f'{_CHALLENGE}, error="invalid_token"'  # https://www.rfc-editor.org/rfc/rfc6750#section-3.1


class Refusals:
    """Makes the errors for callers that are refused, and reports these callers."""

    def __init__(
        self,
        kinds: Sequence[CallerKind],
        header: str | None,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        """Initialize the reports.

        Args:
            kinds: the configured kinds of credentials.
            header: the name of the header of JWTs and tokens; None if none is used.
            metrics: the metrics in which refused callers are counted.
            clock: a function that returns the time in seconds.
        """
        self._metrics = metrics
        self._missing = _describe_missing(kinds, header)
        self._has_header = header is not None
        self._subjects = {
            "mtls": "the client certificate",
            "jwt": f"the JWT in the header {header}",
            "token": f"the token in the header {header}",
        }
        self._lines = FailedAttempts(LOG_RATE, max_keys=1, clock=clock)
        self._omitted = 0

    def miss(self) -> GatewayError:
        """Return the error for a request without credentials. It is counted, but not logged."""
        self._metrics.record_refused_caller("none", "MISSING")
        challenge = _CHALLENGE if self._has_header else _CERTIFICATE_CHALLENGE
        return GatewayError(
            Code.UNAUTHENTICATED,
            "CREDENTIALS_MISSING",
            self._missing,
            headers={"WWW-Authenticate": challenge},
        )

    def refuse(self, kind: str, address: str, error: CredentialError) -> GatewayError:
        """Report a wrong credential, and return the error for the request.

        Args:
            kind: the kind of the caller that the credential would identify.
            address: the address of the caller.
            error: the problem of the credential.
        """
        self.report(kind, address, error.problem)
        return GatewayError(
            Code.UNAUTHENTICATED,
            "CREDENTIALS_INVALID",
            f"{self._subjects[kind]} {error.text}",
            metadata={"kind": kind, "problem": error.problem},
            headers={"WWW-Authenticate": _INVALID if self._has_header else _CERTIFICATE_CHALLENGE},
        )

    def limit(self, kind: str, wait_s: int) -> GatewayError:
        """Return the error for a request of an address with too many failed attempts.

        Args:
            kind: the kind of the caller that the credential would identify.
            wait_s: the time until the next attempt is allowed, in seconds.
        """
        self._metrics.record_refused_caller(kind, "RATE_LIMITED")
        return GatewayError(
            Code.RESOURCE_EXHAUSTED,
            "RATE_LIMITED",
            f"too many wrong credentials from this address; try again in {wait_s} s",
            retry_after_s=wait_s,
        )

    def report(self, kind: str, address: str, problem: str) -> None:
        """Count and log a wrong credential.

        Args:
            kind: the kind of the caller that the credential would identify.
            address: the address of the caller.
            problem: the problem in UPPER_SNAKE_CASE. The number of different problems is small.
        """
        self._metrics.record_refused_caller(kind, problem)
        if self._lines.wait_s(""):
            self._omitted += 1
            return
        self._lines.add("")
        fields = {"address": address, "kind": kind, "reason": problem, "suppressed": self._omitted}
        self._omitted = 0
        _log.warning("caller refused", extra=fields)


def _describe_missing(kinds: Sequence[CallerKind], header: str | None) -> str:
    """Return the message for a request without credentials. It says which credentials are accepted."""
    names = {"jwt": "a JWT", "tokens": "a token"}
    ways = []
    if tokens := [names[kind] for kind in kinds if kind in names]:
        ways.append(f"send the header {header} with `Bearer` and {' or '.join(tokens)}")
    if "mtls" in kinds:
        ways.append("connect with a client certificate")
    return f"the request has no credentials; {', or '.join(ways)}"
