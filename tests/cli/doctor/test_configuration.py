"""The configuration and the bundle, as a start would find them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.bundles import read_bundle, signature_path
from gateway.bundles.signature import sign_bundle
from gateway.cli.doctor.configuration import check_configuration, user_name
from tests.cli.doctor.examining import examine, find, make_examination
from tests.conftest import ROOT
from tests.tls.authority import Authority


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))


async def test_a_configuration_without_faults(bundle: Path, tmp_path: Path) -> None:
    policies = {"path": str(bundle), "shadow": str(bundle)}
    results = await examine(check_configuration, make_examination(tmp_path, policies=policies))
    assert [(one.subject, one.status) for one in results] == [
        ("configuration", "ok"), ("bundle", "ok"), ("shadow bundle", "ok"),
    ]  # fmt: skip
    assert read_bundle(bundle).hash in results[1].message


async def test_a_policy_with_a_fault(bundle: Path, tmp_path: Path) -> None:
    file = bundle / "naming.yaml"
    file.write_text(file.read_text().replace("request.name", "request.nam"))
    found = await find(check_configuration, make_examination(tmp_path, policies={"path": str(bundle)}))
    assert "undefined field 'nam'" in found[0].message
    assert {one.fix for one in found} == {
        "correct the bundle; `baremetal-gateway policy check` shows each line"
    }


async def test_there_is_no_bundle(tmp_path: Path) -> None:
    policies = {"path": str(tmp_path / "none")}
    (one,) = await find(check_configuration, make_examination(tmp_path, policies=policies))
    assert (one.subject, one.fix) == ("policies.path", "set policies.path to the folder of the bundle")


async def test_an_altered_bundle(bundle: Path, tmp_path: Path) -> None:
    (bundle / "bundle.sum").write_text(f"{'0' * 64}  naming.yaml\n")
    found = await find(check_configuration, make_examination(tmp_path, policies={"path": str(bundle)}))
    assert {one.fix for one in found} == {
        "deploy the whole bundle again, or write its list with `policy hash --write`"
    }


@pytest.mark.parametrize("signature", ["of another key", "missing", "malformed"])
async def test_a_bad_signature(bundle: Path, tmp_path: Path, signature: str) -> None:
    keys = {}
    for name in ("own", "other"):
        key = Ed25519PrivateKey.generate()
        keys[name] = tmp_path / f"{name}.pem"
        keys[name].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{name}.pub").write_bytes(public)
    policies = {"path": str(bundle), "public_key": str(tmp_path / "own.pub")}
    path = signature_path(bundle)
    path.write_text(sign_bundle(read_bundle(bundle), keys["own"]))
    results = await examine(check_configuration, make_examination(tmp_path, policies=policies))
    assert results[1].message.endswith("; its signature is valid")
    if signature == "missing":
        path.unlink()
    else:
        is_malformed = signature == "malformed"
        path.write_text("?" if is_malformed else sign_bundle(read_bundle(bundle), keys["other"]))
    (one,) = await find(check_configuration, make_examination(tmp_path, policies=policies))
    assert one.fix.startswith("sign this version of the bundle with `baremetal-gateway policy sign`")


async def test_a_shadow_bundle_with_a_fault(bundle: Path, tmp_path: Path) -> None:
    policies = {"path": str(ROOT / "policies"), "shadow": str(bundle)}
    (bundle / "naming.yaml").write_text("x")
    found = await find(check_configuration, make_examination(tmp_path, policies=policies))
    assert found


async def test_a_private_key_of_another_certificate(tmp_path: Path) -> None:
    certificate, _ = Authority().issue().write(tmp_path, "own")
    _, key = Authority().issue().write(tmp_path, "other")
    rest = {"listen": "127.0.0.1:0", "tls": {"certificate": str(certificate), "key": str(key)}}
    (one,) = await find(check_configuration, make_examination(tmp_path, rest=rest))
    assert one.subject == "rest.tls.key"
    assert one.message.endswith(f"is not the key of the first certificate in {certificate}")
    assert one.fix.startswith("replace the file, or set rest.tls.key to the right one")


async def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    credentials = {"type": "file", "path": str(tmp_path / "none")}
    (one,) = await find(check_configuration, make_examination(tmp_path, credentials=credentials))
    assert one.fix == f"correct the path in credentials.path, or let the user {user_name()} read the file"


async def test_a_folder_of_the_ledger_that_does_not_exist(tmp_path: Path) -> None:
    ledger = {"url": f"sqlite:///{tmp_path}/none/ledger.db"}
    (one,) = await find(check_configuration, make_examination(tmp_path, ledger=ledger))
    assert one.subject == "ledger.url"
    assert one.fix.startswith(f"let the user {user_name()} write to the file and its folder")


async def test_a_variable_of_telemetry(tmp_path: Path) -> None:
    environment = {"OTEL_BSP_SCHEDULE_DELAY": "soon"}
    (one,) = await find(check_configuration, make_examination(tmp_path, environment=environment))
    assert (one.subject, one.fix) == ("OTEL_BSP_SCHEDULE_DELAY", "correct or unset this variable")


async def test_plaintext_over_a_network(tmp_path: Path) -> None:
    upstreams = {"baremetal": {"address": "192.0.2.1:443", "tls": False}}
    (one,) = await find(check_configuration, make_examination(tmp_path, upstreams=upstreams))
    assert (one.subject, one.fix) == (
        "upstreams.baremetal.address", "remove `tls: false` from upstreams.baremetal",
    )  # fmt: skip


async def test_discovery_without_an_address(tmp_path: Path) -> None:
    grpc = {"listen": "0.0.0.0:0", "allow_plaintext": True}
    sections: dict[str, Any] = {"grpc": grpc, "discovery": {"enabled": True}}
    (one,) = await find(check_configuration, make_examination(tmp_path, **sections))
    assert one.subject == "discovery.address"


async def test_a_warning_about_the_bundle(bundle: Path, tmp_path: Path) -> None:
    file = bundle / "naming.yaml"
    text = file.read_text()
    file.write_text(text.replace('== "" ||', '== "" && caller.id == "" ||'))
    found = await find(check_configuration, make_examination(tmp_path, policies={"path": str(bundle)}))
    assert [one.subject for one in found] == ["bundle"]
    assert found[0].message.startswith("policies read facts about callers")
