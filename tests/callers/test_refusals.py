"""The errors for callers that are refused, and what is reported about them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.callers.identity import CredentialError
from gateway.callers.refusals import LOG_RATE, Refusals
from gateway.config import CallerKind
from gateway.errors import Code
from gateway.telemetry import Metrics
from tests.callers.making import HEADER, Clock

EXPIRED = CredentialError("EXPIRED", "has expired")


def _refusals(kinds: Sequence[CallerKind], clock: Clock | None = None) -> tuple[Refusals, Metrics]:
    metrics = Metrics(Resource.create())
    header = None if list(kinds) == ["mtls"] else HEADER
    return Refusals(kinds, header, metrics, clock or Clock()), metrics


@pytest.mark.parametrize(
    ("kinds", "message", "challenge"),
    [
        (["jwt"], f"send the header {HEADER} with `Bearer` and a JWT", "Bearer"),
        (["tokens", "jwt"], f"send the header {HEADER} with `Bearer` and a token or a JWT", "Bearer"),
        (
            ["mtls", "tokens"],
            f"send the header {HEADER} with `Bearer` and a token, or connect with a client certificate",
            "Bearer",
        ),
        (["mtls"], "connect with a client certificate", "ClientCertificate"),
    ],
)
def test_a_missing_credential(kinds: list[CallerKind], message: str, challenge: str) -> None:
    refusals, metrics = _refusals(kinds)
    error = refusals.miss()
    assert (error.code, error.reason) == (Code.UNAUTHENTICATED, "CREDENTIALS_MISSING")
    assert error.message == f"the request has no credentials; {message}"
    assert error.headers == {"WWW-Authenticate": f'{challenge} realm="baremetal-gateway"'}
    assert 'gateway_callers_failures_total{kind="none",reason="MISSING"} 1.0' in metrics.expose().decode()


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("jwt", f"the JWT in the header {HEADER}"),
        ("token", f"the token in the header {HEADER}"),
        ("mtls", "the client certificate"),
    ],
)
def test_a_wrong_credential(kind: str, subject: str, logs: pytest.LogCaptureFixture) -> None:
    refusals, metrics = _refusals(["mtls", "jwt", "tokens"])
    error = refusals.refuse(kind, "192.0.2.1", EXPIRED)
    assert (error.code, error.reason) == (Code.UNAUTHENTICATED, "CREDENTIALS_INVALID")
    assert error.message == f"{subject} has expired"
    assert error.metadata == {"kind": kind, "problem": "EXPIRED"}
    challenge = 'Bearer realm="baremetal-gateway", error="invalid_token"'
    assert error.headers == {"WWW-Authenticate": challenge}
    text = metrics.expose().decode()
    assert f'gateway_callers_failures_total{{kind="{kind}",reason="EXPIRED"}} 1.0' in text
    (line,) = [vars(one) for one in logs.records if one.message == "caller refused"]
    assert (line["address"], line["kind"], line["reason"]) == ("192.0.2.1", kind, "EXPIRED")


def test_a_wrong_certificate_alone() -> None:
    error = _refusals(["mtls"])[0].refuse("mtls", "192.0.2.1", EXPIRED)
    assert error.headers == {"WWW-Authenticate": 'ClientCertificate realm="baremetal-gateway"'}


def test_too_many_attempts() -> None:
    refusals, metrics = _refusals(["jwt"])
    error = refusals.limit("jwt", 7)
    assert (error.code, error.reason) == (Code.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert error.retry_after_s == 7
    text = metrics.expose().decode()
    assert 'gateway_callers_failures_total{kind="jwt",reason="RATE_LIMITED"} 1.0' in text


def test_the_log_is_limited_and_counts_what_it_leaves_out(logs: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    refusals, _ = _refusals(["jwt"], clock)
    for _ in range(LOG_RATE.count + 5):
        refusals.refuse("jwt", "192.0.2.1", EXPIRED)
    assert len(logs.records) == LOG_RATE.count
    clock.time_s += 10
    refusals.refuse("jwt", "192.0.2.1", EXPIRED)
    assert [vars(one)["suppressed"] for one in logs.records[-2:]] == [0, 5]
