from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway.bundles import read_bundle, signature_path
from gateway.bundles.signature import load_public_key, sign_bundle
from gateway.faults import FaultsError
from gateway.policy.bundle_files import BundleFiles

FILES = BundleFiles({"a.yaml": "a: 1\n", "b/c.yaml": "c: 1\n"})


def write_keys(folder: Path, name: str = "key") -> tuple[Path, Path]:
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return write_keys(tmp_path)


def signed(files: BundleFiles, private: Path) -> BundleFiles:
    return BundleFiles(files.texts, sign_bundle(files, private))


def test_a_signed_bundle_passes(keys: tuple[Path, Path]) -> None:
    load_public_key(keys[1]).check(signed(FILES, keys[0]), "policies")


def test_white_space_around_a_signature_is_nothing(keys: tuple[Path, Path]) -> None:
    text = f"\n{sign_bundle(FILES, keys[0])}\n"
    load_public_key(keys[1]).check(BundleFiles(FILES.texts, text), "policies")


ALTERED = {
    "a text": {"a.yaml": "a: 2\n", "b/c.yaml": "c: 1\n"},
    "a name": {"a2.yaml": "a: 1\n", "b/c.yaml": "c: 1\n"},
    "a file more": {"a.yaml": "a: 1\n", "b/c.yaml": "c: 1\n", "d.yaml": ""},
    "a file less": {"a.yaml": "a: 1\n"},
    "texts exchanged": {"a.yaml": "c: 1\n", "b/c.yaml": "a: 1\n"},
}


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_bundle_is_refused(keys: tuple[Path, Path], name: str) -> None:
    altered = BundleFiles(ALTERED[name], sign_bundle(FILES, keys[0]))
    with pytest.raises(FaultsError, match="altered, or signed with another key"):
        load_public_key(keys[1]).check(altered, "policies")


def test_another_key_is_refused(keys: tuple[Path, Path], tmp_path: Path) -> None:
    other, _ = write_keys(tmp_path, "other")
    with pytest.raises(FaultsError, match="altered, or signed with another key"):
        load_public_key(keys[1]).check(signed(FILES, other), "policies")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "is not signed, and policies.public_key requires a signature"),
        ("", "does not match"),
        ("????", "not base64"),
        ("é", "not base64"),
        (base64.b64encode(b"x" * 64).decode(), "does not match"),
        (base64.b64encode(b"x" * 63).decode(), "does not match"),
    ],
)
def test_what_is_no_signature_is_refused(keys: tuple[Path, Path], text: str | None, reason: str) -> None:
    with pytest.raises(FaultsError, match=reason):
        load_public_key(keys[1]).check(BundleFiles(FILES.texts, text), "policies")


def test_openssl_signs_too(keys: tuple[Path, Path], tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on this machine")
    (tmp_path / "hash").write_text(FILES.hash)
    made = subprocess.run(
        [openssl, "pkeyutl", "-sign", "-rawin", "-inkey", str(keys[0]), "-in", str(tmp_path / "hash")],
        capture_output=True,
        check=True,
    )
    text = base64.b64encode(made.stdout).decode()
    load_public_key(keys[1]).check(BundleFiles(FILES.texts, text), "policies")


def test_a_key_has_to_be_an_ed25519_key(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    elliptic = generate_private_key(SECP256R1())
    private, public = tmp_path / "ec.pem", tmp_path / "ec.pub"
    private.write_bytes(elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(elliptic.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "text").write_text("text")
    for path in (private, tmp_path / "text", keys[0]):
        with pytest.raises(FaultsError, match=r"policies\.public_key: (no public key|not an Ed25519)"):
            load_public_key(path)
    with pytest.raises(FaultsError, match="not an Ed25519 key"):
        load_public_key(public)
    with pytest.raises(FaultsError, match="not an Ed25519 key"):
        sign_bundle(FILES, private)
    for path in (public, tmp_path / "text"):
        with pytest.raises(FaultsError, match="no private key"):
            sign_bundle(FILES, path)
    for use in (load_public_key, lambda path: sign_bundle(FILES, path)):
        with pytest.raises(FaultsError, match="cannot be read: No such file"):
            use(tmp_path / "nowhere")


def test_the_signature_stands_in_the_folder_or_beside_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    file = folder / "a.yaml"
    file.write_text("a: 1\n")
    assert read_bundle(folder).signature is None
    for path in (folder, file):
        signature_path(path).write_text("text")
        assert read_bundle(path).signature == "text"
    assert {one.name for one in folder.iterdir()} == {"a.yaml", "a.yaml.sig", "bundle.sig"}
    assert list(read_bundle(folder).texts) == ["a.yaml"]


def test_the_signature_is_no_part_of_the_hash() -> None:
    assert BundleFiles(FILES.texts, "x").hash == FILES.hash
