"""CAs and revocation lists: which certificates are refused, until when, and which lists are faults."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gateway.faults import FaultsError
from gateway.tls.authorities import Authorities, load_authorities
from tests.tls.authority import DAY, Authority, Issued

CA = Authority()
NOW = time.time()


def load(
    folder: Path, cas: Sequence[Authority], *crls: bytes, before: Authorities | None = None
) -> Authorities:
    (folder / "ca.pem").write_bytes(b"".join(one.pem for one in cas))
    (folder / "crl.pem").write_bytes(b"".join(crls))
    crl = folder / "crl.pem" if crls else None
    return load_authorities(folder / "ca.pem", crl, "rest.tls", before)[0]


def reason(authorities: Authorities, issued: Issued, now: float = NOW) -> str:
    """Return the reason for which a certificate is refused; empty if it is accepted."""
    verdict = authorities.examine(issued.der)
    return verdict.reason if now >= verdict.until else ""


def test_a_certificate_is_accepted_until_it_expires(tmp_path: Path) -> None:
    authorities, issued = load(tmp_path, [CA]), CA.issue(lifetime=(-DAY, DAY))
    assert reason(authorities, issued) == ""
    assert reason(authorities, issued, NOW + 2 * 86400) == "CERTIFICATE_EXPIRED"
    assert "has expired at 20" in authorities.examine(issued.der).message


def test_a_revoked_certificate_is_refused_and_others_are_not(tmp_path: Path) -> None:
    revoked, other = CA.issue(), CA.issue()
    authorities = load(tmp_path, [CA], CA.revoke([revoked]))
    assert reason(authorities, revoked) == "CERTIFICATE_REVOKED"
    assert reason(authorities, other) == ""


def test_the_newest_list_of_a_ca_counts(tmp_path: Path) -> None:
    revoked = CA.issue()
    old = CA.revoke(lifetime=(-2 * DAY, 9 * DAY))
    for crls in ([old, CA.revoke([revoked])], [CA.revoke([revoked]), old]):
        assert reason(load(tmp_path, [CA], *crls), revoked) == "CERTIFICATE_REVOKED"


def test_a_list_that_is_out_of_date_refuses_the_certificates_of_its_ca_only(tmp_path: Path) -> None:
    other = Authority("other")
    authorities = load(tmp_path, [CA, other], CA.revoke(lifetime=(-DAY, timedelta(hours=1))), other.revoke())
    assert reason(authorities, CA.issue()) == ""
    assert authorities.find_outdated(NOW) == ""
    late = NOW + 7200
    assert reason(authorities, CA.issue(), late) == "CERTIFICATE_UNVERIFIED"
    assert reason(authorities, other.issue(), late) == ""
    assert authorities.find_outdated(late).startswith("the list of CN=CA is out of date since 20")


def test_an_intermediate_ca_needs_its_certificate_and_its_list(tmp_path: Path) -> None:
    middle = CA.make_authority("middle")
    issued = middle.issue(sends_chain=True)
    assert reason(load(tmp_path, [CA]), issued) == ""
    assert reason(load(tmp_path, [CA], CA.revoke()), issued) == "CERTIFICATE_UNVERIFIED"
    both = [middle, CA]
    assert reason(load(tmp_path, both, CA.revoke(), middle.revoke()), issued) == ""
    assert reason(load(tmp_path, both, CA.revoke(), middle.revoke([issued])), issued) == "CERTIFICATE_REVOKED"


def test_the_certificates_of_a_revoked_intermediate_ca_are_refused(tmp_path: Path) -> None:
    middle = CA.make_authority("middle")
    authorities = load(tmp_path, [CA, middle], CA.revoke([middle.own]), middle.revoke())
    assert reason(authorities, middle.issue()) == "CERTIFICATE_REVOKED"
    assert reason(authorities, CA.issue()) == ""


def test_a_ca_of_the_same_name_is_another_ca(tmp_path: Path) -> None:
    twin = Authority()
    issued = CA.issue()
    authorities = load(tmp_path, [twin, CA], twin.revoke([issued]), CA.revoke())
    assert reason(authorities, issued) == ""


def test_the_certificates_of_a_removed_ca_are_refused_until_it_is_added_again(tmp_path: Path) -> None:
    old, new = Authority("old"), Authority("new")
    authorities = load(tmp_path, [old])
    for cas, expected in (([old, new], ""), ([new], "CERTIFICATE_UNTRUSTED"), ([new, old], "")):
        authorities = load(tmp_path, cas, before=authorities)
        assert reason(authorities, old.issue()) == expected
        assert reason(authorities, new.issue()) == ""
        # Who sends the certificate of an intermediate CA may be trusted through it.
        assert reason(authorities, Authority("unknown").issue()) == ""


def test_bytes_that_are_no_certificate_are_refused(tmp_path: Path) -> None:
    verdict = load(tmp_path, [CA]).examine(b"nonsense")
    assert (verdict.until, verdict.reason) == (0, "CERTIFICATE_UNVERIFIED")


def _fault(folder: Path, *crls: bytes, cas: Sequence[Authority] = (CA,)) -> str:
    with pytest.raises(FaultsError) as caught:
        load(folder, cas, *crls)
    (fault,) = caught.value.faults
    return str(fault).replace(f"{folder}/", "")


def test_a_list_of_another_ca_is_a_fault(tmp_path: Path) -> None:
    expected = "crl.pem: rest.tls.crl: contains a list of CN=CA that no CA in ca.pem has signed"
    assert _fault(tmp_path, Authority().revoke()) == expected  # the same name, but another key
    assert _fault(tmp_path, CA.revoke(), Authority("x").revoke()) == expected.replace("CN=CA", "CN=x")


def test_a_ca_without_a_list_is_a_fault(tmp_path: Path) -> None:
    cas = [CA, Authority("x")]
    assert _fault(tmp_path, CA.revoke(), cas=cas) == (
        "crl.pem: rest.tls.crl: contains no list of CN=x, a CA in ca.pem"
    )


@pytest.mark.parametrize(
    "extension",
    [
        x509.DeltaCRLIndicator(1),
        x509.IssuingDistributionPoint(None, None, False, False, None, True, False),  # noqa: FBT003 - its form
    ],
    ids=["delta", "indirect"],
)
def test_lists_that_are_not_complete_are_faults(tmp_path: Path, extension: x509.ExtensionType) -> None:
    assert "with a critical extension" in _fault(tmp_path, CA.revoke(extension=extension))
