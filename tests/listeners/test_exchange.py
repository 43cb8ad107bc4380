"""One request of a caller and its response, as both listeners report it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start

SECRET = "t0ken-of-a-caller"


async def test_the_callers_request_id_is_kept(running: Running, logs: pytest.LogCaptureFixture) -> None:
    headers = {"x-request-id": "mine", "authorization": f"Bearer {SECRET}"}
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE, headers=headers) as response:
        assert response.headers["x-request-id"] == "mine"
    (line,) = [vars(one) for one in logs.records if one.message == "responded"]
    assert line["call_id"] == "mine"
    assert line["trace_id"] == response.headers["x-server-trace-id"]
    assert line["duration_ms"] > 0
    assert SECRET not in str(line)


RESPONDED = {"caller_kind": "none", "caller_id": "", "caller_address": "127.0.0.1"}


@pytest.mark.parametrize(
    ("http_method", "path", "body", "expected"),
    [
        ("POST", IMAGES, GOOD_IMAGE, {"status": 200, "code": "OK", "outcome": "ok", "decision": "allow"}),
        (
            "POST", IMAGES, GOOD_IMAGE | {"labels": {}},
            {"status": 403, "code": "PERMISSION_DENIED", "outcome": "denied", "decision": "deny",
             "reason": "POLICY_VIOLATION"},
        ),
        (
            "POST", IMAGES, {},
            {"status": 400, "code": "INVALID_ARGUMENT", "outcome": "invalid", "reason": "INVALID_REQUEST"},
        ),
        (
            "GET", "/nothing", None,
            {"status": 404, "code": "NOT_FOUND", "outcome": "refused", "reason": "ROUTE_NOT_FOUND",
             "error": "no method has this path"},
        ),
        (
            "GET", f"{IMAGES}/fsv00000000000000000", None,
            {"status": 404, "code": "NOT_FOUND", "outcome": "error", "decision": "allow"},
        ),
    ],
    ids=["ok", "denied", "invalid", "refused", "error of the upstream"],
)  # fmt: skip
async def test_the_line_of_a_call_has_who_what_decision_outcome_and_duration(
    http_method: str,
    path: str,
    body: Any,
    expected: dict[str, Any],
    start: Start,
    logs: pytest.LogCaptureFixture,
) -> None:
    running = await start()
    async with running.client.request(http_method, running.url(path), json=body) as response:
        await response.read()
    (line,) = [vars(one) for one in logs.records if one.message == "responded"]
    shown = {name: line.get(name) for name in RESPONDED | expected}
    assert shown == RESPONDED | expected
    assert line["duration_ms"] > 0
    assert ("reason" in line) == (line["outcome"] != "ok")


async def test_a_failure_of_the_gateway_is_logged_with_its_cause(
    start: Start, logs: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start()

    def fail(*_: object) -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr("gateway.policy.Decider.mutate", fail)
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as response:
        body = await response.text()
    assert response.status == 500
    assert "inner workings" not in body
    (failed,) = [one for one in logs.records if one.message == "call failed"]
    assert failed.exc_info is not None
    assert "inner workings" in str(failed.exc_info[1])
    assert "gateway_calls_active 0.0" in running.metrics.expose().decode()
