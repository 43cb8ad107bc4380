"""The check of a caller's certificate: verdicts are cached, and time passes."""

from __future__ import annotations

import pytest

from gateway.errors import Code, GatewayError
from gateway.tls import ClientCertificates, Verdict
from gateway.tls.client_certificates import MAX_CACHED


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.examined: list[bytes] = []

    def examine(self, certificate: bytes) -> Verdict:
        self.examined.append(certificate)
        return Verdict(until=200.0, reason="SOME_REASON", message="some message")


def test_a_certificate_is_examined_once_and_refused_when_its_time_has_come() -> None:
    clock = Clock()
    clients = ClientCertificates(clock.examine, lambda: clock.now)
    for _ in range(3):
        clients.check(b"one")
    assert clock.examined == [b"one"]
    clock.now = 200.0
    with pytest.raises(GatewayError) as caught:
        clients.check(b"one")
    assert (caught.value.code, caught.value.reason) == (Code.UNAUTHENTICATED, "SOME_REASON")
    assert caught.value.message == "some message"
    assert clock.examined == [b"one"]


def test_each_refusal_is_an_error_of_its_own() -> None:
    clients = ClientCertificates(lambda _: Verdict(until=0, reason="X", message="x"))
    errors = []
    for _ in range(2):
        with pytest.raises(GatewayError) as caught:
            clients.check(b"one")
        errors.append(caught.value)
    assert errors[0] is not errors[1]


def test_changed_files_examine_every_certificate_again() -> None:
    clients = ClientCertificates(lambda _: Verdict(until=1e12, reason="X", message="x"))
    clients.check(b"one")
    clients.replace(lambda _: Verdict(until=0, reason="X", message="x"))
    with pytest.raises(GatewayError):
        clients.check(b"one")


def test_the_cache_is_bounded() -> None:
    clock = Clock()
    clients = ClientCertificates(clock.examine, lambda: clock.now)
    for number in range(3 * MAX_CACHED):
        clients.check(b"%d" % number)
        assert len(clients._known) <= MAX_CACHED  # noqa: SLF001 - nothing else shows it
