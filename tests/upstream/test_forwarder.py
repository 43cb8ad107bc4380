"""Forwarding: what reaches the upstream, and what comes back."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.call import Call, Caller
from gateway.config import Upstream
from gateway.emulator import InjectedFault
from gateway.errors import Code, GatewayError
from gateway.schema import Schema
from gateway.telemetry import Health, Metrics, Tracing
from gateway.upstream import Channels, Forwarder
from gateway.upstream.credentials.access_token import AccessToken
from gateway.upstream.forwarder import _reply_metadata, outgoing_metadata
from tests.conftest import GOOD_IMAGE, IMAGES, Start

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"


def make_call(schema: Schema, metadata: dict[str, str | bytes], key: str) -> Call:
    method = schema.methods[CREATE]
    return Call(
        id="request",
        method=method,
        caller=Caller(),
        request=method.request(),
        metadata=metadata,
        deadline=0.0,
        span=Tracing().start_server("x", {}, {}),
        idempotency_key=key,
    )


def test_the_callers_metadata_goes_on(schema: Schema) -> None:
    call = make_call(schema, {"authorization": "Bearer x", "x-client-request-id": "own"}, "key")
    sent = outgoing_metadata(call, call.span)
    assert sent["authorization"] == "Bearer x"
    assert sent["x-client-request-id"] == "own"
    assert sent["idempotency-key"] == "key"
    assert len(str(sent["x-client-trace-id"])) == 32
    assert str(sent["traceparent"]).split("-")[1] == sent["x-client-trace-id"]


def test_the_gateways_token_replaces_the_credentials_of_the_caller(schema: Schema) -> None:
    call = make_call(schema, {"authorization": "Bearer x", "x-folder": "f"}, "key")
    sent = outgoing_metadata(call, call.span, AccessToken("own", math.inf))
    assert (sent["authorization"], sent["x-folder"]) == ("Bearer own", "f")


def test_the_gateways_request_id_replaces_a_missing_one(schema: Schema) -> None:
    call = make_call(schema, {}, "")
    sent = outgoing_metadata(call, call.span)
    assert sent["x-client-request-id"] == "request"
    assert "idempotency-key" not in sent


@pytest.mark.parametrize("own", [None, "mine"])
async def test_the_recorded_key_is_the_one_that_is_sent(
    start: Start, tmp_path: Path, own: str | None
) -> None:
    path = tmp_path / "records.jsonl"
    running = await start(decision_log__type="file", decision_log__path=path)
    headers = {"idempotency-key": own} if own else {}
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE, headers=headers) as response:
        assert response.status == 200
    (call,) = running.emulator.calls
    (record,) = map(json.loads, path.read_text().splitlines())
    assert record["idempotency_key"] == dict(call.metadata)["idempotency-key"]
    assert own in {None, record["idempotency_key"]}


async def test_a_deadline_that_has_passed_reaches_no_upstream(start: Start) -> None:
    running = await start()
    headers = {"grpc-timeout": "1n"}
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE, headers=headers) as response:
        assert response.status == 504
    assert not running.emulator.calls


async def test_a_deadline_that_has_passed_before_the_call_is_sent_means_no_effect(schema: Schema) -> None:
    channels = Channels({"a": Upstream(address="127.0.0.1:1", tls=False)}, Health(), Metrics(Resource({})))
    services = dict.fromkeys((method.service for method in schema.methods.values()), "a")
    forwarder = Forwarder(schema, services, channels, Tracing(), Metrics(Resource({})))
    with pytest.raises(GatewayError, match="has passed") as caught:
        await forwarder.forward(make_call(schema, {}, "key"))
    assert (caught.value.code, caught.value.may_have_acted) == (Code.DEADLINE_EXCEEDED, False)
    await channels.close()


async def test_only_further_attempts_have_their_number_in_the_span(start: Start) -> None:
    running = await start(is_traced=True)
    running.emulator.inject(InjectedFault(method=CREATE, code=Code.UNAVAILABLE, times=2))
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as response:
        assert response.status == 200
    spans = [span for span in running.exporter.get_finished_spans() if span.name == CREATE]
    attempts = [(span.attributes or {}).get("gateway.attempt") for span in spans]
    statuses = [(span.attributes or {})["rpc.response.status_code"] for span in spans]
    assert attempts == [None, 2, 3]
    assert statuses == ["UNAVAILABLE", "UNAVAILABLE", "OK"]


async def test_an_error_of_the_upstream_is_passed_on(start: Start) -> None:
    running = await start()
    running.emulator.inject(InjectedFault(method=CREATE, code=Code.ALREADY_EXISTS, message="there is one"))
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as response:
        body = await response.json()
    assert (response.status, body["code"], body["message"]) == (409, 6, "there is one")


@pytest.mark.parametrize(
    ("metadata", "selected"),
    [
        ([("x-operation-poll-interval", "5"), ("x-other", "1")], {"x-operation-poll-interval": "5"}),
        (
            [("x-operation-poll-interval", "5"), ("x-operation-poll-interval", "6")],
            {"x-operation-poll-interval": "5"},
        ),
        ([("x-operation-poll-interval", "5" * 129), ("x-operation-poll-interval", "6")], {}),
        ([("x-operation-poll-interval", b"5"), ("x-operation-poll-interval", "6")], {}),
        ([], {}),
    ],
)
def test_the_first_value_of_response_metadata_counts(
    metadata: list[tuple[str, str | bytes]], selected: dict[str, str]
) -> None:
    assert _reply_metadata(metadata) == selected
