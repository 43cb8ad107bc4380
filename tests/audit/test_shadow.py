"""The shadow bundle: its decisions are counted and logged, and enforce nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.bundles import read_bundle
from tests.conftest import Start
from tests.policy.making import binding_text, policy_text
from tests.served_bundle import create, metric, ready, write

BAD = policy_text("request.nope == ''") + binding_text()


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
