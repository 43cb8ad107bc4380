"""Further services by descriptor set, over the wire: streams, raw bodies, masks, disconnects, reload."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import grpc.aio
import pytest

from gateway.faults import FaultsError
from tests.protos.compiled import POUR
from tests.wire.conftest import Upstream, Wire, Wired

EVERYTHING: dict[str, Any] = {
    "fDouble": 1.5,
    "fFloat": 0.25,
    "fInt32": -1,
    "fInt64": "-9007199254740993",
    "fUint32": 4294967295,
    "fUint64": "18446744073709551615",
    "fSint32": -2147483648,
    "fSint64": "-9223372036854775808",
    "fFixed32": 1,
    "fFixed64": "1",
    "fSfixed32": -1,
    "fSfixed64": "-1",
    "fBool": True,
    "fString": "Ünïcödé \u0000 \U0001f600",
    "fBytes": "+/8=",
    "color": "BLUE",
    "inner": {"name": "a", "pageCount": 1, "inner": {"bySea": "ship"}},
    "optInt32": 0,
    "rString": ["", "a"],
    "rInt64": ["1", "-1"],
    "rInner": [{"name": "x"}, {}],
    "rColor": ["RED", "BLUE"],
    "rValue": [None, 1.0, "a", [True], {"b": None}],
    "rBoolValue": [True, False],
    "rBytes": ["", "AA=="],
    "mString": {"": "", "k": "v"},
    "mInt64": {"-1": "minus"},
    "mBool": {"true": 1, "false": 2},
    "mInner": {"k": {"name": "in a map"}},
    "mColor": {"k": "RED"},
    "mDuration": {"7": "1.500s"},
    "mFlag": {"k": True},
    "oneText": "chosen",
    "wDouble": 0.0,
    "wFloat": "Infinity",
    "wInt64": "0",
    "wUint64": "0",
    "wInt32": 0,
    "wUint32": 0,
    "wBool": False,
    "wString": "",
    "wBytes": "",
    "ts": "2026-01-31T12:00:00.000000001Z",
    "dur": "-3.000000001s",
    "mask": "fString,inner.pageCount",
    "struct": {"a": [1.0, {"b": "c"}]},
    "value": "text",
    "list": [None, 1.0],
    "any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"},
    "rAny": [{"@type": "type.googleapis.com/test.v1.Inner", "name": "packed"}],
    "empty": {},
    "mAny": {"k": {"@type": "type.googleapis.com/google.protobuf.Int64Value", "value": "5"}},
    "loop": {"ring": {"loop": {}}},
}


async def test_every_kind_of_field_comes_back_as_it_went(wired: Wired) -> None:
    async with wired.client.post(wired.url("/v1/things"), json=EVERYTHING) as answer:
        assert answer.status == 200, await answer.text()
        assert await answer.json() == EVERYTHING


async def test_defaults_are_shown_when_asked_for(wire: Wire) -> None:
    wired = await wire(rest__print_defaults="true")
    async with wired.client.get(wired.url("/wire/things/a")) as answer:
        assert await answer.json() == {"name": "a", "color": "", "labels": {}}


async def test_the_answer_can_be_one_field(wired: Wired) -> None:
    async with wired.client.get(wired.url("/wire/things/a")) as answer:
        assert await answer.json() == {"name": "a"}
    async with wired.client.put(wired.url("/v1/number"), json="7") as answer:
        assert await answer.json() == "7"
    async with wired.client.put(wired.url("/v1/strings"), json=[]) as answer:
        assert await answer.json() == []


@pytest.mark.parametrize(
    ("body", "query", "paths"),
    [
        ({"color": "red"}, "", ["color"]),
        ({"color": None, "labels": {"a": "b"}}, "", ["color", "labels"]),
        ({"size": {"width": 1}}, "", ["size.width"]),
        ({"size": {}}, "", ["size"]),
        ({"size": {"width": 1, "height": 2}, "color": ""}, "", ["size.width", "size.height", "color"]),
        ({"color": "red"}, "?updateMask=labels", ["labels"]),
        ({}, "", []),
    ],
    ids=str,
)
async def test_a_patch_of_a_field_means_the_fields_it_names(
    wired: Wired, body: dict[str, Any], query: str, paths: list[str]
) -> None:
    async with wired.client.patch(wired.url(f"/wire/things/a{query}"), json=body) as answer:
        assert answer.status == 200, await answer.text()
    ((_, request, _),) = wired.upstream.calls
    assert list(request.update_mask.paths) == paths
    assert request.thing.name == "a"


async def test_bytes_of_any_type(wired: Wired) -> None:
    async with wired.client.get(wired.url("/wire/files/a/b.png")) as answer:
        assert (answer.content_type, await answer.read()) == ("image/png", b"\x89PNG")
        assert answer.headers["x-request-id"]
    async with wired.client.get(wired.url("/wire/files/odd")) as answer:
        assert answer.content_type == "application/octet-stream"
    headers = {"content-type": "application/x-iso9660-image"}
    async with wired.client.put(wired.url("/wire/files/a%2Fb"), data=b"\x00\xff", headers=headers) as answer:
        assert await answer.json() == {"name": "a%2Fb", "type": "application/x-iso9660-image", "size": "2"}


async def test_a_stream_is_a_line_for_each_answer(wired: Wired) -> None:
    async with wired.client.get(wired.url("/wire/events?count=3")) as answer:
        assert answer.content_type == "application/x-ndjson"
        assert answer.headers["x-server-trace-id"]
        lines = (await answer.text()).splitlines()
    assert [json.loads(line) for line in lines] == [{}, {"number": "1"}, {"number": "2"}]


async def test_a_stream_is_events_when_asked_for(wired: Wired) -> None:
    headers = {"accept": "text/html, text/event-stream;q=0.9"}
    async with wired.client.get(wired.url("/wire/events?count=2"), headers=headers) as answer:
        assert answer.content_type == "text/event-stream"
        assert await answer.text() == 'data: {}\n\ndata: {"number":"1"}\n\n'


async def test_answers_come_one_by_one(wire: Wire) -> None:
    wired = await wire(delay_s=0.2)
    async with wired.client.get(wired.url("/wire/events?count=3")) as answer:
        started = asyncio.get_running_loop().time()
        await answer.content.readline()
        assert asyncio.get_running_loop().time() - started < 0.2
        assert not wired.upstream.is_cancelled.is_set()


async def test_an_empty_stream(wired: Wired) -> None:
    async with wired.client.get(wired.url("/wire/events")) as answer:
        assert (answer.status, await answer.text()) == (200, "")


async def test_an_error_before_the_first_answer_has_its_status(wired: Wired) -> None:
    async with wired.client.get(wired.url("/wire/events?failure=lost")) as answer:
        assert answer.status == 500
        assert (await answer.json())["message"] == "lost"


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_an_error_later_is_the_last_element(wired: Wired, accept: str) -> None:
    url = wired.url("/wire/events?count=1&failure=lost")
    async with wired.client.get(url, headers={"accept": accept}) as answer:
        assert answer.status == 200
        last = (await answer.text()).strip().splitlines()[-1]
    status = json.loads(last.removeprefix("data: "))
    assert (status["code"], status["message"]) == (15, "lost")
    assert ("@type" in status) == (accept == "application/json")


async def test_a_fault_of_the_gateway_in_a_stream_ends_it(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise RuntimeError("inner workings")

    monkeypatch.setattr("gateway.listeners.http.streams._Lines.frame", fail)
    async with wired.client.get(wired.url("/wire/events?count=2")) as answer:
        text = await answer.text()
    assert (json.loads(text)["code"], "inner workings" in text) == (13, False)


async def test_a_stream_over_grpc(wired: Wired) -> None:
    schema = wired.upstream.schema
    request = schema.message("test.wire.v1.WatchRequest")
    async with grpc.aio.insecure_channel(str(wired.addresses.grpc)) as channel:
        watch: Any = channel.unary_stream(
            "/test.wire.v1.Wire/Watch",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=schema.message("test.wire.v1.Event").FromString,
        )
        assert [event.number async for event in watch(request(count=3))] == [0, 1, 2]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            _ = [event async for event in watch(request(count=1, failure="lost"))]
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.DATA_LOSS, "lost")


async def test_an_excluded_method_is_not_served(wired: Wired) -> None:
    async with wired.client.post(wired.url("/wire/events"), json={}) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")
    async with grpc.aio.insecure_channel(str(wired.addresses.grpc)) as channel:
        pour: Any = channel.stream_unary(f"/{POUR}")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await pour(iter([b""]))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_stream_of_requests_stops_the_start(wire: Wire) -> None:
    with pytest.raises(FaultsError) as caught:
        await wire(api__excluded_methods="[]")
    (fault,) = caught.value.faults
    assert str(fault).startswith(
        "wire.proto: api.services.test.wire.v1.Wire: test.wire.v1.Wire/Pour takes a stream of requests"
    )
    assert "api.excluded_methods" in fault.message


async def leave(wired: Wired, http_method: str, path: str, body: bytes = b"") -> None:
    """Send a request and go away once it has reached the upstream."""
    _, writer = await asyncio.open_connection(wired.addresses.rest.host, wired.addresses.rest.port)
    head = f"{http_method} {path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    while not wired.upstream.calls:
        await asyncio.sleep(0.01)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("path", ["/wire/files/a", "/wire/events?count=100"])
async def test_a_read_is_cancelled_when_its_caller_goes_away(wire: Wire, path: str) -> None:
    wired = await wire(delay_s=0.5)
    await leave(wired, "GET", path)
    await asyncio.wait_for(wired.upstream.is_cancelled.wait(), 5)


async def test_a_change_goes_on_when_its_caller_goes_away(wire: Wire) -> None:
    wired = await wire(delay_s=0.3)
    await leave(wired, "PATCH", "/wire/things/a", b"{}")
    async with asyncio.timeout(5):
        while not wired.upstream.ended:
            await asyncio.sleep(0.01)
    assert not wired.upstream.is_cancelled.is_set()


async def test_how_a_change_without_a_caller_ended_is_logged(
    wire: Wire, logs: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Upstream, name: str, request: Any, context: Any) -> None:
        self.record(name, request, context)
        await asyncio.sleep(0.2)
        await context.abort(grpc.StatusCode.DATA_LOSS, "lost")

    monkeypatch.setattr(Upstream, "answer", fail)
    wired = await wire()
    await leave(wired, "PATCH", "/wire/things/a", b"{}")
    await wired.gateway.stop()
    (line,) = [one for one in logs.records if one.message == "ended without its caller"]
    assert line.__dict__["outcome"] == "lost"
    gc.collect()
    assert "never retrieved" not in logs.text


async def test_a_change_without_a_caller_ends_before_the_gateway_does(wire: Wire) -> None:
    wired = await wire(delay_s=0.3)
    await leave(wired, "PATCH", "/wire/things/a", b"{}")
    await wired.gateway.stop()
    assert list(wired.upstream.ended) == ["Update"]


async def test_a_change_ends_before_the_gateway_does_whatever_was_reloaded(
    wire: Wire, sets: dict[str, bytes]
) -> None:
    wired = await wire(delay_s=0.5)
    await leave(wired, "PATCH", "/wire/things/a", b"{}")
    wired.set_path.write_bytes(sets["wire"].replace(b"/wire/things/", b"/wire/stuffs/"))
    await wired.gateway.reload()
    await wired.gateway.stop()
    assert list(wired.upstream.ended) == ["Update"]


async def test_further_metadata_passes_by_name(wire: Wire) -> None:
    wired = await wire(api__pass_metadata="[x-team, x-trace-bin]")
    sent = {"X-Team": "infra", "X-Trace-Bin": "AAE", "X-Other": "no", "X_Team": "no"}
    async with wired.client.get(wired.url("/wire/things/a"), headers=sent) as answer:
        assert answer.status == 200
    ((_, _, metadata),) = wired.upstream.calls
    assert (metadata["x-team"], metadata["x-trace-bin"]) == ("infra", b"\x00\x01")
    assert "x-other" not in metadata


async def test_changed_descriptors_are_put_in_force_whole(wired: Wired, sets: dict[str, bytes]) -> None:
    async def status(path: str) -> int:
        async with wired.client.get(wired.url(path)) as answer:
            return answer.status

    assert await status("/wire/things/a") == 200
    wired.set_path.write_bytes(sets["wire"].replace(b"/wire/things/", b"/wire/stuffs/"))
    await wired.gateway.reload()
    assert (await status("/wire/things/a"), await status("/wire/stuffs/a")) == (404, 200)
    wired.set_path.write_bytes(b"no set")
    await wired.gateway.reload()
    assert await status("/wire/stuffs/a") == 200
    wired.set_path.write_bytes(sets["wire"])
    await wired.gateway.reload()
    assert await status("/wire/things/a") == 200


async def test_a_call_under_way_keeps_its_snapshot(wire: Wire, sets: dict[str, bytes]) -> None:
    wired = await wire(delay_s=0.3)
    call = asyncio.create_task(wired.client.get(wired.url("/wire/things/a")))
    while not wired.upstream.calls:
        await asyncio.sleep(0.01)
    wired.set_path.write_bytes(sets["wire"].replace(b"/wire/things/", b"/wire/stuffs/"))
    await wired.gateway.reload()
    assert (await call).status == 200
