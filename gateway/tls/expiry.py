"""Reports certificates that expire soon: in the log, in a condition and in a metric."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.telemetry import Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.x509 import Certificate

    from gateway.telemetry import Metrics

_log = logging.getLogger(__name__)

SOON_S = 7 * 86400
"""A certificate expires soon if it expires within this number of seconds.

If a fifth of the lifetime of the certificate is shorter, it is used instead. Otherwise certificates that live
for hours would always expire soon.
"""


class CertificateExpiry:
    """The expiry of the certificate that one listener or upstream channel presents."""

    def __init__(self, section: str, metrics: Metrics, now: Callable[[], float] = time.time) -> None:
        """Initialize the object without a certificate.

        Args:
            section: the configuration section that names the certificate, such as `rest.tls`.
            metrics: the metrics that show the time until the expiry.
            now: a function that returns the Unix time in seconds.
        """
        self._section = section
        self._metrics = metrics
        self._now = now
        self._path = ""
        self._expires = self._soon = float("inf")
        self._logged = 0

    def set(self, path: Path, certificate: Certificate) -> None:
        """Set the certificate. `describe` reports its expiry."""
        expires = certificate.not_valid_after_utc.timestamp()
        lifetime_s = expires - certificate.not_valid_before_utc.timestamp()
        self._path = str(path)
        self._expires = expires
        self._soon = expires - min(SOON_S, lifetime_s / 5)
        self._logged = 0
        self._metrics.show_certificate_expiry(self._section, expires)

    def describe(self) -> tuple[Status, str]:
        """Return the status of the certificate, and the reason. A change to a worse status is logged."""
        now = self._now()
        stage = (now >= self._soon) + (now >= self._expires)
        if not stage:
            return Status.OK, ""
        time_of = datetime.fromtimestamp(self._expires, UTC).isoformat().replace("+00:00", "Z")
        reason = (
            f"{self._path}: the certificate {('', 'expires soon, at', 'has expired at')[stage]} {time_of}"
        )
        if stage > self._logged:
            self._logged = stage
            _log.warning(
                "certificate has expired" if stage > 1 else "certificate expires soon",
                extra={"key": f"{self._section}.certificate", "file": self._path, "expires": time_of},
            )
        return Status.DEGRADED, reason
