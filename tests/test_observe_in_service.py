"""The mode observe: what would refuse or change a call is shown, and the call is forwarded as it was sent."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio
import pytest

from gateway.config import load_config
from gateway.emulator import Emulator, InjectedFault
from gateway.errors import Code
from gateway.faults import FaultsError
from gateway.ledger import sqlite_store
from gateway.limits.admission import OBSERVED_FACTOR
from gateway.process import report_start
from gateway.schema import Schema
from gateway.sinks.file import FileSink
from tests.chaos.gateways import GatewayProcess
from tests.commands import run_command
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.served_bundle import metric, write
from tests.served_ledger import events, options, rows
from tests.settling import shorten_intervals
from tests.test_ledger_outages import Blocker
from tests.waiting import GENEROUS_S, wait_for
from tests.waits import begin

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
CREATE, LIST, UPDATE = f"{SERVICE}/Create", f"{SERVICE}/List", f"{SERVICE}/Update"
HEADER = "x-policy-observed"
JSON = {"Content-Type": "application/json"}
TOKEN = "token-" + "a" * 40
TOKENS = f"tokens: [{{name: ci, sha256: {hashlib.sha256(TOKEN.encode()).hexdigest()}}}]"

BUNDLE = f"""
apiVersion: baremetal-gateway/v1
kind: Policy
metadata: {{name: denied}}
spec:
  methods: [{CREATE}]
  rules: [{{name: name, field: name, assert: 'request.name != "denied"', message: '"not this name"'}}]
---
apiVersion: baremetal-gateway/v1
kind: Policy
metadata: {{name: warned}}
spec:
  methods: [{CREATE}]
  rules: [{{name: name, assert: 'request.name != "warned"', message: '"better another name"'}}]
---
apiVersion: baremetal-gateway/v1
kind: Policy
metadata: {{name: mutated}}
spec:
  methods: [{CREATE}]
  set: [{{field: description, value: '"set"', when: 'request.name.startsWith("mutated")'}}]
---
apiVersion: baremetal-gateway/v1
kind: Binding
metadata: {{name: denied}}
spec: {{policy: denied, action: deny}}
---
apiVersion: baremetal-gateway/v1
kind: Binding
metadata: {{name: warned}}
spec: {{policy: warned, action: warn}}
---
apiVersion: baremetal-gateway/v1
kind: Binding
metadata: {{name: mutated}}
spec: {{policy: mutated, action: deny}}
"""


class Response:
    """The response to a call over one of the protocols, and what it shows."""

    def __init__(self, code: Code, headers: list[tuple[str, Any]], warnings: int = 0) -> None:
        self.code = code
        self.observed = [value for name, value in headers if name.lower() == HEADER]
        self.warnings = warnings


async def by_rest(running: Running, schema: Schema, image: Any, headers: dict[str, str]) -> Response:
    """Create an image. The status of the HTTP response is shown as the code in its body."""
    del schema
    async with running.client.post(running.url(IMAGES), json=image, headers=headers) as response:
        body = await response.json()
        warnings = len(response.headers.getall("Warning", []))
        return Response(Code(body.get("code", 0)), list(response.headers.items()), warnings)


async def by_grpc(running: Running, schema: Schema, image: Any, headers: dict[str, str]) -> Response:
    return await send_bytes(running, to_request(schema, image), headers)


async def send_bytes(running: Running, data: bytes, headers: dict[str, str] | None = None) -> Response:
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        stub: Any = channel.unary_unary(f"/{CREATE}")
        call = stub(data, metadata=list((headers or {}).items()), timeout=GENEROUS_S)
        code = Code((await call.code()).value[0])
        trailing = list(await call.trailing_metadata())
        assert HEADER not in dict(await call.initial_metadata())
        return Response(code, trailing, sum(name == "x-policy-warning" for name, _ in trailing))


def to_request(schema: Schema, image: dict[str, Any]) -> bytes:
    fields = {"folder_id" if name == "folderId" else name: value for name, value in image.items()}
    data: bytes = schema.methods[CREATE].request(**fields).SerializeToString()
    return data


Send = Callable[[Running, Schema, Any, dict[str, str]], Any]
PROTOCOLS: dict[str, Send] = {"REST": by_rest, "gRPC": by_grpc}
both = pytest.mark.parametrize("send", PROTOCOLS.values(), ids=PROTOCOLS)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(tmp_path / "bundle", BUNDLE)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def given(bundle: Path, ledger: Path, tmp_path: Path) -> dict[str, Any]:
    """The options of a gateway that observes, with a ledger, a decision log and callers with tokens."""
    (tmp_path / "tokens.yaml").write_text(TOKENS)
    log = {"decision_log__type": "file", "decision_log__path": tmp_path / "log.jsonl"}
    return options(ledger, mode="observe", policies__path=bundle) | log


@pytest.fixture
def with_tokens(given: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    return given | {"callers__type": "tokens", "callers__tokens__file": tmp_path / "tokens.yaml"}


def without_log(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if not name.startswith("decision_log")}


def created(running: Running) -> list[bytes]:
    """Return the requests of the creates that have arrived at the upstream."""
    return [one.request for one in running.emulator.calls if one.method == CREATE]


async def record_of(ledger: Path) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Return the first event of the only call in the ledger, and its row when its outcome is known."""
    sql = "SELECT decision, outcome, code FROM ledger_calls WHERE outcome <> 'pending'"
    await wait_for(lambda: rows(ledger, sql))
    (first,) = events(ledger, "decision", "call")
    (row,) = rows(ledger, sql)
    return first, row


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


