"""What is logged when a snapshot is made, at the start and at a reload."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.conftest import GOOD_IMAGE, IMAGES, Start
from tests.policy.making import binding_text, policy_text

MESSAGE = "policies read facts about callers that the configured callers do not have"


def warnings(logs: pytest.LogCaptureFixture) -> list[list[str]]:
    return [
        record.__dict__["faults"]
        for record in logs.records
        if record.levelno == logging.WARNING and record.getMessage() == MESSAGE
    ]


async def test_a_bundle_that_reads_what_callers_do_not_have_is_served_with_a_warning(
    start: Start, tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    bundle = tmp_path / "p.yaml"
    good = policy_text("request.name != ''") + binding_text()
    bundle.write_text(good)
    running = await start(policies__path=bundle)
    assert warnings(logs) == []
    bundle.write_text(good + policy_text("'admins' in caller.groups", name="q") + binding_text("c", "q"))
    await running.gateway.reload()
    ((fault,),) = warnings(logs)
    assert fault.startswith("p.yaml:")
    assert "reads caller.groups: " in fault
    assert "\n" not in fault
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as answer:
        assert answer.status == 403


async def test_a_shadow_that_reads_what_callers_do_not_have_is_warned_of_at_the_start(
    start: Start, tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    shadow = tmp_path / "p.yaml"
    shadow.write_text(policy_text("caller.id != ''") + binding_text())
    await start(policies__shadow=shadow)
    assert [len(faults) for faults in warnings(logs)] == [1]
