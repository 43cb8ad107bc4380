"""The credentials of a configuration: which upstream has which, their start, and their files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.config import Config
from gateway.config.credentials import (
    CredentialsSection,
    FileCredentials,
    MetadataCredentials,
    PassthroughCredentials,
    ServiceAccountKeyCredentials,
    StaticCredentials,
    WorkloadIdentityCredentials,
)
from gateway.emulator import Emulator
from gateway.emulator.token_server import EXCHANGE_PATH, TokenServer
from gateway.faults import FaultsError
from gateway.telemetry import Health, Metrics
from gateway.upstream.credentials.own_credentials import OwnCredentials, make_source
from tests.service_accounts import ACCOUNT, register, write_key
from tests.waiting import wait_for

STATIC = {"type": "static", "token": "t1.canary"}


def make(health: Health | None = None, **sections: Any) -> OwnCredentials:
    return OwnCredentials(Config.model_validate(sections), health or Health(), Metrics(Resource.create()))


def upstreams(**credentials: Any) -> dict[str, Any]:
    return {
        name: {"address": f"{name}:443"} | ({"credentials": credentials[name]} if name in credentials else {})
        for name in ("baremetal", "operation")
    }


async def test_all_upstreams_share_the_credentials_of_the_section() -> None:
    own = make(credentials=STATIC)
    assert {one.name for one in own.by_upstream.values()} == {"shared"}
    assert own.by_upstream["baremetal"] is own.by_upstream["operation"]


async def test_each_upstream_may_have_its_own() -> None:
    other = STATIC | {"token": "other"}
    own = make(credentials=STATIC, upstreams=upstreams(operation=other))
    assert {upstream: one.name for upstream, one in own.by_upstream.items()} == {
        "baremetal": "shared",
        "operation": "operation",
    }
    own = make(credentials=STATIC, upstreams=upstreams(operation={"type": "passthrough"}))
    assert set(own.by_upstream) == {"baremetal"}
    same = make(upstreams=upstreams(baremetal=STATIC, operation=STATIC))
    assert same.by_upstream["baremetal"] is same.by_upstream["operation"]
    assert make().by_upstream == {}


async def test_an_upstream_with_the_name_of_the_shared_ones_has_another_name() -> None:
    sections = upstreams() | {"shared": {"address": "a:1", "credentials": STATIC | {"token": "other"}}}
    services = {"yandex.cloud.operation.OperationService": "shared"}
    services["yandex.cloud.baremetal.v1alpha.ImageService"] = "baremetal"
    own = make(credentials=STATIC, upstreams=sections, api={"services": services})
    assert [one.name for one in own.by_upstream.values()] == ["shared", "upstreams.shared.credentials"]


def test_the_faults_of_all_sections_are_reported(tmp_path: Path) -> None:
    file = {"type": "file", "path": tmp_path / "none"}
    with pytest.raises(FaultsError) as caught:
        make(
            credentials={"type": "service_account_key", "file": tmp_path / "none"},
            upstreams=upstreams(operation=file),
        )
    assert [fault.key for fault in caught.value.faults] == [
        "credentials.file",
        "upstreams.operation.credentials.path",
    ]


async def test_each_type_has_a_source_whose_tokens_are_accepted(
    emulator: Emulator, token_server: TokenServer, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("given")
    emulator.tokens.accept("given")
    emulator.tokens.trust_workload("given", ACCOUNT)
    register(emulator)
    url = f"http://{token_server.address}{EXCHANGE_PATH}"
    sections: list[CredentialsSection] = [
        StaticCredentials.model_validate({"token": "given"}),
        FileCredentials(path=tmp_path / "token"),
        MetadataCredentials(address=token_server.address),
        WorkloadIdentityCredentials(service_account_id=ACCOUNT, token_file=tmp_path / "token", url=url),
        ServiceAccountKeyCredentials(file=write_key(tmp_path / "key"), iam=emulator.address, tls=False),
    ]
    for section in sections:
        source = make_source(section, "credentials")
        assert emulator.tokens.is_valid((await source.fetch()).value), section.type
        await source.close()
    with pytest.raises(ValueError, match="no source"):
        make_source(PassthroughCredentials(), "credentials")


async def test_a_start_waits_for_the_first_token_but_not_for_long(token_server: TokenServer) -> None:
    section = {"type": "metadata", "address": token_server.address}
    own, health = make(credentials=section), Health()
    await own.start()
    assert own.by_upstream["baremetal"].valid is not None
    await own.stop()
    token_server.delay_s = 30
    own = make(health, credentials=section)
    started = time.monotonic()
    await own.start(0.05)
    assert time.monotonic() - started < 5
    (condition,) = health.conditions
    assert (condition.name, condition.status) == ("credentials.shared", "degraded")
    assert health.is_ready
    await own.stop()


async def test_a_changed_file_is_in_use_within_ten_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.watching import INTERVAL_S, files  # noqa: PLC0415 - the default that is replaced

    assert INTERVAL_S <= 5
    monkeypatch.setattr(files.FileWatch.run, "__defaults__", (0.01,))
    path, health = tmp_path / "token", Health()
    path.write_text("one")
    own = make(health, credentials={"type": "file", "path": path})
    credential = own.by_upstream["baremetal"]
    await own.start()

    def value() -> str:
        return credential.valid.value if credential.valid else ""

    assert value() == "one"
    path.write_text("second")
    await wait_for(lambda: value() == "second")
    path.write_text("")
    await wait_for(lambda: any(one.status == "degraded" for one in health.conditions))
    assert value() == "second"
    assert [one.name for one in health.conditions] == ["credentials.shared.file", "credentials.shared"]
    path.write_text("third-one")
    await wait_for(lambda: value() == "third-one")
    await own.stop()
