"""Callers that present client certificates."""

from __future__ import annotations

import hashlib
import time
from datetime import timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509

from gateway.callers.certificates import MAX_CERTIFICATES, CertificateVerifier
from gateway.callers.credentials import PresentedCredentials
from gateway.callers.identity import CallerIdentity, CredentialError
from tests.callers.making import make_certificate

SPIFFE = x509.UniformResourceIdentifier("spiffe://example.org/ns/ci/sa/builder")
URI = x509.UniformResourceIdentifier("urn:example:builder")
DNS = x509.DNSName("builder.example.org")
MAIL = x509.RFC822Name("builder@example.org")


async def _verify(certificate: bytes) -> CallerIdentity:
    return await CertificateVerifier().verify(PresentedCredentials("192.0.2.1", certificate, None))


@pytest.mark.parametrize(
    ("subject", "names", "name"),
    [
        ("CN=ann,O=Example", [MAIL, DNS, SPIFFE], "spiffe://example.org/ns/ci/sa/builder"),
        ("CN=ann,O=Example", [MAIL, DNS, URI], "urn:example:builder"),
        ("CN=ann,O=Example", [MAIL, DNS], "builder.example.org"),
        ("CN=ann,O=Example", [MAIL], "builder@example.org"),
        ("CN=ann,O=Example", [], "CN=ann,O=Example"),
        ("CN=ann", [], "CN=ann"),
        ("CN=ann", [x509.IPAddress(ip_address("192.0.2.1"))], "CN=ann"),
        ("", [DNS, x509.DNSName("other.example.org")], "builder.example.org"),
    ],
    ids=str,
)
async def test_the_name_of_the_caller(subject: str, names: list[x509.GeneralName], name: str) -> None:
    identity = await _verify(make_certificate(subject, *names))
    assert (identity.kind, identity.id, identity.groups) == ("mtls", name, ())


async def test_the_claims() -> None:
    certificate = make_certificate("CN=ann,O=Example", DNS)
    claims = (await _verify(certificate)).claims
    assert claims == {
        "subject": "CN=ann,O=Example",
        "issuer": "CN=authority",
        "serial": "1234",
        "fingerprint": hashlib.sha256(certificate).hexdigest(),
    }


@pytest.mark.parametrize(
    "names",
    [
        [SPIFFE, URI],
        [SPIFFE, x509.UniformResourceIdentifier("spiffe://example.org/other")],
        [x509.UniformResourceIdentifier("SPIFFE://example.org/a")],
        [x509.UniformResourceIdentifier("spiffe://example.org/a?b")],
        [x509.UniformResourceIdentifier("spiffe:///a")],
        [x509.UniformResourceIdentifier("spiffe://example.org/a/")],
        [x509.DNSName("a\nb")],
        [x509.DNSName("spiffe://example.org/ns/ci/sa/builder")],
        [x509.DNSName("CN=ann")],
        [x509.UniformResourceIdentifier("builder.example.org")],
        [x509.UniformResourceIdentifier("CN=ann,O=Example")],
        [x509.RFC822Name("urn:example:builder@example.org")],
        [x509.RFC822Name("CN=ann@example.org")],
        [x509.DNSName("a" * 600)],
    ],
    ids=str,
)
async def test_a_name_that_is_ambiguous_or_malformed_is_refused(names: list[x509.GeneralName]) -> None:
    with pytest.raises(CredentialError) as caught:
        await _verify(make_certificate("CN=ann", *names))
    assert caught.value.problem == "NO_NAME"


async def test_a_certificate_without_any_name_is_refused() -> None:
    with pytest.raises(CredentialError) as caught:
        await _verify(make_certificate(""))
    assert caught.value.problem == "NO_NAME"


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "longer"])
async def test_a_malformed_certificate_is_refused(damage: str) -> None:
    good = make_certificate()
    certificate = {"empty": b"", "text": b"x", "cut": good[:-9], "longer": good + b"x"}[damage]
    with pytest.raises(CredentialError) as caught:
        await _verify(certificate)
    assert caught.value.problem == "MALFORMED"


@pytest.mark.parametrize(
    ("starts", "ends", "problem"), [(-2, -1, "EXPIRED"), (1, 2, "NOT_YET_VALID")], ids=["expired", "early"]
)
async def test_an_expired_or_early_certificate_is_refused(starts: int, ends: int, problem: str) -> None:
    certificate = make_certificate("CN=ann", starts=timedelta(hours=starts), ends=timedelta(hours=ends))
    verifier = CertificateVerifier()
    for _ in range(2):
        given = PresentedCredentials("192.0.2.1", certificate, None)
        assert verifier.recall(given) is None
        with pytest.raises(CredentialError) as caught:
            await verifier.verify(given)
        assert caught.value.problem == problem


async def test_a_connection_that_outlives_its_certificate_is_refused() -> None:
    times = [time.time()]
    verifier = CertificateVerifier(now=lambda: times[0])
    given = PresentedCredentials("192.0.2.1", make_certificate(), None)
    assert verifier.is_present(given)
    identity = await verifier.verify(given)
    assert verifier.recall(given) is identity
    times[0] += 7200
    assert verifier.recall(given) is None
    with pytest.raises(CredentialError) as caught:
        await verifier.verify(given)
    assert caught.value.problem == "EXPIRED"


async def test_the_number_of_certificates_that_are_kept_is_bounded() -> None:
    verifier = CertificateVerifier()
    certificate = make_certificate()
    serial = certificate.index(b"\x02\x02\x12\x34")
    for number in range(MAX_CERTIFICATES + 20):
        changed = (
            certificate[:serial] + b"\x02\x02" + (number + 256).to_bytes(2, "big") + certificate[serial + 4 :]
        )
        await verifier.verify(PresentedCredentials("192.0.2.1", changed, None))
    assert verifier.remembered == MAX_CERTIFICATES


def test_no_certificate_is_not_present() -> None:
    assert not CertificateVerifier().is_present(PresentedCredentials("192.0.2.1", None, "Bearer x"))
