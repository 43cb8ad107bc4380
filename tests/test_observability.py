"""Traces, metrics and logs of a call over REST."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"


async def call(running: Running, http_method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
    async with running.client.request(http_method, running.url(path), **options) as answer:
        return answer.status, await answer.json(), answer.headers


async def test_secrets_are_nowhere(running: Running, logs: pytest.LogCaptureFixture) -> None:
    link = (
        "https://storage.yandexcloud.net/other/a.iso?X-Amz-Signature=deadbeefdeadbeef&X-Amz-Credential=AKIA"
    )
    headers = {"Authorization": "Bearer t1.very-secret-token"}
    _, body, responded = await call(running, "POST", IMAGES, json=GOOD_IMAGE | {"uri": link}, headers=headers)
    metrics = running.metrics.expose().decode()
    for text in (
        json.dumps(body),
        str(responded),
        logs.text,
        str([one.__dict__ for one in logs.records]),
        metrics,
    ):
        assert "deadbeef" not in text
        assert "very-secret" not in text


async def test_spans_are_one_trace(start: Start) -> None:
    running = await start(is_traced=True)
    await call(running, "POST", IMAGES, json=GOOD_IMAGE | {"name": "noversion"})
    spans = running.spans()
    server, client = spans[f"POST {IMAGES}"], spans[CREATE]
    assert server.context is not None
    assert client.parent is not None
    assert client.parent.span_id == server.context.span_id
    assert client.context is not None
    sent = str(dict(running.emulator.calls[0].metadata)["traceparent"]).split("-")
    assert int(sent[1], 16) == server.context.trace_id
    assert int(sent[2], 16) == client.context.span_id
    (event,) = server.events
    assert event.name == "decision"
    assert event.attributes is not None
    assert event.attributes["decision.outcome"] == "allow"
    assert event.attributes["decision.violations"] == ("warn: naming/product-and-version",)
    assert server.attributes is not None
    assert server.attributes["http.route"] == IMAGES
    assert server.attributes["http.response.status_code"] == 200


async def test_a_call_is_counted_and_logged(
    start: Start, logs: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    running = await start(decision_log__type="file", decision_log__path=tmp_path / "decisions.jsonl")
    await call(running, "POST", IMAGES, json=GOOD_IMAGE | {"labels": {}}, headers={"x-request-id": "one"})
    responded = next(one for one in logs.records if one.message == "responded")
    assert (responded.__dict__["call_id"], responded.__dict__["status"]) == ("one", 403)
    decided = json.loads((tmp_path / "decisions.jsonl").read_text())
    assert (decided["kind"], decided["decision"], decided["call_id"]) == ("decision", "deny", "one")
    assert decided["trace_id"] == responded.__dict__["trace_id"]
    text = running.metrics.expose().decode()
    labels = 'action="deny",decision="deny",policy="required-labels",rule="required-labels/env"'
    assert f"gateway_violations_total{{{labels}}} 1.0" in text
    assert f'http_route="{IMAGES}"' in text
