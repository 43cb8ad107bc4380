"""Checks the certificates of the listeners, the CAs of callers, and their revocation lists."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource

from gateway.faults import FaultsError
from gateway.telemetry import Health, Metrics
from gateway.tls import ServerTls
from gateway.tls.pem_files import load_certificates

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from gateway.cli.doctor.examination import Examination
    from gateway.cli.doctor.report import CheckReport
    from gateway.config import ListenerTls

SOON_S = 7 * 86400.0
"""A certificate expires soon if it expires within this number of seconds, or within a fifth of its life."""


async def check_certificates(examination: Examination, report: CheckReport) -> None:
    """Check the certificates of the listeners."""
    config = examination.config
    for name, listener in (("rest", config.rest), ("grpc", config.grpc), ("admin", config.admin)):
        if listener.tls is not None:
            _check_listener(name, listener.tls, report)


def _check_listener(name: str, tls: ListenerTls, report: CheckReport) -> None:
    health, section = Health(), f"{name}.tls"
    try:
        ServerTls(name, tls, health, Metrics(Resource.get_empty()))
        own = load_certificates(tls.certificate, f"{section}.certificate").certificates
        authorities = load_certificates(tls.client_ca, section).certificates if tls.client_ca else ()
    except FaultsError:  # the check of the configuration reports them
        return
    (condition,) = health.conditions
    start = find_expiry(own[0]) if not condition.reason else ""
    if condition.reason or start:
        reason = condition.reason or f"{tls.certificate}: the certificate {start}"
        report.find(section, reason, "renew the file; a gateway that runs loads it again by itself")
    else:
        report.ok(section, f"{tls.certificate}: valid until {show_time(own[0].not_valid_after_utc)}")
    for authority in authorities:
        if reason := find_expiry(authority):
            report.find(
                f"{section}.client_ca",
                f"{tls.client_ca}: the CA {authority.subject.rfc4514_string()} {reason}",
                "add the certificate of the new CA to the file, and renew the certificates of callers",
            )


def find_expiry(certificate: Certificate) -> str:
    """Return a text about a certificate that has expired, expires soon or is not valid yet; else empty."""
    now = time.time()
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < start.timestamp():
        return f"is valid only from {show_time(start)}; is the clock of this machine right?"
    if now >= end.timestamp():
        return f"has expired at {show_time(end)}"
    life_s = (end - start).total_seconds()
    if now >= end.timestamp() - min(SOON_S, life_s / 5):
        return f"expires soon, at {show_time(end)}"
    return ""


def show_time(time_of: datetime) -> str:
    """Return a time in RFC 3339."""
    return time_of.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
