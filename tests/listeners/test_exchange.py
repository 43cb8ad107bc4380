"""One request of a caller and its response, as both listeners report it."""

from __future__ import annotations

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
