"""PEM files: what each fault says."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.faults import FaultsError
from gateway.tls.pem_files import load_key_pair, read_certificates


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pem")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in ("a", "b"):
        issued = authority.issue_cert("127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
    key = load_pem_private_key((folder / "a.key").read_bytes(), None)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    (folder / "encrypted.key").write_bytes(encrypted)
    (folder / "garbage").write_bytes(b"-----BEGIN CERTIFICATE-----\ngarbage\n-----END CERTIFICATE-----\n")
    (folder / "empty").write_bytes(b"")
    return folder


def test_files_that_fit(files: Path) -> None:
    chain, key = load_key_pair(files / "a.pem", files / "a.key", "rest.tls")
    assert chain.data.startswith(b"-----BEGIN CERTIFICATE")
    assert len(chain.certificates) == 1
    assert b"PRIVATE KEY" in key
    assert read_certificates(files / "ca.pem", "x").startswith(b"-----BEGIN CERTIFICATE")


@pytest.mark.parametrize(
    ("certificate", "key", "expected"),
    [
        ("a.pem", "none", ["none: rest.tls.key: cannot be read: No such file or directory"]),
        ("none", "a.key", ["none: rest.tls.certificate: cannot be read: No such file or directory"]),
        ("a.pem", "b.key", ["b.key: rest.tls.key: is not the key of the first certificate in "]),
        ("a.pem", "encrypted.key", ["encrypted.key: rest.tls.key: is encrypted; give a private key without"]),
        ("a.pem", "a.pem", ["a.pem: rest.tls.key: contains no private key in PEM form"]),
        ("garbage", "a.key", ["garbage: rest.tls.certificate: contains no certificate in PEM form"]),
        (
            "empty",
            "empty",
            ["empty: rest.tls.certificate: contains no", "empty: rest.tls.key: contains no private"],
        ),
    ],
)
def test_files_that_do_not(files: Path, certificate: str, key: str, expected: list[str]) -> None:
    with pytest.raises(FaultsError) as caught:
        load_key_pair(files / certificate, files / key, "rest.tls")
    shown = [str(fault).removeprefix(f"{files}/") for fault in caught.value.faults]
    assert len(shown) == len(expected)
    assert all(one.startswith(start) for one, start in zip(shown, expected, strict=True)), shown
    assert "BEGIN PRIVATE KEY-----\n" not in str(caught.value)
