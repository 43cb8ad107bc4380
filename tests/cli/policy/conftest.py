"""Bundles, records and keys for the commands of `policy`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.cli.policy.test_group import NOW, run
from tests.policy.making import CREATE, binding_text, policy_text

LINK = "https://storage.yandexcloud.net/golden-images/a.iso"


RECORD: dict[str, Any] = {
    "kind": "decision",
    "id": "0123",
    "time": NOW,
    "method": CREATE,
    "decision": "allow",
    "request": {"name": "n"},
}


FULL = Path("/dev/full")


@pytest.fixture(autouse=True)
def only_v1alpha(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve one version of the API: the small bundles of these tests are about v1alpha only."""
    monkeypatch.setenv("GATEWAY__API__SERVICES", "{yandex.cloud.baremetal.v2.BootImageService: null}")


def record(**changes: Any) -> str:
    return json.dumps(RECORD | changes) + "\n"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of one rule: a name is asked for."""
    return write(tmp_path / "old.yaml", policy_text("request.name != ''") + binding_text())


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    """The same with another rule, and a field that it sets."""
    settings = [{"field": "description", "value": "'d'"}]
    text = policy_text("true", "request.name.size() > 1", set=settings) + binding_text()
    return write(tmp_path / "new.yaml", text)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def private_key(tmp_path: Path, key: Ed25519PrivateKey) -> Path:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return write(tmp_path / "private.pem", pem.decode())


@pytest.fixture
def public_key(tmp_path: Path, key: Ed25519PrivateKey) -> Path:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return write(tmp_path / "public.pem", pem.decode())


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A bundle of two files with the list of them."""
    folder = tmp_path / "listed"
    folder.mkdir()
    write(folder / "a.yaml", policy_text("request.name != ''") + binding_text())
    write(folder / "b.yaml", policy_text("true", name="q") + binding_text("c", "q"))
    done = run("hash", folder, "--write")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == run("hash", folder).stdout
    assert (folder / "bundle.sum").read_text().count("\n") == 2
    return folder
