"""The gateway's own credentials: tokens of the emulated cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.cli.doctor.credentials import check_credentials
from gateway.emulator import Emulator, InjectedFault
from gateway.emulator.token_issuer import CREATE_TOKEN
from gateway.emulator.token_server import EXCHANGE_PATH, TokenServer
from gateway.errors import Code
from tests.cli.doctor.examining import NOBODY, examine, find, make_examination, serve_bytes
from tests.service_accounts import register, write_key


def key_of(folder: Path, address: str) -> dict[str, Any]:
    file = write_key(folder / "key.json")
    return {"type": "service_account_key", "file": str(file), "iam": address, "tls": False}


async def test_the_key_of_a_service_account(emulator: Emulator, tmp_path: Path) -> None:
    register(emulator)
    credentials = key_of(tmp_path, emulator.address)
    (one,) = await examine(check_credentials, make_examination(tmp_path, credentials=credentials))
    assert (one.subject, one.status) == ("credentials", "ok")
    assert one.message.startswith("type service_account_key: a token was fetched; it is valid until 20")
    assert len(emulator.tokens.issued) == 1


async def test_iam_refuses_the_key(emulator: Emulator, tmp_path: Path) -> None:
    credentials = key_of(tmp_path, emulator.address)
    (one,) = await find(check_credentials, make_examination(tmp_path, credentials=credentials))
    assert one.message.startswith(f"no token: {emulator.address}: UNAUTHENTICATED: ")
    assert "clock" in one.fix


async def test_iam_cannot_be_reached(tmp_path: Path) -> None:
    credentials = key_of(tmp_path, NOBODY)
    (one,) = await find(check_credentials, make_examination(tmp_path, credentials=credentials))
    assert one.message.startswith(f"no token: {NOBODY}: UNAVAILABLE: ")


async def test_iam_does_not_respond(emulator: Emulator, tmp_path: Path) -> None:
    emulator.inject(InjectedFault(method=CREATE_TOKEN, delay_s=30))
    register(emulator)
    credentials = key_of(tmp_path, emulator.address)
    (one,) = await find(check_credentials, make_examination(tmp_path, step_s=0.3, credentials=credentials))
    assert one.message == "no token within 0.3 s"


async def test_an_error_of_iam_is_redacted(emulator: Emulator, tmp_path: Path) -> None:
    fault = InjectedFault(method=CREATE_TOKEN, code=Code.INTERNAL, message="bad token=canary1 given")
    emulator.inject(fault)
    credentials = key_of(tmp_path, emulator.address)
    (one,) = await find(check_credentials, make_examination(tmp_path, credentials=credentials))
    assert "INTERNAL" in one.message
    assert "canary" not in one.message


async def test_the_metadata_service(token_server: TokenServer, tmp_path: Path) -> None:
    credentials = {"type": "metadata", "address": token_server.address}
    (one,) = await examine(check_credentials, make_examination(tmp_path, credentials=credentials))
    assert one.message.startswith("type metadata: a token was fetched")
    token_server.fail_with = 404
    (one,) = await find(check_credentials, make_examination(tmp_path, credentials=credentials))
    assert "HTTP 404" in one.message
    assert one.fix.startswith("give the virtual machine a service account")


async def test_a_workload_that_is_not_accepted(token_server: TokenServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("canary-of-the-workload")
    credentials = {
        "type": "workload_identity",
        "service_account_id": "aje",
        "token_file": str(tmp_path / "token"),
        "url": f"http://{token_server.address}{EXCHANGE_PATH}",
    }
    (one,) = await find(check_credentials, make_examination(tmp_path, credentials=credentials))
    assert "invalid_grant" in one.message
    assert one.fix.startswith("check the federation")
    assert "canary" not in str(one)


async def test_a_token_that_has_expired_already(
    emulator: Emulator, token_server: TokenServer, tmp_path: Path
) -> None:
    emulator.tokens.life_s = 1
    credentials = {"type": "metadata", "address": token_server.address}
    (one,) = await find(check_credentials, make_examination(tmp_path, credentials=credentials))
    assert "has expired already, or expires at 20" in one.message


@pytest.mark.parametrize("kind", ["static", "file"])
async def test_a_given_token(tmp_path: Path, kind: str) -> None:
    (tmp_path / "token").write_text("canary")
    credentials = {
        "static": {"type": kind, "token": "canary"},
        "file": {"type": kind, "path": str(tmp_path / "token")},
    }
    (one,) = await examine(check_credentials, make_examination(tmp_path, credentials=credentials[kind]))
    assert one.message == f"type {kind}: a token is set; when it expires is not known"


async def test_each_section_is_checked_once(emulator: Emulator, tmp_path: Path) -> None:
    register(emulator)
    own = {"address": NOBODY, "tls": False}
    upstreams = {
        "baremetal": own,
        "operation": own | {"credentials": {"type": "static", "token": "canary"}},
    }
    sections: dict[str, Any] = {"upstreams": upstreams, "credentials": key_of(tmp_path, emulator.address)}
    results = await examine(check_credentials, make_examination(tmp_path, **sections))
    assert sorted(one.subject for one in results) == ["credentials", "upstreams.operation.credentials"]


async def test_the_credentials_of_callers(tmp_path: Path) -> None:
    (one,) = await examine(check_credentials, make_examination(tmp_path))
    assert one.status == "skipped"


async def test_faults_of_files_are_not_repeated(tmp_path: Path) -> None:
    credentials = {"type": "file", "path": str(tmp_path / "none")}
    (one,) = await examine(check_credentials, make_examination(tmp_path, credentials=credentials))
    assert one.status == "skipped"


async def test_a_service_that_never_responds(tmp_path: Path) -> None:
    async with serve_bytes(None) as address:
        credentials = {"type": "metadata", "address": address}
        (one,) = await find(
            check_credentials, make_examination(tmp_path, step_s=0.3, credentials=credentials)
        )
    assert one.message == "no token within 0.3 s"