LIMITS: dict[str, tuple[dict[str, Any], str]] = {
    "a rate": ({"limits__rate": "1/hour"}, "RATE_LIMITED"),
    "the rate of a caller": ({"limits__per_caller__rate": "1/hour"}, "RATE_LIMITED"),
    "a store that is away": (
        {
            "limits__rate": "9/hour",
            "limits__store": "redis://127.0.0.1:1",
            "limits__on_error": "refuse",
        },
        "LIMITS_UNAVAILABLE",
    ),
}


@both
@pytest.mark.parametrize(("limits", "reason"), LIMITS.values(), ids=LIMITS)
async def test_rates(
    start: Start, given: dict[str, Any], schema: Schema, send: Send, limits: dict[str, Any], reason: str
) -> None:
    running = await start(**given, **limits)
    await send(running, schema, GOOD_IMAGE, {})
    response = await send(running, schema, GOOD_IMAGE | {"name": "two"}, {})
    assert (response.code, response.observed) == (Code.OK, ["would-refuse"])
    assert metric(running, f'gateway_observed_total{{effect="refuse",reason="{reason}"}}')
    assert not metric(running, "gateway_limits_refused_total")


CONCURRENCY: dict[str, tuple[dict[str, Any], str]] = {
    "of a caller": ({"limits__per_caller__concurrency": 1}, "CONCURRENCY_LIMITED"),
    "of a method": ({"limits__per_method": f"{{{LIST}: {{concurrency: 1}}}}"}, "CONCURRENCY_LIMITED"),
    "of all calls": ({"limits__concurrency": 1, "limits__queue": 0}, "OVERLOADED"),
}


@pytest.mark.parametrize(("limits", "reason"), CONCURRENCY.values(), ids=CONCURRENCY)
async def test_concurrency_is_bounded_only_to_protect_the_process(
    start: Start, given: dict[str, Any], limits: dict[str, Any], reason: str
) -> None:
    running = await start(**given, **limits)
    running.emulator.inject(InjectedFault(method=LIST, delay_s=0.5, times=None))

    async def read() -> tuple[int, str]:
        async with running.client.get(running.url(f"{IMAGES}?folderId=b1g")) as response:
            return response.status, response.headers.get(HEADER, "")

    found = await asyncio.gather(*(read() for _ in range(OBSERVED_FACTOR + 1)))
    admitted = [one for one in found if one[0] == 200]
    assert sorted(one[1] for one in admitted).count("") == 1
    assert metric(running, f'gateway_observed_total{{effect="refuse",reason="{reason}"}}')
    is_global = reason == "OVERLOADED"
    assert [one[0] for one in found].count(429) == (1 if is_global else 0)
    assert metric(running, "gateway_calls_active") == "0.0"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.ledger.writer.RETRY_S", 0.05)
    monkeypatch.setattr(sqlite_store, "BUSY_S", 0.05)


@both
@pytest.mark.usefixtures("soon")
async def test_a_ledger_that_cannot_be_written(
    start: Start, given: dict[str, Any], ledger: Path, schema: Schema, send: Send
) -> None:
    running = await start(**without_log(given))
    with closing(Blocker(ledger)) as other:
        await other.lock()
        for name in ("lost-1", "lost-2"):
            response = await send(running, schema, GOOD_IMAGE | {"name": name}, {})
            assert (response.code, response.observed) == (Code.OK, ["would-refuse"])
        async with running.client.get(running.admin("/readyz?verbose")) as page:
            conditions = (await page.json())["conditions"]
        (found,) = [one for one in conditions if one["name"] == "ledger"]
        assert found["status"] == "degraded"
        assert found["reason"].startswith("changes are forwarded without records: ")
        other.free()
    assert len(created(running)) == 2
    # What waited in memory is committed when the ledger can be written again.
    await wait_for(lambda: len(rows(ledger, "SELECT 1 FROM ledger_calls WHERE outcome = 'ok'")) == 2)
    assert [one["outcome"] for one in events(ledger, "outcome")] == ["ok", "ok"]
    assert metric(running, 'gateway_observed_total{effect="refuse",reason="LEDGER_UNAVAILABLE"}') == "2.0"


