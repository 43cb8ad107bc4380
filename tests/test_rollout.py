"""Rolling a bundle out: shadowed, signed, reloaded, and what a start does beside a bad one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from gateway.app import Gateway
from gateway.bundles import LastGood, read_bundle, sign_bundle, signature_path
from gateway.emulator import Emulator
from gateway.errors import MAX_VIOLATIONS
from gateway.faults import FaultsError
from gateway.schema import Schema
from tests.bundles.test_signature import write_keys
from tests.conftest import GOOD_IMAGE, IMAGES, ROOT, Running, Start, make_config, plain_telemetry
from tests.policy.making import CREATE, binding_text, policy_text

BAD = policy_text("request.nope == ''") + binding_text()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))


def write(path: Path, *documents: str) -> Path:
    path.mkdir(exist_ok=True)
    (path / "bundle.yaml").write_text("".join(documents))
    return path


def alter(file: Path) -> None:
    file.write_text(f"{file.read_text()}# altered\n")


async def create(running: Running, **changes: Any) -> tuple[int, Any]:
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE | changes) as answer:
        return answer.status, await answer.json()


async def ready(running: Running) -> dict[str, Any]:
    async with running.client.get(running.admin("/readyz")) as answer:
        return dict(await answer.json())


def metric(running: Running, name: str) -> str:
    lines = running.metrics.expose().decode().splitlines()
    return next((line.rpartition(" ")[2] for line in lines if line.startswith(name)), "")


# --- shadow


async def test_a_shadow_tells_what_it_would_decide_and_decides_nothing(
    start: Start, tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    stricter = write(tmp_path / "next", policy_text("request.name != 'ubuntu-24-04'"), binding_text())
    running = await start(policies__shadow=stricter)
    assert (await create(running))[0] == 200
    assert (await create(running, name="debian-13"))[0] == 200
    assert (await create(running, labels={}))[0] == 403
    facts = await ready(running)
    assert facts["shadow"] == read_bundle(stricter).hash
    told = [one.__dict__ for one in logs.records if one.message == "shadow differs"]
    assert [(one["outcome"], one["shadow"]) for one in told] == [
        ("would deny", ["deny: p/r0"]),
        ("would deny", ["deny: p/r0"]) if told[1]["outcome"] == "would deny" else ("other", ["deny: p/r0"]),
    ]
    assert told[0]["in_force"] == []
    assert metric(running, 'gateway_shadow_decisions_total{outcome="would deny"}') == "1.0"
    assert metric(running, 'gateway_shadow_decisions_total{outcome="same"}') == "1.0"


async def test_a_shadow_would_allow(start: Start, tmp_path: Path) -> None:
    looser = write(tmp_path / "next", policy_text("true"), binding_text())
    running = await start(policies__shadow=looser)
    assert (await create(running, labels={}))[0] == 403
    assert metric(running, 'gateway_shadow_decisions_total{outcome="would allow"}') == "1.0"


async def test_a_shadow_sees_the_request_as_it_came(start: Start, tmp_path: Path) -> None:
    """What the bundle in force fills in is not there for the other one, which fills in for itself."""
    setting = {"field": 'labels["managed-by"]', "value": "'gateway'"}
    both = [policy_text("true", set=[setting]), binding_text()]
    running = await start(
        policies__path=write(tmp_path / "now", *both),
        policies__shadow=write(
            tmp_path / "next", policy_text("!('managed-by' in request.labels)"), binding_text()
        ),
    )
    assert (await create(running))[0] == 200
    assert metric(running, 'gateway_shadow_decisions_total{outcome="other"}') == "1.0"


@pytest.mark.parametrize("text", [BAD, None])
async def test_a_bad_shadow_stops_nothing(
    start: Start, tmp_path: Path, logs: pytest.LogCaptureFixture, text: str | None
) -> None:
    path = write(tmp_path / "next", text) if text else tmp_path / "nowhere"
    running = await start(policies__shadow=path)
    assert (await create(running))[0] == 200
    facts = await ready(running)
    assert "shadow" not in facts
    assert len(facts["shadow_faults"]) == 1
    assert "shadow bundle refused" in logs.text
    write(tmp_path / ("next" if text else "nowhere"), policy_text("true"), binding_text())
    await running.gateway.reload()
    facts = await ready(running)
    assert "shadow" in facts
    assert "shadow_faults" not in facts


async def test_a_shadow_that_fails_is_counted(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start(policies__shadow=write(tmp_path / "next", policy_text("true"), binding_text()))

    def fail(*_: object) -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr("gateway.audit.shadow.compare_outcomes", fail)
    assert (await create(running))[0] == 200
    assert metric(running, 'gateway_shadow_decisions_total{outcome="failed"}') == "1.0"


# --- a start beside a bad bundle


async def test_a_bad_bundle_stops_the_start(start: Start, tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="undefined field 'nope'"):
        await start(policies__path=write(tmp_path / "bad", BAD))


async def test_a_start_beside_a_bad_bundle_may_use_the_last_good_one(
    start: Start, bundle: Path, tmp_path: Path
) -> None:
    options = {
        "policies__path": bundle,
        "policies__on_error": "last_good",
        "policies__last_good": tmp_path / "kept.json",
    }
    first = await start(**options)
    good = (await ready(first))["bundle"]
    await first.gateway.stop()
    (bundle / "naming.yaml").write_text(BAD)
    second = await start(**options)
    facts = await ready(second)
    assert facts["bundle"] == good
    assert "undefined field 'nope'" in str(facts["reload_faults"])
    assert (await create(second))[0] == 200
    assert (await create(second, labels={}))[0] == 403
    assert metric(second, "gateway_bundle_stale") == "1.0"
    shutil.copy(ROOT / "policies" / "naming.yaml", bundle / "naming.yaml")
    await second.gateway.reload()
    assert "reload_faults" not in await ready(second)
    assert metric(second, "gateway_bundle_stale") == "0.0"


async def test_a_vanished_bundle_is_a_bad_one(start: Start, bundle: Path, tmp_path: Path) -> None:
    LastGood(tmp_path / "kept.json").save(read_bundle(bundle))
    running = await start(
        policies__path=tmp_path / "nowhere",
        policies__on_error="last_good",
        policies__last_good=tmp_path / "kept.json",
    )
    assert "there is no bundle of policies here" in str((await ready(running))["reload_faults"])
    assert (await create(running))[0] == 200


async def test_with_no_last_good_bundle_both_faults_are_told(tmp_path: Path) -> None:
    config = make_config(
        "127.0.0.1:1",
        policies__path=write(tmp_path / "bad", BAD),
        policies__on_error="last_good",
        policies__last_good=tmp_path / "kept.json",
    )
    with pytest.raises(FaultsError) as caught:
        Gateway(config, plain_telemetry())
    assert [fault.message[:16] for fault in caught.value.faults] == ["undefined field ", "no last good bun"]


async def test_a_reload_is_kept(start: Start, bundle: Path, tmp_path: Path) -> None:
    kept = LastGood(tmp_path / "kept.json")
    running = await start(
        policies__path=bundle, policies__on_error="last_good", policies__last_good=tmp_path / "kept.json"
    )
    assert kept.load().hash == read_bundle(bundle).hash
    alter(bundle / "naming.yaml")
    await running.gateway.reload()
    assert kept.load().hash == read_bundle(bundle).hash
    (bundle / "zz.yaml").write_text(BAD)
    await running.gateway.reload()
    assert kept.load().hash == (await ready(running))["bundle"]


async def test_that_nothing_can_be_kept_stops_nothing(
    start: Start, bundle: Path, tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    running = await start(
        policies__path=bundle,
        policies__on_error="last_good",
        policies__last_good=tmp_path / "nowhere" / "kept.json",
    )
    assert (await create(running))[0] == 200
    assert (await ready(running))["last_good_fault"] == "No such file or directory"
    assert "last good bundle not kept" in logs.text


async def test_without_the_option_nothing_is_written(start: Start, bundle: Path, tmp_path: Path) -> None:
    await start(policies__path=bundle, policies__last_good=tmp_path / "kept.json")
    assert not (tmp_path / "kept.json").exists()


# --- signatures


async def test_only_a_signed_bundle_is_put_in_force(start: Start, bundle: Path, tmp_path: Path) -> None:
    private, public = write_keys(tmp_path)
    options = {"policies__path": bundle, "policies__public_key": public}
    with pytest.raises(FaultsError, match="is not signed"):
        await start(**options)
    signature_path(bundle).write_text(sign_bundle(read_bundle(bundle), private))
    running = await start(**options)
    before = (await ready(running))["bundle"]

    alter(bundle / "naming.yaml")
    await running.gateway.reload()
    facts = await ready(running)
    assert facts["bundle"] == before
    assert "altered, or signed with another key" in str(facts["reload_faults"])

    signature_path(bundle).write_text(sign_bundle(read_bundle(bundle), private))
    await running.gateway.reload()
    facts = await ready(running)
    assert facts["bundle"] == read_bundle(bundle).hash != before
    assert "reload_faults" not in facts


async def test_the_last_good_bundle_has_to_be_signed_too(bundle: Path, tmp_path: Path) -> None:
    _, public = write_keys(tmp_path)
    LastGood(tmp_path / "kept.json").save(read_bundle(bundle))
    config = make_config(
        "127.0.0.1:1",
        policies__path=tmp_path / "nowhere",
        policies__public_key=public,
        policies__on_error="last_good",
        policies__last_good=tmp_path / "kept.json",
    )
    with pytest.raises(FaultsError, match="is not signed"):
        Gateway(config, plain_telemetry())


# --- mutations, waivers, records

FILLING = policy_text(
    "request.labels['managed-by'] == 'gateway'",
    set=[
        {"field": 'labels["managed-by"]', "value": "'gateway'", "when": "!('managed-by' in request.labels)"},
        {"field": "description", "value": "request.name + ' by ' + caller.kind"},
    ],
)


async def test_what_is_judged_is_byte_for_byte_what_is_forwarded(
    start: Start, tmp_path: Path, schema: Schema
) -> None:
    running = await start(policies__path=write(tmp_path / "filling", FILLING, binding_text()))
    assert (await create(running))[0] == 200
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        read: Any = schema.known[CREATE].request.FromString
        request = schema.known[CREATE].request(
            folder_id="b1gexample",
            name="ubuntu-24-04",
            uri=GOOD_IMAGE["uri"],
            labels=GOOD_IMAGE["labels"],
        )
        callable_: Any = channel.unary_unary(f"/{CREATE}")
        with pytest.raises(grpc.aio.AioRpcError, match="already exists"):  # forwarded all the same
            await callable_(request.SerializeToString(), timeout=10)
    rest, rpc = (read(call.request) for call in running.emulator.calls)
    assert rest == rpc
    assert dict(rest.labels) == GOOD_IMAGE["labels"] | {"managed-by": "gateway"}
    assert rest.description == "ubuntu-24-04 by none"
    sent = [call.request for call in running.emulator.calls]
    assert sent[0] == sent[1] == rest.SerializeToString(deterministic=True)
    assert metric(running, 'gateway_mutations_total{policy="p"}') == "4.0"


async def test_a_policy_that_sets_what_the_api_refuses_is_named(start: Start, tmp_path: Path) -> None:
    setting = {"field": 'labels["managed-by"]', "value": "'No Such Value'"}
    path = write(tmp_path / "wrong", policy_text("true", set=[setting]), binding_text())
    running = await start(policies__path=path)
    status, body = await create(running)
    assert (status, body["code"]) == (400, 3)
    assert "(the policy p set it)" in body["message"]
    assert not running.emulator.calls


async def test_a_policy_may_fill_in_what_the_api_requires(start: Start, tmp_path: Path) -> None:
    setting = {"field": "uri", "value": f"'{GOOD_IMAGE['uri']}'", "when": "request.uri == ''"}
    path = write(tmp_path / "filling", policy_text("request.uri != ''", set=[setting]), binding_text())
    running = await start(policies__path=path)
    async with running.client.post(running.url(IMAGES), json={"name": "a1"}) as answer:
        assert answer.status == 200


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


async def test_configured_hosts_are_object_storage(start: Start) -> None:
    uri = "https://storage.yandexcloud.kz/golden-images/a.iso"
    running = await start()
    assert (await create(running, uri=uri))[0] == 403
    other = await start(source__hosts="[storage.yandexcloud.kz]")
    assert (await create(other, uri=uri))[0] == 200
    assert (await create(other))[0] == 403


async def test_long_texts_of_rules_reach_a_grpc_client(start: Start, tmp_path: Path, schema: Schema) -> None:
    rules = [{"assert": "false", "message": "request.description", "field": "description"}] * 5
    running = await start(policies__path=write(tmp_path / "b", policy_text(*rules), binding_text()))
    request = schema.known[CREATE].request(uri="x", description="я" * 1024)
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        callable_: Any = channel.unary_unary(f"/{CREATE}")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await callable_(request.SerializeToString(), timeout=10)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "я… (4 violations left out" in str(caught.value.details())


async def test_rules_know_the_caller_of_either_protocol(start: Start, tmp_path: Path, schema: Schema) -> None:
    rule = "caller.address.inCidr('127.0.0.0/8') && caller.kind == 'none' && caller.id == ''"
    running = await start(policies__path=write(tmp_path / "b", policy_text(rule), binding_text()))
    assert (await create(running))[0] == 200
    request = schema.known[CREATE].request(name="debian-13", uri=GOOD_IMAGE["uri"])
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        callable_: Any = channel.unary_unary(f"/{CREATE}")
        assert await callable_(request.SerializeToString(), timeout=10)


async def test_warnings_are_bounded_and_go_with_the_upstreams_errors(
    start: Start, tmp_path: Path, schema: Schema
) -> None:
    rules = [{"assert": "false", "message": f"'w{number}'"} for number in range(40)]
    path = write(tmp_path / "b", policy_text(*rules), binding_text(action="warn"))
    running = await start(policies__path=path)
    for status in (200, 409):  # the second one is of a name that is taken
        async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as answer:
            warnings = answer.headers.getall("Warning")
            assert answer.status == status
        assert warnings[0] == '299 - "p/r0: w0"'
        assert warnings[10:] == ['299 - "and 30 more, see the decision log"']
    request = schema.known[CREATE].request(name="debian-13", uri=GOOD_IMAGE["uri"])
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        callable_: Any = channel.unary_unary(f"/{CREATE}")
        call = callable_(request.SerializeToString(), timeout=10)
        await call
        trailing = [value for key, value in await call.trailing_metadata() if key == "x-policy-warning"]
    assert trailing[0] == "p/r0: w0"
    assert trailing[-1] == "and 37 more, see the decision log"


@pytest.mark.parametrize("count", [20, 24, 300])
async def test_a_grpc_denial_names_as_many_rules_as_fit(
    start: Start, tmp_path: Path, schema: Schema, count: int
) -> None:
    rules = [{"assert": "false", "message": f"'{'m' * 150} {number}'"} for number in range(count)]
    running = await start(policies__path=write(tmp_path / "b", policy_text(*rules), binding_text()))
    request = schema.known[CREATE].request(uri="x")
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        callable_: Any = channel.unary_unary(f"/{CREATE}")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await callable_(request.SerializeToString(), timeout=10)
    trailing = dict(caught.value.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    info, told = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(told)
    assert len(told.field_violations) >= 18
    left_out = int(info.metadata.get("violations_left_out", "0"))
    named = min(count, MAX_VIOLATIONS) + (count > MAX_VIOLATIONS)  # the last one says that there are more
    assert len(told.field_violations) + left_out == named
