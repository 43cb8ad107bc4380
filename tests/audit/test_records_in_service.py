"""Records of decisions, as a gateway writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.bundles import read_bundle
from gateway.emulator import Emulator
from gateway.faults import FaultsError
from tests.conftest import IMAGES, Start, make_config, plain_telemetry
from tests.policy.making import CREATE, binding_text, policy_text
from tests.served_bundle import create, metric, write


async def test_the_record_of_a_call(start: Start, tmp_path: Path) -> None:
    waiver = (
        "---\napiVersion: baremetal-gateway/v1\nkind: Waiver\nmetadata: {name: w}\n"
        "spec: {binding: b, rules: [r0], owner: o, ticket: T-1, expires: 2999-01-01}\n"
    )
    path = write(tmp_path / "bundle", policy_text("false", "request.name != 'bad'"), binding_text(), waiver)
    records = tmp_path / "decisions.jsonl"
    running = await start(policies__path=path, decision_log__type="file", decision_log__path=records)
    secret = "https://user:pa55@storage.yandexcloud.net/b/a.iso?X-Amz-Signature=5ec4e7"
    assert (await create(running, description=secret))[0] == 200
    assert (await create(running, name="bad"))[0] == 403
    async with running.client.get(running.url(f"{IMAGES}?folderId=b1g")) as answer:
        assert answer.status == 200
    allowed, denied = (json.loads(line) for line in records.read_text().splitlines())
    assert (allowed["decision"], allowed["waivers"], allowed["violations"]) == ("allow", ["w"], [])
    assert allowed["waived"][0]["waiver"] == "w"
    assert (allowed["method"], allowed["caller"]["address"]) == (CREATE, "127.0.0.1")
    assert allowed["bundle"] == read_bundle(path).hash
    assert "pa55" not in str(allowed)
    assert "5ec4e7" not in str(allowed)
    assert (denied["decision"], denied["violations"][0]["rule"]) == ("deny", "r1")
    assert len(denied["trace_id"]) == 32
    assert metric(running, 'gateway_waivers_total{waiver="w"}') == "2.0"


async def test_a_create_without_a_record_is_not_forwarded(start: Start) -> None:
    running = await start(decision_log__type="file", decision_log__path="/dev/full")
    status, body = await create(running)
    assert (status, body["code"]) == (503, 14)
    assert "could not be recorded" in body["message"]
    assert not running.emulator.calls
    async with running.client.get(running.url(f"{IMAGES}?folderId=b1g")) as answer:
        assert answer.status == 200  # a read that nothing judges needs no record


async def test_a_log_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    async with Emulator(delay_s=0) as emulator:
        path = tmp_path / "nowhere" / "decisions.jsonl"
        config = make_config(emulator.address, decision_log__type="file", decision_log__path=path)
        with pytest.raises(FaultsError, match=r"decision_log\.path: cannot be opened: No such file"):
            Gateway(config, plain_telemetry())