@pytest.mark.usefixtures("soon")
async def test_memory_is_bounded_while_the_ledger_cannot_be_written(
    start: Start, given: dict[str, Any], ledger: Path, schema: Schema
) -> None:
    running = await start(**without_log(given), ledger__capacity=3, ledger__when_full="refuse")
    with closing(Blocker(ledger)) as other:
        await other.lock()
        for number in range(8):
            response = await by_rest(running, schema, GOOD_IMAGE | {"name": f"n-{number}"}, {})
            assert (response.code, response.observed) == (Code.OK, ["would-refuse"])
        async with running.client.get(running.url(f"{IMAGES}?folderId=b1g")) as read:
            assert (read.status, read.headers[HEADER]) == (200, "would-refuse")
        assert len(running.gateway._ledger.writer._queue) <= 4  # type: ignore[union-attr]  # noqa: SLF001
        assert float(metric(running, "gateway_ledger_lost_total")) >= 8
        other.free()
    await wait_for(lambda: rows(ledger, "SELECT 1 FROM ledger_calls WHERE outcome = 'ok'"))
    code = (
        await asyncio.to_thread(run_command, "audit", "verify", "--ledger", f"sqlite:///{ledger}")
    ).returncode
    assert code == 0


@both
async def test_a_decision_log_that_cannot_be_written(
    start: Start, given: dict[str, Any], schema: Schema, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: FileSink, _records: bytes) -> None:
        raise OSError(28, "No space left on device")

    running = await start(**given)
    monkeypatch.setattr(FileSink, "write", fail)
    response = await send(running, schema, GOOD_IMAGE, {})
    assert (response.code, response.observed) == (Code.OK, ["would-refuse"])
    assert metric(running, 'gateway_observed_total{effect="refuse",reason="DECISION_NOT_RECORDED"}') == "1.0"


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


async def test_the_gateway_s_own_methods_are_validated_as_ever(
    start: Start, with_tokens: dict[str, Any]
) -> None:
    running = await start(**with_tokens)
    async with running.client.get(running.url("/operations/x:wait?timeout=9999s")) as response:
        assert (response.status, response.headers[HEADER]) == (400, "would-refuse")


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


async def test_an_idempotency_key_is_left_to_the_cloud(
    start: Start, given: dict[str, Any], schema: Schema
) -> None:
    running = await start(**given)
    key = {"Idempotency-Key": "2f6b4c1e-0000-4000-8000-000000000001"}
    for name in ("first", "first", "other"):
        await by_rest(running, schema, GOOD_IMAGE | {"name": name}, key)
    assert len(created(running)) == 3


async def test_a_change_is_not_retried(start: Start, given: dict[str, Any], schema: Schema) -> None:
    running = await start(**given)
    running.emulator.inject(InjectedFault(method=CREATE, code=Code.UNAVAILABLE, times=1))
    assert (await by_rest(running, schema, GOOD_IMAGE, {})).code is Code.UNAVAILABLE
    assert len(created(running)) == 1
    running.emulator.inject(InjectedFault(method=LIST, code=Code.UNAVAILABLE, times=1))
    async with running.client.get(running.url(f"{IMAGES}?folderId=b1g")) as response:
        assert response.status == 200


async def test_a_change_of_unknown_outcome_is_not_sent_again(
    start: Start, given: dict[str, Any], ledger: Path, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its outcome is established with reads."""
    shorten_intervals(monkeypatch)
    running = await start(**given)
    fault = InjectedFault(method=CREATE, code=Code.UNAVAILABLE, after_effect=True, times=1)
    running.emulator.inject(fault)
    assert (await by_rest(running, schema, GOOD_IMAGE, {})).code is Code.UNAVAILABLE
    await wait_for(lambda: rows(ledger, "SELECT 1 FROM ledger_calls WHERE outcome = 'ok'"))
    assert events(ledger, "settlement")[0]["by"] == "evidence"
    assert len(created(running)) == 1


@pytest.mark.parametrize(("first", "then"), [("observe", "enforce"), ("enforce", "observe")])
async def test_a_crash_in_one_mode_and_a_start_in_the_other(tmp_path: Path, first: str, then: str) -> None:
    """Nothing is sent again that was only observed, and an observing gateway sends nothing again."""
    async with Emulator() as emulator:
        emulator.inject(InjectedFault(method=CREATE, code=None, drop=True, times=1))
        ledger = f"sqlite:///{tmp_path}/ledger.db"
        process = GatewayProcess(tmp_path, ledger, emulator.address, {"GATEWAY__MODE": first})
        try:
            await process.start()
            await process.wait_until_ready()
            posting = asyncio.create_task(post_once(process.rest))
            await wait_for(lambda: emulator.calls)
            await process.kill()
            await posting
            process._environment["GATEWAY__MODE"] = then  # noqa: SLF001 - the same replica in another mode
            await process.start()
            await process.wait_until_ready()
            # A settlement by evidence lists the images: the call was looked at.
            await wait_for(lambda: any(one.method == LIST for one in emulator.calls))
            assert sum(one.method == CREATE for one in emulator.calls) == 1
            assert "nothing is enforced" in process.log
        finally:
            await process.kill()


async def post_once(address: str) -> None:
    async with aiohttp.ClientSession() as session:
        with suppress(aiohttp.ClientError):
            async with session.post(f"{address}{IMAGES}", json=GOOD_IMAGE) as response:
                await response.read()


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
