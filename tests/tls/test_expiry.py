"""Certificates that expire soon, or have expired, are reported."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.telemetry import Metrics, Status
from gateway.tls.expiry import CertificateExpiry
from tests.tls.authority import DAY, Authority

CA = Authority()


@pytest.mark.parametrize(
    ("lifetime", "stages"),
    [
        ((-DAY, 90 * DAY), {0: "", 82: "", 84: "expires soon, at", 91: "has expired at"}),
        # A certificate that lives for a day expires soon in its last fifth.
        ((timedelta(0), DAY), {0: "", 0.79: "", 0.81: "expires soon, at", 1.1: "has expired at"}),
    ],
)
def test_the_stages_of_a_certificate(
    lifetime: tuple[timedelta, timedelta],
    stages: dict[float, str],
    logs: pytest.LogCaptureFixture,
) -> None:
    start = now = time.time()
    expiry = CertificateExpiry("rest.tls", Metrics(Resource({})), lambda: now)
    assert expiry.describe() == (Status.OK, "")
    expiry.set(Path("c.pem"), CA.issue(lifetime=lifetime).certificate)
    for days, text in stages.items():
        now = start + days * 86400
        for _ in range(2):  # a second look logs nothing
            status, reason = expiry.describe()
            assert bool(reason) is bool(text)
            assert reason.startswith(f"c.pem: the certificate {text} 20" if text else "")
            assert status is (Status.DEGRADED if text else Status.OK)
    shown = [(record.message, record.levelname) for record in logs.records]
    assert shown == [("certificate expires soon", "WARNING"), ("certificate has expired", "WARNING")]


def test_the_metric_shows_the_time_that_is_left() -> None:
    metrics = Metrics(Resource({}))
    assert b"time_left" not in metrics.expose()
    for section, days in (("rest.tls", 2), ("upstreams.a.tls", -1)):
        issued = CA.issue(lifetime=(-3 * DAY, days * DAY))
        CertificateExpiry(section, metrics).set(Path("c.pem"), issued.certificate)
    name = "gateway_tls_certificate_time_left_seconds"
    text = metrics.expose().decode()
    found = re.findall(rf'^{name}{{section="(.+)"}} (\S+)$', text, re.MULTILINE)
    left = {section: round(float(seconds) / 86400, 2) for section, seconds in found}
    assert left == {"rest.tls": 2, "upstreams.a.tls": -1}
