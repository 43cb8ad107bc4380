"""Permissions, file systems and free space."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.doctor import files
from gateway.cli.doctor.examination import Examination
from gateway.cli.doctor.files import check_files
from tests.cli.doctor.examining import examine, find, make_examination
from tests.conftest import ROOT
from tests.service_accounts import write_key
from tests.tls.authority import Authority


@pytest.fixture
def sections(tmp_path: Path) -> dict[str, Any]:
    """Return sections with a file of each kind. Their permissions are those that a careful operator sets."""
    certificate, key = Authority().issue().write(tmp_path, "own")
    (tmp_path / "token").write_text("a-token")
    (tmp_path / "tokens.yaml").write_text("tokens: []\n")
    write_key(tmp_path / "key.json")
    bundle = shutil.copytree(ROOT / "policies", tmp_path / "policies")
    for path in (key, tmp_path / "token", tmp_path / "key.json"):
        path.chmod(0o600)
    for path in (bundle, *bundle.iterdir()):
        path.chmod(0o755)
    upstream = {
        "address": "127.0.0.1:1",
        "certificate": str(certificate),
        "key": str(key),
        "credentials": {"type": "file", "path": str(tmp_path / "token")},
    }
    return {
        "rest": {"listen": "127.0.0.1:0", "tls": {"certificate": str(certificate), "key": str(key)}},
        "upstreams": {"baremetal": upstream, "operation": {"address": "127.0.0.1:1"}},
        "credentials": {"type": "service_account_key", "file": str(tmp_path / "key.json")},
        "callers": {"type": "tokens", "tokens": {"file": str(tmp_path / "tokens.yaml")}},
        "policies": {"path": str(bundle)},
        "ledger": {"url": f"sqlite:///{tmp_path}/ledger.db"},
    }


async def test_files_that_only_the_gateway_can_read(sections: dict[str, Any], tmp_path: Path) -> None:
    results = await examine(check_files, make_examination(tmp_path, **sections))
    assert [(one.subject, one.status) for one in results] == [("permissions", "ok"), (str(tmp_path), "ok")]


@pytest.mark.parametrize("name", ["own.key", "key.json", "token"])
@pytest.mark.parametrize("mode", [0o644, 0o604])
async def test_a_secret_that_others_can_read(
    sections: dict[str, Any], tmp_path: Path, name: str, mode: int
) -> None:
    (tmp_path / name).chmod(mode)
    found = await find(check_files, make_examination(tmp_path, **sections))
    assert {one.subject for one in found} == {str(tmp_path / name)}
    assert found[0].message.endswith(
        f"every user of this machine can read the secret in it (mode {mode:04o})"
    )
    assert found[0].fix.startswith(f"chmod o= {tmp_path / name}; in Kubernetes, set defaultMode: 0440")


async def test_the_key_of_the_exporters(sections: dict[str, Any], tmp_path: Path) -> None:
    key = tmp_path / "client.key"
    key.write_text("x")
    key.chmod(0o644)
    environment = {"OTEL_EXPORTER_OTLP_CLIENT_KEY": str(key)}
    (one,) = await find(check_files, make_examination(tmp_path, environment=environment, **sections))
    assert one.message.startswith("OTEL_EXPORTER_OTLP_CLIENT_KEY: every user")


async def test_a_configuration_file_with_a_secret(sections: dict[str, Any], tmp_path: Path) -> None:
    sections["limits"] = {"store": "redis://:canary@127.0.0.1/0", "rate": "1/second"}
    examination = make_examination(tmp_path, **sections)
    (tmp_path / "gateway.yaml").chmod(0o644)
    (one,) = await find(check_files, examination)
    assert one.message.startswith("the configuration file: every user of this machine can read the secret")
    assert "canary" not in str(one)


async def test_a_configuration_file_without_a_secret(sections: dict[str, Any], tmp_path: Path) -> None:
    examination = make_examination(tmp_path, **sections)
    (tmp_path / "gateway.yaml").chmod(0o644)
    assert await find(check_files, examination) == []


@pytest.mark.parametrize(
    "name", ["own.pem", "tokens.yaml", "policies", "policies/naming.yaml", "gateway.yaml"]
)
async def test_a_trusted_file_that_others_can_change(
    sections: dict[str, Any], tmp_path: Path, name: str
) -> None:
    examination = make_examination(tmp_path, **sections)
    path = tmp_path / name
    path.chmod(path.stat().st_mode | 0o002)
    found = await find(check_files, examination)
    assert found
    assert {one.fix for one in found} == {f"chmod o-w {path}"}


async def test_a_folder_in_which_others_can_replace_files(sections: dict[str, Any], tmp_path: Path) -> None:
    examination = make_examination(tmp_path, **sections)
    tmp_path.chmod(0o777)
    assert {one.fix for one in await find(check_files, examination)} == {f"chmod o-w {tmp_path}"}
    tmp_path.chmod(0o1777)  # with the sticky bit, only the owner of a file can replace it
    assert await find(check_files, examination) == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("nfs4", "is on a network file system (nfs4)"),
        ("cifs", "is on a network file system (cifs)"),
        ("fuse.sshfs", "is on a network file system (fuse.sshfs)"),
        ("tmpfs", "is in memory (tmpfs)"),
    ],
)
async def test_a_ledger_on_an_unfit_file_system(
    sections: dict[str, Any], tmp_path: Path, kind: str, text: str
) -> None:
    examination = make_examination(tmp_path, **sections)
    examination.mounts.write_text(
        f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / {tmp_path} rw - {kind} x rw\n"
    )
    (one,) = await find(check_files, examination)
    assert text in one.message
    assert "ledger.url" in one.fix


async def test_a_ledger_that_others_can_read(sections: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch(mode=0o644)
    (one,) = await find(check_files, make_examination(tmp_path, **sections))
    assert one.message.startswith("every user of this machine can read the records of calls")


async def test_a_disk_that_is_almost_full(
    sections: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MIN_FREE_BYTES", shutil.disk_usage(tmp_path).total + 1)
    (one,) = await find(check_files, make_examination(tmp_path, **sections))
    assert one.message.startswith("ledger.url: only ")


async def test_each_written_folder_is_checked(sections: dict[str, Any], tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    sections["ledger"]["checkpoints"] = str(tmp_path / "a" / "checkpoints")
    sections["decision_log"] = {"type": "file", "path": str(tmp_path / "b" / "records.jsonl")}
    sections["policies"] |= {"on_error": "last_good", "last_good": str(tmp_path / "c" / "good.json")}
    results = await examine(check_files, make_examination(tmp_path, **sections))
    assert [one.subject for one in results[1:]] == [str(tmp_path), *(str(tmp_path / one) for one in "abc")]


async def test_a_folder_that_does_not_exist(sections: dict[str, Any], tmp_path: Path) -> None:
    sections["ledger"] = {"url": f"sqlite:///{tmp_path}/none/ledger.db"}
    (one,) = await find(check_files, make_examination(tmp_path, **sections))
    assert one.message == "ledger.url: there is no such folder"


@pytest.fixture
def unwritable(open_folder: Path) -> Examination:
    """An examination of a ledger in a folder without write access."""
    folder = open_folder / "data"
    folder.mkdir(mode=0o555)
    return make_examination(open_folder, ledger={"url": f"sqlite:///{folder}/ledger.db"})


@pytest.mark.usefixtures("unprivileged")
async def test_a_folder_that_cannot_be_written(unwritable: Examination, open_folder: Path) -> None:
    (one,) = await find(check_files, unwritable)
    assert one.subject == str(open_folder / "data")
    assert "cannot create files in this folder" in one.message
