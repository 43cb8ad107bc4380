"""Changes whose upstream fails, through a gateway with a ledger: each outcome in the ledger is true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Code
from tests.conftest import GOOD_IMAGE, Start, start_gateway
from tests.settling import (
    CREATE,
    GET_OPERATION,
    LIST,
    Audited,
    audit,
    list_calls,
    replace_clock,
    shorten_intervals,
    start_audited,
    verify,
    wait_until,
)
from tests.signed import SIGNATURE, sign_link
from tests.substitutes.breaking_proxy import BreakingProxy
from tests.waiting import GENEROUS_S, wait_for

KEY = {"Idempotency-Key": "2f6b4c1e-0000-4000-8000-000000000001"}
CREDENTIAL = {"Authorization": "Bearer caller"}


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_intervals(monkeypatch)


@pytest.fixture
async def audited(start: Start, tmp_path: Path) -> Audited:
    return await start_audited(start, tmp_path)


def is_true_of(call: dict[str, Any], audited: Audited) -> bool:
    """Return whether a call in the ledger says that it has made the only image there is."""
    image = audited.image()
    known = (call["outcome"], call["code"], call["resource_id"], call["checksum"])
    assert known == ("ok", "OK", image.id, image.checksum)
    assert (call["operation_done"], call["operation_code"]) == (True, "OK")
    return bool(call["operation_id"])


# Each kind of failure

BURST: dict[str, Any] = {"code": Code.UNAVAILABLE, "times": 4}
FAILURES: dict[str, tuple[dict[str, Any], int]] = {
    "a burst": (BURST, 503),
    "a burst after the effect": (BURST | {"after_effect": True}, 503),
    "two failures": ({"code": Code.UNAVAILABLE, "times": 2, "after_effect": True}, 200),
    "a timeout": ({"code": None, "drop": True}, 504),
    "a timeout after the effect": ({"code": None, "drop": True, "after_effect": True}, 504),
    "a slow response": ({"code": None, "delay_s": 0.2}, 200),
    "garbage": ({"code": None, "reply": b"\xff\xff"}, 500),
    "garbage after the effect": ({"code": None, "reply": b"\xff\xff", "after_effect": True}, 500),
    "an internal error after the effect": ({"code": Code.INTERNAL, "after_effect": True}, 500),
    "an unknown error": ({"code": Code.UNKNOWN}, 500),
    "a cancellation after the effect": ({"code": Code.CANCELLED, "after_effect": True}, 499),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_after_a_failure_the_image_is_made_once_and_the_ledger_knows_it(
    start: Start, tmp_path: Path, name: str
) -> None:
    effects, expected = FAILURES[name]
    audited = await start_audited(start, tmp_path, limits__deadline_s=1)
    audited.fail(**effects)
    started = time.monotonic()
    status, body = await audited.create()
    assert (status, time.monotonic() - started < 2) == (expected, True), body
    (call,) = await audited.wait_for_end()
    assert is_true_of(call, audited)
    assert len(set(audited.keys())) == 1
    if status == 200:
        assert call["operation_id"] == body["id"]
    else:
        settlements = [one for one in await audited.story(call) if one["kind"] == "settlement"]
        assert [(one["outcome"], one["by"]) for one in settlements] == [("ok", "resend")]
    assert (await verify(audited.url))["holds"]


@pytest.mark.parametrize(
    "code", [Code.INVALID_ARGUMENT, Code.PERMISSION_DENIED, Code.RESOURCE_EXHAUSTED, Code.ABORTED]
)
async def test_a_refusal_by_the_upstream_is_final(audited: Audited, code: Code) -> None:
    audited.fail(code=code)
    assert (await audited.create())[0] >= 400
    (call,) = await audited.wait_for_creates("error")
    assert (call["code"], call["operation_id"], call["resource_id"]) == (code.name, None, None)
    await asyncio.sleep(0.2)
    assert len(audited.keys()) == 1
    assert audited.emulator.images() == ()


async def test_a_reply_that_cannot_be_decoded_leaves_the_outcome_open(audited: Audited) -> None:
    audited.fail(code=None, reply=b"\xff", after_effect=True)
    audited.fail(nth=2, times=None)
    status, body = await audited.create()
    assert (status, body["details"][0]["reason"]) == (500, "REPLY_UNREADABLE")
    (call,) = await wait_until(audited.creates, lambda calls: calls[0]["code"] is not None)
    assert (call["outcome"], call["code"], call["resource_id"]) == ("pending", "INTERNAL", None)
    audited.emulator.clear_faults()
    assert is_true_of((await audited.wait_for_end())[0], audited)
    assert len(set(audited.keys())) == 1


async def test_connections_that_are_reset(start: Start, tmp_path: Path, proxy: BreakingProxy) -> None:
    audited = await start_audited(start, tmp_path, upstreams__baremetal__address=proxy.address)
    proxy.upstream = audited.emulator.address
    proxy.cut_replies()  # after the effect, again and again
    assert (await audited.create())[0] == 503
    assert [call["outcome"] for call in await audited.creates()] == ["pending"]
    await proxy.restore()
    assert is_true_of((await audited.wait_for_end())[0], audited)


async def test_connections_that_are_refused_have_no_effect(
    start: Start, tmp_path: Path, proxy: BreakingProxy
) -> None:
    audited = await start_audited(
        start, tmp_path, upstreams__baremetal__address=proxy.address, limits__deadline_s=1
    )
    await proxy.refuse()
    assert (await audited.create(headers=KEY))[0] == 503
    (call,) = await audited.wait_for_creates("error")
    assert call["code"] == "UNAVAILABLE"
    proxy.upstream = audited.emulator.address
    await proxy.restore()
    async with asyncio.timeout(GENEROUS_S):
        while (await audited.create(headers=KEY))[0] != 200:  # the key is free again
            await asyncio.sleep(0.05)
    *others, call = await audited.wait_for_end()
    assert {other["outcome"] for other in others} == {"error"}
    assert is_true_of(call, audited)


@pytest.fixture
async def proxy() -> AsyncIterator[BreakingProxy]:
    async with BreakingProxy() as started:
        yield started


async def test_an_upstream_that_hangs_leaves_no_task_behind(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:
        url = f"sqlite:///{tmp_path / 'ledger.db'}"
        running = await start_gateway(stack, ledger__enabled="true", ledger__url=url, limits__deadline_s=0.5)
        audited = Audited(running, url)
        audited.fail(code=None, drop=True, times=None)
        answers = await asyncio.gather(*(audited.create(name=f"image-{n}") for n in range(20)))
        assert {status for status, _ in answers} == {504}
        await wait_for(lambda: len(audited.keys()) > 20)
    left = {task for task in asyncio.all_tasks() - before if "/gateway/" in str(task.get_coro())}
    assert left == set()
    assert {call["outcome"] for call in await list_calls(url)} == {"pending"}


# Two creates of one name


async def test_a_create_that_did_not_act_is_not_settled_by_the_image_of_another(audited: Audited) -> None:
    audited.fail(code=None, reply=b"\xff")  # without an effect
    audited.fail(nth=2, times=20)  # so that the second create comes before the settlement
    assert (await audited.create())[0] == 500
    audited.emulator.clear_faults()
    assert (await audited.create())[0] in {200, 409}
    first, second = await audited.wait_for_end()
    made = [call for call in (first, second) if call["outcome"] == "ok"]
    assert len(made) == 1, (first, second)
    assert is_true_of(made[0], audited)


# The upstream has forgotten the key


async def test_a_forgotten_key_is_settled_by_evidence(audited: Audited) -> None:
    audited.fail(code=None, reply=b"\xff", after_effect=True)
    audited.fail(nth=2, times=None)
    assert (await audited.create())[0] == 500
    audited.emulator.forget_keys()
    audited.emulator.clear_faults()
    (call,) = await audited.wait_for_end()
    assert is_true_of(call, audited)
    assert (await audited.story(call))[-1]["kind"] in {"settlement", "operation"}
    assert audited.metric('gateway_settlements_total{by="evidence",outcome="ok"}') == "1.0"
    assert len(set(audited.keys())) == 1


@pytest.mark.parametrize("code", [Code.RESOURCE_EXHAUSTED, Code.UNAUTHENTICATED, Code.ABORTED])
async def test_a_refusal_to_look_at_a_resend_says_nothing_about_the_change(
    audited: Audited, code: Code
) -> None:
    audited.fail(code=None, reply=b"\xff", after_effect=True)
    audited.fail(code=code, nth=2, times=2)
    assert (await audited.create())[0] == 500
    (call,) = await audited.wait_for_end()
    assert is_true_of(call, audited)


async def test_a_delete_that_was_made_is_no_error_after_a_forgotten_key(audited: Audited) -> None:
    assert (await audited.create())[0] == 200
    await audited.wait_for_end()
    delete = CREATE.replace("Create", "Delete")
    audited.fail(code=None, method=delete, reply=b"\xff", after_effect=True)
    audited.fail(method=delete, nth=2, times=4)
    image = audited.image()
    url = audited.running.url(f"/baremetal/v1alpha/images/{image.id}")
    async with audited.running.client.delete(url) as response:
        assert response.status == 500
    audited.emulator.forget_keys()
    audited.emulator.clear_faults()
    assert audited.emulator.images() == ()
    await wait_for(lambda: sum(call.method == delete for call in audited.emulator.calls) > 1)
    await asyncio.sleep(0.3)
    (call,) = await list_calls(audited.url, "--method", "Delete")
    assert call["outcome"] in {"pending", "unknown"}


async def test_a_repeat_that_meets_a_limit_does_not_make_the_first_call_an_error(audited: Audited) -> None:
    audited.fail(code=None, reply=b"\xff", after_effect=True)
    headers = KEY | CREDENTIAL
    assert (await audited.create(headers=headers))[0] == 500
    await audited.wait_for_creates("unknown")
    audited.fail(code=Code.RESOURCE_EXHAUSTED)
    assert (await audited.create(headers=headers))[0] == 429
    assert (await audited.wait_for_creates("unknown", "error"))[1]["code"] == "RESOURCE_EXHAUSTED"
    status, operation = await audited.create(headers=headers)
    assert status == 200
    calls = await audited.wait_for_creates("ok", "error", "ok")
    assert calls[0]["operation_id"] == operation["id"]


# Credentials and secrets


async def test_a_call_with_credentials_is_not_sent_again_but_a_list_of_the_caller_is_evidence(
    audited: Audited,
) -> None:
    audited.fail(code=None, reply=b"\xff", after_effect=True)
    assert (await audited.create(headers=CREDENTIAL))[0] == 500
    await audited.wait_for_creates("unknown")
    assert len(audited.keys()) == 1
    await asyncio.sleep(0.2)  # the observer reads the open calls
    (image,) = await audited.images(**CREDENTIAL)
    (call,) = await audited.wait_for_creates("ok")
    assert (call["resource_id"], call["code"]) == (image["id"], "OK")
    story = await audited.story(call)
    assert [one["by"] for one in story if one["kind"] == "settlement"] == ["gateway", "evidence"]
    assert not [one for one in audited.emulator.calls if one.method == LIST][1:]
    assert "caller" not in str(story[0].get("intent"))


async def test_a_list_without_the_image_settles_nothing(audited: Audited) -> None:
    audited.fail(code=None, reply=b"\xff")
    assert (await audited.create(headers=CREDENTIAL))[0] == 500
    await audited.wait_for_creates("unknown")
    await asyncio.sleep(0.2)
    assert await audited.images(**CREDENTIAL) == []
    await asyncio.sleep(0.2)
    assert [call["outcome"] for call in await audited.creates()] == ["unknown"]


async def test_an_image_that_was_there_before_is_no_evidence(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.operations.image_evidence.CLOCK_SKEW_US", 0)
    assert (await audited.create(headers=CREDENTIAL))[0] == 200
    audited.fail(code=None, reply=b"\xff")
    assert (await audited.create(headers=CREDENTIAL))[0] == 500
    await audited.wait_for_creates("ok", "unknown")
    await asyncio.sleep(0.2)
    assert len(await audited.images(**CREDENTIAL)) == 1
    await asyncio.sleep(0.2)
    assert [call["outcome"] for call in await audited.creates()] == ["ok", "unknown"]


async def test_a_signed_link_is_not_kept_so_the_gateway_looks_for_the_image(audited: Audited) -> None:
    audited.fail(code=None, reply=b"\xff", after_effect=True)
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    status, body = await audited.create(uri=sign_link(GOOD_IMAGE["uri"], now))
    assert status == 500, body
    (call,) = await audited.wait_for_end()
    assert is_true_of(call, audited)
    assert len(audited.keys()) == 1
    story = await audited.story(call)
    assert [one["by"] for one in story if one["kind"] == "settlement"] == ["evidence"]
    assert SIGNATURE not in str(story)
    assert "request" not in story[0]["intent"]


# Operators


async def test_an_operator_settles_an_unknown_call_while_the_gateway_runs(audited: Audited) -> None:
    audited.fail(code=None, reply=b"\xff", after_effect=True)
    assert (await audited.create(headers=CREDENTIAL))[0] == 500
    (call,) = await audited.wait_for_creates("unknown")
    words = ("settle", call["call_id"], "--outcome", "ok", "--reason", "seen in the console")
    code, output, errors = await audit(*words, url=audited.url)
    assert (code, output, errors) == (0, f"{call['call_id']}: ok\n", "")
    (call,) = await audited.creates()
    assert (call["outcome"], call["code"]) == ("ok", "OK")
    last = (await audited.story(call))[-1]
    assert (last["by"], last["reason"]) == ("operator", "seen in the console")
    assert last["user"]
    assert (await audit(*words, url=audited.url))[0] == 1


async def test_an_operator_settles_an_unknown_call_while_the_gateway_is_stopped(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        url = f"sqlite:///{tmp_path / 'ledger.db'}"
        audited = Audited(await start_gateway(stack, ledger__enabled="true", ledger__url=url), url)
        audited.fail(code=None, reply=b"\xff")
        assert (await audited.create(headers=CREDENTIAL | KEY))[0] == 500
        (call,) = await audited.wait_for_creates("unknown")
    words = ("settle", call["call_id"], "--outcome", "error", "--reason", "it is not there")
    assert (await audit(*words, url=url))[0] == 0
    (call,) = await list_calls(url)
    assert call["outcome"] == "error"
    assert (await verify(url))["holds"]


# The clock


async def test_a_clock_that_steps_back_breaks_nothing(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415 - the real clock

    replace_clock(monkeypatch, lambda: datetime.now(UTC) + timedelta(hours=1))
    audited.fail(times=4, after_effect=True)
    assert (await audited.create(name="image-1", headers=KEY))[0] == 503
    monkeypatch.undo()
    shorten_intervals(monkeypatch)
    assert (await audited.create(name="image-2"))[0] == 200
    for call in await audited.wait_for_end():
        assert (call["outcome"], call["operation_code"]) == ("ok", "OK")
    assert (await audited.create(name="image-1", headers=KEY))[0] == 200
    assert len(audited.emulator.images()) == 2
    assert (await verify(audited.url))["holds"]


# Operations


async def test_an_operation_that_is_not_found_at_first_is_followed(audited: Audited) -> None:
    audited.fail(code=Code.NOT_FOUND, method=GET_OPERATION, times=3)
    assert (await audited.create())[0] == 200
    assert is_true_of((await audited.wait_for_end())[0], audited)


async def test_an_operation_of_a_late_settlement_that_is_not_found_at_first_is_followed(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.operations.following.TOLERATED_S", 0.5)
    audited.fail(times=None)
    assert (await audited.create())[0] == 503
    await asyncio.sleep(0.6)
    audited.fail(code=Code.NOT_FOUND, method=GET_OPERATION, times=2)
    audited.emulator._faults._pending.pop(0)  # noqa: SLF001 - only the first fault ends
    assert is_true_of((await audited.wait_for_end())[0], audited)
