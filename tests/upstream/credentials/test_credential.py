"""A credential: when its token is refreshed, and what happens while that fails."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress

import pytest

from gateway.errors import Code, GatewayError
from gateway.faults import FaultsError
from gateway.upstream.credentials.access_token import AccessToken
from tests.upstream.credentials.making import NOW, Tried, soon
from tests.waiting import wait_for


async def refused(tried: Tried) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await tried.credential.get(soon())
    return caught.value


async def test_a_hundred_calls_share_one_attempt() -> None:
    tried = Tried()
    tried.source.go.clear()
    calls = [asyncio.create_task(tried.credential.get(soon())) for _ in range(100)]
    await wait_for(lambda: tried.source.fetches == 1)
    tried.source.go.set()
    tokens = await asyncio.gather(*calls)
    assert {token.value for token in tokens} == {"token-1"}
    assert tried.source.fetches == 1
    assert tried.condition == ("ok", "")
    assert tried.metric('gateway_credentials_refreshes_total{credentials="one",outcome="ok"}') == "1.0"
    assert tried.metric('gateway_credentials_remaining_seconds{credentials="one"}') == "100.0"


async def test_a_valid_token_needs_no_attempt() -> None:
    tried = Tried()
    await tried.credential.refresh()
    assert (await tried.credential.get(soon())) is tried.credential.valid
    assert tried.source.fetches == 1


async def test_a_failed_refresh_keeps_the_token_while_it_lives() -> None:
    tried = Tried()
    await tried.credential.refresh()
    tried.fail()
    tried.source.now += 90
    await tried.credential.refresh()
    assert (await tried.credential.get(soon())).value == "token-1"
    status, reason = tried.condition
    assert status == "degraded"
    assert "iam:443: UNAVAILABLE: away" in reason
    assert "valid until 2027-01-15T08:01:40+00:00" in reason
    tried.source.now += 10
    error = await refused(tried)
    assert (error.code, error.reason) == (Code.UNAVAILABLE, "CREDENTIALS_UNAVAILABLE")
    status, reason = tried.condition
    assert (status, "no valid token: iam:443" in reason) == ("degraded", True)
    assert tried.metric('gateway_credentials_remaining_seconds{credentials="one"}') == "0.0"
    assert tried.metric('gateway_credentials_refreshes_total{credentials="one",outcome="failed"}') != ""


async def test_while_attempts_fail_calls_make_none_of_their_own() -> None:
    tried = Tried(first_wait_s=4.0)
    tried.fail()
    await tried.credential.refresh()
    for _ in range(5):
        await refused(tried)
    assert tried.source.fetches == 1
    tried.source.now += 4  # the next attempt is due
    tried.source.error = None
    assert (await tried.credential.get(soon())).value == "token-2"
    assert tried.condition == ("ok", "")


async def test_a_call_waits_no_longer_than_its_deadline() -> None:
    tried = Tried()
    tried.source.go.clear()
    with pytest.raises(GatewayError, match="no valid token"):
        await tried.credential.get(soon(0.01))
    tried.source.go.set()


async def test_the_wait_between_attempts_grows_to_a_limit() -> None:
    tried = Tried(first_wait_s=1.0, longest_wait_s=5.0)
    tried.fail()
    waits = []
    for _ in range(5):
        await tried.credential.refresh()
        waits.append(tried.credential._due_at - NOW)  # noqa: SLF001 - the plan of the task
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0]


@pytest.mark.parametrize(("life_s", "expected"), [(1000.0, 900.0), (0.5, 1.0), (math.inf, math.inf)])
async def test_a_token_is_refreshed_ahead_of_its_expiry(life_s: float, expected: float) -> None:
    tried = Tried()
    tried.source.life_s = life_s
    await tried.credential.refresh()
    assert tried.credential._due_at - NOW == expected  # noqa: SLF001 - the plan of the task


async def test_the_task_refreshes_again_and_again() -> None:
    tried = Tried(shortest_s=0.01, earliest=0.0001, latest=0.0001)
    loop = asyncio.get_running_loop()
    started = loop.time()

    async def advance() -> None:
        while True:
            tried.source.now = NOW + loop.time() - started
            await asyncio.sleep(0.002)

    tasks = [asyncio.create_task(tried.credential.run()), asyncio.create_task(advance())]
    await wait_for(lambda: tried.source.fetches >= 3)
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await tried.credential.close()
    assert tried.source.is_closed


async def test_the_task_tries_again_after_a_failure_and_after_a_set_clock() -> None:
    tried = Tried(look_s=0.01)
    tried.fail()
    task = asyncio.create_task(tried.credential.run())
    await wait_for(lambda: tried.condition[1].startswith("no valid token: iam"))
    tried.source.error = None
    tried.source.now += 2
    await wait_for(lambda: tried.condition == ("ok", ""))
    tried.source.now += 500  # the token has expired long before its refresh was due
    await wait_for(lambda: tried.source.fetches == 3)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await tried.credential.close()


async def test_a_changed_file_gives_a_new_token_even_during_an_attempt() -> None:
    tried = Tried()
    task = asyncio.create_task(tried.credential.run())
    await wait_for(lambda: tried.credential.valid is not None)
    tried.source.go.clear()
    tried.credential.load()
    await wait_for(lambda: tried.source.fetches == 2)
    tried.credential.load()  # the attempt under way has read the former file
    tried.source.go.set()
    await wait_for(lambda: tried.source.fetches == 3)
    tried.source.has_fault = True
    with pytest.raises(FaultsError):
        tried.credential.load()
    assert tried.credential.valid is not None
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await tried.credential.close()


async def test_an_attempt_of_a_call_does_not_replace_that_for_a_changed_file() -> None:
    tried = Tried()
    task = asyncio.create_task(tried.credential.run())
    await wait_for(lambda: tried.credential.valid is not None)
    tried.source.go.clear()
    attempt = asyncio.create_task(tried.credential.refresh())
    await wait_for(lambda: tried.source.fetches == 2)
    tried.credential.load()
    await asyncio.sleep(0.02)  # the task sees the change
    tried.source.go.set()
    await attempt
    await wait_for(lambda: tried.source.fetches == 3)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await tried.credential.close()


async def test_a_token_that_has_expired_already_is_not_used() -> None:
    tried = Tried()
    tried.source.life_s = -5
    await tried.credential.refresh()
    assert tried.credential.valid is None
    assert "compare the clock" in tried.condition[1]


async def test_an_attempt_has_a_time_limit_and_ends_with_the_gateway() -> None:
    tried = Tried(timeout_s=0.01)
    tried.source.go.clear()
    await tried.credential.refresh()
    assert "no response within 0.01 s" in tried.condition[1]
    held = Tried()
    held.source.go.clear()
    waiting = asyncio.create_task(held.credential.refresh())
    await wait_for(lambda: held.source.fetches == 1)
    await held.credential.close()
    with suppress(asyncio.CancelledError):
        await waiting
    assert held.source.is_closed


async def test_an_unexpected_failure_shows_no_text(caplog: pytest.LogCaptureFixture) -> None:
    tried = Tried()
    tried.source.error = RuntimeError("canary")
    await tried.credential.refresh()
    assert "the attempt has failed: RuntimeError" in tried.condition[1]
    assert "canary" not in caplog.text + tried.condition[1]


async def test_a_refused_token_is_renewed_once_in_a_while() -> None:
    tried = Tried(refused_s=10.0)
    await tried.credential.refresh()
    first = await tried.credential.get(soon())
    tried.credential.note_refused(first, "operation")
    assert tried.condition == ("degraded", "the upstream operation does not accept the token")
    renewed = await asyncio.gather(*(tried.credential.renew(first, soon()) for _ in range(100)))
    assert (set(renewed), tried.source.fetches) == ({True}, 2)
    assert tried.condition == ("ok", "")
    assert await tried.credential.renew(first, soon())  # it is another one already
    second = await tried.credential.get(soon())
    assert not await tried.credential.renew(second, soon())
    tried.source.now += 10
    assert await tried.credential.renew(second, soon())
    assert tried.source.fetches == 3


async def test_the_same_token_again_is_no_new_one() -> None:
    tried = Tried()
    tried.source.value = "same"
    await tried.credential.refresh()
    token = await tried.credential.get(soon())
    tried.credential.note_refused(token, "operation")
    assert not await tried.credential.renew(token, soon())
    assert tried.condition[0] == "degraded"
    newer = await tried.credential.get(soon())
    tried.credential.note_accepted(newer, "baremetal")
    assert tried.condition[0] == "degraded"
    tried.credential.note_accepted(newer, "operation")
    assert tried.condition == ("ok", "")


async def test_an_old_token_that_is_refused_is_no_news() -> None:
    tried = Tried()
    await tried.credential.refresh()
    tried.credential.note_refused(AccessToken("old", math.inf), "operation")
    assert tried.condition == ("ok", "")


async def test_a_renewal_that_fails_changes_nothing() -> None:
    tried = Tried()
    await tried.credential.refresh()
    token = await tried.credential.get(soon())
    tried.fail()
    assert not await tried.credential.renew(token, soon())
    tried.source.now += 100
    assert not await tried.credential.renew(token, soon())


async def test_each_reason_is_logged_once(logs: pytest.LogCaptureFixture) -> None:
    tried = Tried()
    tried.fail()
    await tried.credential.refresh()
    await tried.credential.refresh()
    tried.source.error = None
    await tried.credential.refresh()
    assert [record.message for record in logs.records] == [
        "credentials not refreshed",
        "credentials refreshed",
    ]


async def test_a_token_without_an_expiry_has_no_remaining_life() -> None:
    tried = Tried()
    tried.source.life_s = math.inf
    await tried.credential.refresh()
    assert tried.metric("gateway_credentials_remaining_seconds{") == ""
    tried.fail()
    await tried.credential.refresh()
    assert tried.condition[1].endswith("the present token is valid")
