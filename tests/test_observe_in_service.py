"""The mode observe: what would refuse or change a call is shown, and the call is forwarded as it was sent."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from gateway.config import load_config
from gateway.emulator import InjectedFault
from gateway.errors import Code
from gateway.faults import FaultsError
from gateway.process import report_start
from gateway.schema import Schema
from tests.commands import run_command
from tests.conftest import GOOD_IMAGE, IMAGES, Start
from tests.observing import (
    CREATE,
    HEADER,
    JSON,
    TOKEN,
    Send,
    both,
    bundle,
    by_grpc,
    by_rest,
    created,
    given,
    ledger,
    record_of,
    send_bytes,
    to_request,
    with_tokens,
)
from tests.served_bundle import metric
from tests.served_ledger import rows
from tests.waiting import GENEROUS_S, wait_for
from tests.waits import begin

__all__ = ["bundle", "given", "ledger", "with_tokens"]  # fixtures


# image, what is observed, code of the response, decision and reason in the record
DECISIONS: dict[str, tuple[dict[str, Any], list[str], Code, str]] = {
    "an allowed request": ({"name": "allowed"}, [], Code.OK, "allow"),
    "a denied request": ({"name": "denied"}, ["would-deny"], Code.OK, "deny"),
    "a mutation": ({"name": "mutated"}, ["would-mutate"], Code.OK, "allow"),
    "a request that is not valid": ({"name": "X"}, ["would-refuse"], Code.OK, "none"),
    "a request that the cloud refuses": (
        {"name": "denied", "folderId": "nowhere"},
        ["would-deny"],
        Code.PERMISSION_DENIED,
        "deny",
    ),
}


@both
@pytest.mark.parametrize(("changes", "observed", "code", "decision"), DECISIONS.values(), ids=DECISIONS)
async def test_what_policies_would_do(
    start: Start,
    given: dict[str, Any],
    ledger: Path,
    tmp_path: Path,
    schema: Schema,
    send: Send,
    changes: dict[str, Any],
    observed: list[str],
    code: Code,
    decision: str,
) -> None:
    running = await start(**given)
    if code is not Code.OK:
        running.emulator.inject(InjectedFault(method=CREATE, code=code, message="not here"))
    image = GOOD_IMAGE | changes
    response = await send(running, schema, image, {})
    assert (response.code, response.observed) == (code, [", ".join(observed)] if observed else [])
    request = schema.methods[CREATE].request.FromString(to_request(schema, image))
    assert [schema.methods[CREATE].request.FromString(data) for data in created(running)] == [request]
    record, row = await record_of(ledger)
    assert row == (decision, "ok" if code is Code.OK else "error", code.name)
    assert (record["mode"], [one["effect"] for one in record["observed"]]) == ("observe", observed)
    assert record["outcome"] == "pending"
    assert "request" not in record["intent"]  # so nobody sends it again
    (line,) = (tmp_path / "log.jsonl").read_text().splitlines()
    assert (json.loads(line)["observed"], json.loads(line)["mode"]) == (record["observed"], "observe")
    count = 'gateway_observed_total{effect="%s"' % (observed[0].removeprefix("would-") if observed else "")
    assert metric(running, count) == ("1.0" if observed else "")


async def test_several_effects_are_one_value(
    start: Start, with_tokens: dict[str, Any], schema: Schema
) -> None:
    running = await start(**with_tokens)
    request = schema.methods[CREATE].request(name="denied")
    response = await send_bytes(running, request.SerializeToString())  # the missing uri comes first
    assert response.observed == ["would-refuse"]
    response = await by_rest(running, schema, GOOD_IMAGE | {"name": "denied"}, {})
    assert response.observed == ["would-deny, would-refuse"]


@both
async def test_warnings_are_sent_as_ever(
    start: Start, given: dict[str, Any], schema: Schema, send: Send
) -> None:
    running = await start(**given)
    response = await send(running, schema, GOOD_IMAGE | {"name": "warned"}, {})
    assert (response.warnings, response.observed) == (1, [])


async def test_a_grpc_message_is_forwarded_byte_for_byte(
    start: Start, given: dict[str, Any], schema: Schema
) -> None:
    running = await start(**given)
    fields = [to_request(schema, {name: value}) for name, value in reversed(GOOD_IMAGE.items())]
    backwards = b"".join(fields)  # not the order in which a message is serialized
    unknown = backwards + b"\xf8\x7f\x01"
    assert (await send_bytes(running, backwards)).observed == []
    assert (await send_bytes(running, unknown)).observed == ["would-refuse"]
    assert created(running) == [backwards, unknown]


@both
async def test_without_identity(
    start: Start, with_tokens: dict[str, Any], ledger: Path, schema: Schema, send: Send
) -> None:
    running = await start(**with_tokens)
    response = await send(running, schema, GOOD_IMAGE, {})
    assert (response.code, response.observed) == (Code.OK, ["would-refuse"])
    record, row = await record_of(ledger)
    assert row == ("allow", "ok", "OK")
    assert record["caller"] == {"id": "", "kind": "none", "groups": [], "address": "127.0.0.1", "claims": {}}
    (shown,) = record["observed"]
    assert (shown["effect"], shown["code"], shown["reason"]) == (
        "would-refuse",
        "UNAUTHENTICATED",
        "CREDENTIALS_MISSING",
    )


@both
async def test_with_a_wrong_token(
    start: Start, with_tokens: dict[str, Any], ledger: Path, schema: Schema, send: Send
) -> None:
    running = await start(**with_tokens)
    wrong = {"x-gateway-authorization": f"Bearer wrong-{TOKEN}"}
    response = await send(running, schema, GOOD_IMAGE, wrong)
    assert (response.code, response.observed) == (Code.OK, ["would-refuse"])
    record, _ = await record_of(ledger)
    assert record["observed"][0]["reason"] == "CREDENTIALS_INVALID"
    assert TOKEN not in json.dumps(record)
    right = {"x-gateway-authorization": f"Bearer {TOKEN}"}
    assert (await send(running, schema, GOOD_IMAGE | {"name": "two"}, right)).observed == []


async def test_an_identity_stays_the_same_for_policies_behind_a_proxy(
    start: Start, with_tokens: dict[str, Any], ledger: Path, schema: Schema
) -> None:
    running = await start(**with_tokens, callers__trusted_proxies="[127.0.0.1]")
    await by_rest(running, schema, GOOD_IMAGE, {"X-Forwarded-For": "192.0.2.7"})
    record, _ = await record_of(ledger)
    assert record["caller"]["address"] == "192.0.2.7"
    malformed = await by_rest(running, schema, GOOD_IMAGE | {"name": "two"}, {"X-Forwarded-For": "?"})
    assert (malformed.code, malformed.observed) == (Code.OK, ["would-refuse"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", IMAGES, b"{", 400),
        ("POST", IMAGES, b'{"noSuchField": 1}', 400),
        ("POST", IMAGES, b'{"labels": [1]}', 400),
        ("POST", "/nowhere", b"{}", 404),
        ("PUT", IMAGES, b"{}", 405),
        ("POST", IMAGES, b"{" + b" " * 70_000 + b"}", 413),
    ],
)
async def test_what_has_no_message_is_refused_as_ever(
    start: Start, with_tokens: dict[str, Any], method: str, path: str, body: bytes, status: int
) -> None:
    running = await start(**with_tokens)
    async with running.client.request(method, running.url(path), data=body, headers=JSON) as response:
        assert response.status == status
        assert response.headers[HEADER] == "would-refuse"  # of the missing identity
    assert not created(running)


async def test_a_message_that_cannot_be_parsed_is_refused_as_ever(
    start: Start, given: dict[str, Any]
) -> None:
    running = await start(**given)
    response = await send_bytes(running, b"\xff\xff\xff")
    assert (response.code, response.observed) == (Code.INVALID_ARGUMENT, [])


async def test_the_gateway_s_own_methods_are_validated_as_ever(start: Start, given: dict[str, Any]) -> None:
    running = await start(**given)
    async with running.client.get(running.url("/operations/x:wait?timeout=9999s")) as response:
        assert (response.status, HEADER in response.headers) == (400, False)


async def test_waits_and_events_show_what_was_observed(start: Start, with_tokens: dict[str, Any]) -> None:
    running = await start(**with_tokens)
    operation = await begin(running)
    async with running.client.get(running.url(f"{operation}:wait")) as response:
        assert (response.status, response.headers[HEADER]) == (200, "would-refuse")
    events_wanted = {"Accept": "text/event-stream"}
    async with running.client.get(running.url(operation), headers=events_wanted) as response:
        assert (response.status, response.headers[HEADER]) == (200, "would-refuse")
        assert b"data: " in await response.read()
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        stub: Any = channel.unary_stream("/baremetal_gateway.v1.Operations/Watch")
        call = stub(b"\x0a" + bytes([20]) + operation.rpartition("/")[2].encode(), timeout=GENEROUS_S)
        assert [message async for message in call]
        assert dict(await call.trailing_metadata())[HEADER] == "would-refuse"


async def test_spans_logs_and_the_readiness_page_show_the_mode(
    start: Start, given: dict[str, Any], schema: Schema, logs: pytest.LogCaptureFixture
) -> None:
    running = await start(**given, is_traced=True)
    await by_rest(running, schema, GOOD_IMAGE | {"name": "denied"}, {})
    attributes = running.spans()[f"POST {IMAGES}"].attributes
    assert attributes is not None
    assert (attributes["gateway.mode"], attributes["gateway.observed"]) == ("observe", ("would-deny",))
    (line,) = [vars(one) for one in logs.records if one.message == "responded"]
    assert line["observed"] == ["would-deny"]
    async with running.client.get(running.admin("/readyz")) as response:
        assert (await response.json())["mode"] == "observe"
    report_start(running.gateway._config, running.addresses)  # noqa: SLF001
    assert [one.levelno for one in logs.records if "nothing is enforced" in one.message] == [logging.WARNING]


async def test_records_are_replayed_and_shown(
    start: Start, given: dict[str, Any], ledger: Path, tmp_path: Path, schema: Schema, bundle: Path
) -> None:
    running = await start(**given)
    for name in ("allowed", "denied", "mutated", "X"):
        await by_rest(running, schema, GOOD_IMAGE | {"name": name}, {})
    await wait_for(lambda: len(rows(ledger, "SELECT 1 FROM ledger_calls WHERE outcome = 'ok'")) == 4)
    for source in ([str(tmp_path / "log.jsonl")], ["--ledger", f"sqlite:///{ledger}"]):
        done = await asyncio.to_thread(run_command, "policy", "replay", *source, "--bundle", bundle)
        assert "3 decisions evaluated, 0 would change" in done.stdout, done.stderr
    ids = [row[0] for row in rows(ledger, "SELECT call_id FROM ledger_calls ORDER BY seq")]
    texts = [
        (await asyncio.to_thread(run_command, "audit", "show", one, "--ledger", f"sqlite:///{ledger}")).stdout
        for one in ids
    ]
    assert "decision allow, observed, intent committed" in texts[0]
    assert "decision deny, deny denied/name, observed: would-deny, intent committed" in texts[1]
    assert "observed: would-refuse INVALID_REQUEST" in texts[3]


async def test_a_gateway_that_enforces_shows_nothing(
    start: Start, given: dict[str, Any], ledger: Path, schema: Schema
) -> None:
    running = await start(**given | {"mode": "enforce"})
    response = await by_grpc(running, schema, GOOD_IMAGE | {"name": "denied"}, {})
    assert (response.code, response.observed) == (Code.PERMISSION_DENIED, [])
    record, _ = await record_of(ledger)
    assert not {"mode", "observed"} & record.keys()


def test_own_credentials_are_not_open_to_everyone(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(
        "mode: observe\ncallers: {type: tokens, tokens: {file: tokens.yaml}}\n"
        "credentials: {type: static, token: secret}\n"
    )
    with pytest.raises(FaultsError, match=r"gateway.yaml:1:1: mode: observe also forwards") as caught:
        load_config(file, {})
    assert "secret" not in str(caught.value)
    file.write_text("mode: observe\ncredentials: {type: static, token: secret}\n")
    assert load_config(file, {}).is_observing
    file.write_text("mode: watch\n")
    with pytest.raises(FaultsError, match="mode"):
        load_config(file, {})
