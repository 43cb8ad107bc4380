"""Certificates of listeners, and the CAs of callers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.doctor.certificates import check_certificates, find_expiry
from tests.cli.doctor.examining import examine, find, make_examination
from tests.tls.authority import DAY, Authority


def listener(folder: Path, authority: Authority, lifetime: tuple[timedelta, timedelta], **keys: str) -> Any:
    certificate, key = authority.issue(lifetime=lifetime).write(folder, "own")
    return {"listen": "127.0.0.1:0", "tls": {"certificate": str(certificate), "key": str(key), **keys}}


GOOD = (-DAY, 365 * DAY)


async def test_a_certificate_that_is_valid(tmp_path: Path) -> None:
    rest = listener(tmp_path, Authority(), GOOD)
    (one,) = await examine(check_certificates, make_examination(tmp_path, rest=rest))
    assert (one.subject, one.status) == ("rest.tls", "ok")
    assert one.message.startswith(f"{tmp_path}/own.pem: valid until 20")


@pytest.mark.parametrize(
    ("lifetime", "text"),
    [
        ((-300 * DAY, 6 * DAY), "the certificate expires soon, at 20"),
        ((-2 * DAY, -DAY), "the certificate has expired at 20"),
        ((DAY, 9 * DAY), "the certificate is valid only from 20"),
    ],
    ids=["soon", "expired", "not yet valid"],
)
async def test_the_time_of_a_certificate(
    tmp_path: Path, lifetime: tuple[timedelta, timedelta], text: str
) -> None:
    admin = listener(tmp_path, Authority(), lifetime)
    (one,) = await find(check_certificates, make_examination(tmp_path, admin=admin))
    assert (one.subject, one.fix) == (
        "admin.tls",
        "renew the file; a gateway that runs loads it again by itself",
    )
    assert text in one.message


async def test_a_revocation_list_that_is_out_of_date(tmp_path: Path) -> None:
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "crl.pem").write_bytes(authority.revoke(lifetime=(-2 * DAY, -DAY)))
    files = {"client_ca": str(tmp_path / "ca.pem"), "crl": str(tmp_path / "crl.pem")}
    (one,) = await find(
        check_certificates, make_examination(tmp_path, grpc=listener(tmp_path, authority, GOOD, **files))
    )
    assert "the list of CN=CA is out of date since 20" in one.message


async def test_a_ca_of_callers_that_has_expired(tmp_path: Path) -> None:
    old = Authority().issue("old CA", lifetime=(-20 * DAY, -DAY))
    (tmp_path / "ca.pem").write_bytes(old.pem)
    rest = listener(tmp_path, Authority(), GOOD, client_ca=str(tmp_path / "ca.pem"))
    (one,) = await find(check_certificates, make_examination(tmp_path, rest=rest))
    assert one.subject == "rest.tls.client_ca"
    assert one.message.startswith(f"{tmp_path}/ca.pem: the CA CN=old CA has expired at 20")


async def test_faults_of_files_are_not_repeated(tmp_path: Path) -> None:
    rest = listener(tmp_path, Authority(), GOOD, client_ca=str(tmp_path / "none"))
    assert await examine(check_certificates, make_examination(tmp_path, rest=rest)) == []


def test_a_short_life_ends_soon_only_in_its_last_fifth() -> None:
    authority = Authority()
    assert find_expiry(authority.issue(lifetime=(-DAY, DAY)).certificate) == ""
    assert find_expiry(authority.issue(lifetime=(-DAY, DAY / 5)).certificate).startswith("expires soon")
