"""PEM files: what each fault says."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.faults import FaultsError
from gateway.tls.pem_files import load_certificates, load_crls, load_key_pair, read_certificates
from tests.tls.authority import Authority, sign_with


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pem")
    authority = Authority()
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "crl.pem").write_bytes(authority.revoke() + Authority("other").revoke())
    for name in ("a", "b"):
        authority.issue(name).write(folder, name)
    key = load_pem_private_key((folder / "a.key").read_bytes(), None)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    (folder / "encrypted.key").write_bytes(encrypted)
    (folder / "garbage").write_bytes(b"-----BEGIN CERTIFICATE-----\ngarbage\n-----END CERTIFICATE-----\n")
    (folder / "bad.crl").write_bytes(b"-----BEGIN X509 CRL-----\ngarbage\n-----END X509 CRL-----\n")
    (folder / "empty").write_bytes(b"")
    return folder


def test_files_that_fit(files: Path) -> None:
    chain, key = load_key_pair(files / "a.pem", files / "a.key", "rest.tls", is_for_grpc=True)
    assert chain.data.startswith(b"-----BEGIN CERTIFICATE")
    assert len(chain.certificates) == 1
    assert b"PRIVATE KEY" in key
    assert read_certificates(files / "ca.pem", "x").startswith(b"-----BEGIN CERTIFICATE")
    assert len(load_crls(files / "crl.pem", "x")) == 2


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
        load_key_pair(files / certificate, files / key, "rest.tls", is_for_grpc=False)
    shown = [str(fault).removeprefix(f"{files}/") for fault in caught.value.faults]
    assert len(shown) == len(expected)
    assert all(one.startswith(start) for one, start in zip(shown, expected, strict=True)), shown
    assert "BEGIN PRIVATE KEY-----\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", "none: rest.tls.crl: cannot be read: No such file or directory"),
        ("empty", "empty: rest.tls.crl: contains no certificate revocation list in PEM form"),
        ("ca.pem", "ca.pem: rest.tls.crl: contains no certificate revocation list in PEM form"),
        ("bad.crl", "bad.crl: rest.tls.crl: contains no certificate revocation list in PEM form"),
    ],
)
def test_revocation_lists_that_cannot_be_used(files: Path, name: str, expected: str) -> None:
    with pytest.raises(FaultsError) as caught:
        load_crls(files / name, "rest.tls.crl")
    (fault,) = caught.value.faults
    assert str(fault).removeprefix(f"{files}/").startswith(expected)


def test_a_file_that_ends_within_a_block_is_half_written(tmp_path: Path) -> None:
    authority = Authority()
    first, both = authority.pem, authority.pem + authority.pem
    path = tmp_path / "chain.pem"
    for end in range(len(first) + 1, len(both) - 1):
        path.write_bytes(both[:end])
        with pytest.raises(FaultsError, match="is not complete"):
            load_certificates(path, "x")
    path.write_bytes(both + b"\n# a comment\n")
    assert len(load_certificates(path, "x").certificates) == 2
    path.write_bytes(authority.revoke() + authority.revoke()[:100])
    with pytest.raises(FaultsError, match="is not complete"):
        load_crls(path, "x")


@pytest.mark.parametrize("curve", ["secp256k1", "ed448"])
def test_keys_that_only_openssl_knows_are_refused_for_grpc(tmp_path: Path, curve: str) -> None:
    key = ed448.Ed448PrivateKey.generate() if curve == "ed448" else ec.generate_private_key(ec.SECP256K1())
    paths = sign_with(key).write(tmp_path, "a")
    assert load_key_pair(*paths, "rest.tls", is_for_grpc=False)
    with pytest.raises(
        FaultsError, match=r"grpc\.tls\.certificate: has a key that the gRPC library cannot use"
    ):
        load_key_pair(*paths, "grpc.tls", is_for_grpc=True)
