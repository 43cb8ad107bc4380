"""Spans as a collector receives them: what docs/tracing.md says, the tail decision, and trust in callers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc.aio
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from gateway.telemetry import Reason, TraceSettings, start_telemetry
from tests.collectors import PROTOCOLS, Received, absent, attributes_of, collecting
from tests.conftest import GOOD_IMAGE, IMAGES, ROOT, Running, start_gateway

DOCUMENT = (ROOT / "docs" / "tracing.md").read_text()
LIST = "yandex.cloud.baremetal.v1alpha.ImageService/List"
CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOT_SAMPLED = PARENT[:-1] + "0"
OFF = {"OTEL_TRACES_SAMPLER": "parentbased_always_off"}
SERVER, CLIENT, INTERNAL = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_INTERNAL

Setting = Callable[[dict[str, str]], None]
Calls = Callable[[Running], Any]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Setting:
    """Set variables of the environment."""

    def setting(variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return setting


@pytest.fixture(params=PROTOCOLS)
def collector(
    request: pytest.FixtureRequest, environment: Setting
) -> Iterator[tuple[Received, dict[str, str]]]:
    with collecting(request.param) as (received, variables):
        environment(variables)
        yield received, variables


@pytest.fixture
def http_collector(environment: Setting) -> Iterator[tuple[Received, dict[str, str]]]:
    with collecting("http/protobuf") as (received, variables):
        environment(variables)
        yield received, variables


@asynccontextmanager
async def tracing(
    variables: dict[str, str], settings: TraceSettings | None = None, **sections: Any
) -> AsyncIterator[Running]:
    """Run a gateway that exports spans. When it has stopped, all spans have been received."""
    telemetry = start_telemetry(variables, "1", settings or TraceSettings())
    async with AsyncExitStack() as stack:
        yield await start_gateway(stack, telemetry=telemetry, **sections)


async def call_rest(running: Running, http_method: str, path: str, **options: Any) -> int:
    async with running.client.request(http_method, running.url(path), **options) as response:
        await response.read()
        return response.status


async def call_grpc(
    running: Running, method: str, data: bytes = b"\x0a\x0ab1gexample", **options: Any
) -> str:
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        call: Any = channel.unary_unary(f"/{method}")
        try:
            await call(data, **options)
        except grpc.aio.AioRpcError as error:
            return error.code().name
    return "OK"


def rows(title: str) -> list[list[str]]:
    """Return the cells of the first table after a heading."""
    part = DOCUMENT.split(f"\n{title}\n", 1)[1]
    table = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in table[0].splitlines()[2:]]


def documented(column: int) -> tuple[set[str], set[str]]:
    """Return the attributes that a kind of span always has, and those that it sometimes has."""
    words = {row[0].strip(" `|"): row[column] for row in rows("### Attributes")}
    return (
        {name for name, word in words.items() if word == "always"},
        {name for name, word in words.items() if word == "sometimes"},
    )


def check(spans: list[Span], column: int) -> None:
    always, sometimes = documented(column)
    assert spans
    found = [set(attributes_of(span)) for span in spans]
    assert set.intersection(*found) >= always
    assert set.union(*found) - always - sometimes == set()


async def test_spans_are_as_documented(collector: tuple[Received, dict[str, str]]) -> None:
    received, variables = collector
    async with tracing(variables) as running:
        agent = {"User-Agent": "ci/1"}
        assert await call_rest(running, "POST", IMAGES, json=GOOD_IMAGE, headers=agent) == 200
        assert await call_rest(running, "GET", "/unknown?token=x") == 404
        assert await call_rest(running, "PROPFIND", IMAGES) == 405
        assert await call_grpc(running, LIST) == "OK"
        assert await call_grpc(running, "made.up/Method") == "UNIMPLEMENTED"
        host, _, upstream_port = running.emulator.address.rpartition(":")
    rest = [one for one in received.spans if one.kind == SERVER and "url.path" in attributes_of(one)]
    rpc = [one for one in received.spans if one.kind == SERVER and "url.path" not in attributes_of(one)]
    client = [one for one in received.spans if one.kind == CLIENT]
    assert [len(rest), len(rpc), len(client)] == [3, 2, 2]
    for column, spans in enumerate((rest, rpc, client), 1):
        check(spans, column)
    create, unknown, other = rest
    assert create.name == f"POST {IMAGES}"
    shown = attributes_of(create)
    port = running.addresses.rest.port
    assert shown == {
        "http.request.method": "POST", "http.route": IMAGES, "http.response.status_code": 200,
        "url.scheme": "http", "url.path": IMAGES, "rpc.method": CREATE, "network.protocol.version": "1.1",
        "server.address": "127.0.0.1", "server.port": port, "client.address": "127.0.0.1",
        "user_agent.original": "ci/1",
    }  # fmt: skip
    assert unknown.name == "GET"
    assert (other.name, attributes_of(other)["http.request.method_original"]) == ("HTTP", "PROPFIND")
    assert {one.status.code for one in rest} == {Status.STATUS_CODE_UNSET}
    listed, made_up = rpc
    assert listed.name == LIST
    assert attributes_of(listed)["server.port"] == running.addresses.grpc.port
    assert (made_up.name, attributes_of(made_up)["rpc.method_original"]) == ("_OTHER", "made.up/Method")
    assert made_up.status.code == Status.STATUS_CODE_ERROR
    assert attributes_of(made_up)["error.type"] == "UNIMPLEMENTED"
    assert attributes_of(client[0]) == {
        "rpc.system.name": "grpc", "rpc.method": CREATE, "rpc.response.status_code": "OK",
        "server.address": host, "server.port": int(upstream_port), "gateway.upstream": "baremetal",
    }  # fmt: skip
    assert received.schemas == {"https://opentelemetry.io/schemas/1.44.0"}


async def test_the_events_of_a_change(http_collector: tuple[Received, dict[str, str]], tmp_path: Any) -> None:
    received, variables = http_collector
    url = f"sqlite:///{tmp_path}/ledger.db"
    async with tracing(variables, ledger__enabled="true", ledger__url=url) as running:
        assert await call_rest(running, "POST", IMAGES, json=GOOD_IMAGE) == 200
    (server,) = [one for one in received.spans if one.kind == SERVER]
    assert [one.name for one in server.events] == ["decision", "intent committed"]
    assert server.events[0].time_unix_nano <= server.events[1].time_unix_nano
    names = {row[0].strip(" `|"): row[2] for row in rows("### Events")}
    for event in server.events:
        assert all(f"`{name}`" in names[event.name] for name in attributes_of(event))


async def test_each_attempt_is_a_span(http_collector: tuple[Received, dict[str, str]]) -> None:
    received, variables = http_collector
    with absent() as port:
        async with tracing(
            variables, upstreams__operation__address=f"127.0.0.1:{port}", limits__attempts="2"
        ) as running:
            assert await call_rest(running, "GET", "/operations/abc") == 503
    client = [one for one in received.spans if one.kind == CLIENT]
    assert [attributes_of(one).get("gateway.attempt") for one in client] == [None, 2]
    assert {attributes_of(one)["error.type"] for one in client} == {"UNAVAILABLE"}
    assert {one.status.code for one in client} == {Status.STATUS_CODE_ERROR}
    (server,) = [one for one in received.spans if one.kind == SERVER]
    assert attributes_of(server)["error.type"] == "503"
    assert server.status.code == Status.STATUS_CODE_ERROR


async def deny(running: Running) -> None:
    assert await call_rest(running, "POST", IMAGES, json=GOOD_IMAGE | {"labels": {}}) == 403


async def allow(running: Running) -> None:
    assert await call_rest(running, "POST", IMAGES, json=GOOD_IMAGE) == 200
    assert await call_rest(running, "GET", "/unknown") == 404
    assert await call_rest(running, "POST", IMAGES, json={}) == 400
    assert await call_grpc(running, "made.up/Method") == "UNIMPLEMENTED"


async def fail(running: Running) -> None:
    assert await call_rest(running, "GET", "/operations/abc") == 503


async def fail_by_grpc(running: Running) -> None:
    assert (
        await call_grpc(running, "yandex.cloud.operation.OperationService/Get", b"\x0a\x03abc")
        == "UNAVAILABLE"
    )


@pytest.mark.parametrize(
    ("make_calls", "slow_s", "kept"),
    [
        (allow, 60, []),
        (deny, 60, ["denied"]),
        (fail, 60, ["failed", "failed"]),
        (fail_by_grpc, 60, ["failed", "failed"]),
        (allow, 1e-9, ["slow"] * 5),
        (deny, 1e-9, ["denied"]),
    ],
    ids=["allowed", "denied", "failed", "failed by gRPC", "slow", "denied and slow"],
)
async def test_calls_that_are_not_sampled_are_kept_for_a_reason(
    make_calls: Calls,
    slow_s: float,
    kept: list[str],
    http_collector: tuple[Received, dict[str, str]],
    environment: Setting,
) -> None:
    received, variables = http_collector
    environment(OFF)
    with absent() as port:
        address = f"127.0.0.1:{port}"
        async with tracing(
            variables, TraceSettings(slow_s=slow_s),
            upstreams__operation__address=address, limits__attempts="1",
        ) as running:  # fmt: skip
            await make_calls(running)
    assert [attributes_of(one)["gateway.kept"] for one in received.spans] == kept
    if kept == ["failed", "failed"]:
        client, server = received.spans
        assert (client.kind, server.kind) == (CLIENT, SERVER)
        assert client.parent_span_id == server.span_id


async def test_a_reason_that_is_not_listed_keeps_nothing(
    http_collector: tuple[Received, dict[str, str]], environment: Setting
) -> None:
    received, variables = http_collector
    environment(OFF)
    async with tracing(variables, TraceSettings(keep=(Reason.FAILED,))) as running:
        await deny(running)
    assert received.spans == []


async def test_a_kept_call_follows_a_parent_that_is_not_sampled_and_says_so_upstream(
    http_collector: tuple[Received, dict[str, str]],
) -> None:
    received, variables = http_collector
    async with tracing(variables, TraceSettings(slow_s=1e-9)) as running:
        headers = {"traceparent": NOT_SAMPLED}
        assert await call_rest(running, "POST", IMAGES, json=GOOD_IMAGE, headers=headers) == 200
        sent = dict(running.emulator.calls[0].metadata)["traceparent"]
    client, server = received.spans
    assert server.trace_id.hex() == NOT_SAMPLED.split("-")[1]
    assert server.parent_span_id.hex() == NOT_SAMPLED.split("-")[2]
    assert sent == f"00-{client.trace_id.hex()}-{client.span_id.hex()}-00"


@pytest.mark.parametrize("exporter", ["otlp", "none"])
async def test_the_context_of_a_caller_that_is_not_trusted_becomes_a_link(
    exporter: str, http_collector: tuple[Received, dict[str, str]]
) -> None:
    received, variables = http_collector
    settings = TraceSettings(trusts_remote=False)
    headers = {"traceparent": PARENT, "tracestate": "vendor=1"}
    async with tracing(variables | {"OTEL_TRACES_EXPORTER": exporter}, settings) as running:
        assert await call_rest(running, "POST", IMAGES, json=GOOD_IMAGE, headers=headers) == 200
        sent = dict(running.emulator.calls[0].metadata)
    assert PARENT.split("-")[1] not in str(sent)
    assert "tracestate" not in sent
    if exporter == "otlp":
        (server,) = [one for one in received.spans if one.kind == SERVER]
        assert server.parent_span_id == b""
        (link,) = server.links
        assert (link.trace_id.hex(), link.span_id.hex()) == tuple(PARENT.split("-")[1:3])
        assert link.trace_state == "vendor=1"


@pytest.mark.parametrize(
    ("sections", "passed"), [({}, None), ({"api__pass_metadata": "[baggage]"}, "userId=alice")]
)
async def test_baggage_is_passed_on_only_if_it_is_listed(
    sections: dict[str, str], passed: str | None
) -> None:
    async with tracing({}, None, **sections) as running:
        headers = {"baggage": "userId=alice"}
        assert await call_rest(running, "POST", IMAGES, json=GOOD_IMAGE, headers=headers) == 200
        assert await call_grpc(running, LIST, metadata=tuple(headers.items())) == "OK"
        sent = [dict(one.metadata).get("baggage") for one in running.emulator.calls]
    assert sent == [passed] * 2


TOKEN, KEY, SIGNATURE = "t1.canaryCanaryCanary", "AQVNcanaryCanaryCanaryCanary", "canary0signature"


async def test_no_secret_is_in_a_span_or_a_log_record(
    collector: tuple[Received, dict[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    received, variables = collector
    link = f"https://storage.yandexcloud.net/a/b.iso?X-Amz-Signature={SIGNATURE}"
    headers = {
        "Authorization": f"Bearer {TOKEN}", "User-Agent": f"ci token={TOKEN}", "Referer": link,
        "x-request-id": TOKEN, "baggage": f"key={KEY}", "tracestate": "vendor=1",
    }  # fmt: skip
    with caplog.at_level("INFO"):
        async with tracing(variables, TraceSettings(slow_s=1e-9), api__pass_metadata="[baggage]") as running:
            await call_rest(running, "POST", IMAGES, json=GOOD_IMAGE | {"uri": link}, headers=headers)
            await call_rest(running, "GET", f"/operations/{KEY}?token={TOKEN}", headers=headers)
            await call_rest(running, "GET", f"/nothing/{TOKEN}?signature={SIGNATURE}", headers=headers)
            await call_rest(running, "GET", f"/x/password%3D{SIGNATURE}", headers=headers)
            metadata = (("authorization", f"Bearer {TOKEN}"), ("x-api-key", KEY))
            await call_grpc(running, LIST, metadata=metadata)
            await call_grpc(running, f"made.up/{TOKEN}", metadata=metadata)
    assert len([one for one in received.spans if one.kind == SERVER]) == 6
    assert len([one for one in received.log_records if one.body.string_value == "responded"]) == 6
    for item in (*received.spans, *received.log_records):
        for secret in ("canaryCanary", SIGNATURE):
            assert secret not in str(item)
