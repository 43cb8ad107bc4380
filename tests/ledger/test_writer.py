"""The writer: groups, failures, callers that leave, and the bound of what waits."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.ledger import commit_delay
from gateway.ledger import writer as writer_module
from gateway.ledger.batch import Entry, StoreError, StoreFormatError
from gateway.ledger.commit_delay import SIBLINGS
from gateway.telemetry import Status
from tests.ledger.making import claiming, first, later
from tests.ledger.stores import HeldStore
from tests.ledger.writing import Writing, begin, hold, is_unavailable
from tests.waiting import wait_for

DOWN = StoreError("disk full")


async def test_an_entry_is_committed_before_its_caller_goes_on(writing: Writing) -> None:
    assert await writing.write(first("c"))
    assert writing.store.committed() == ["c"]
    assert writing.condition() == (Status.OK, "")


async def test_a_caller_waits_for_no_timer(stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "LINGER_S", 3600.0)
    writing = await begin(stack)
    writing.writer.offer(first("a"))
    await asyncio.sleep(0.02)
    assert writing.store.groups == []
    assert await writing.write(first("b"))
    assert writing.store.committed() == ["a", "b"]


async def test_entries_that_nobody_waits_for_are_committed_soon(writing: Writing) -> None:
    writing.writer.offer(first("a"))
    await asyncio.sleep(0)
    writing.writer.offer_quietly(first("b"))
    writing.writer.add(later("a"))
    await wait_for(lambda: writing.store.committed() == ["a", "b", "a"])
    assert len(writing.store.groups) == 1


async def test_entries_gather_while_a_group_is_committed(writing: Writing) -> None:
    await hold(writing)
    tasks = [asyncio.create_task(writing.write(first(f"c{number}"))) for number in range(5)]
    await asyncio.sleep(0)
    writing.store.free.set()
    assert await asyncio.gather(*tasks) == [True] * 5
    assert [len(group) for group in writing.store.groups] == [1, 5]


async def test_several_callers_that_arrive_one_after_another_share_a_commit(
    writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_delay, "DELAY_S", 3600.0)
    await asyncio.gather(*(writing.write(first(f"a{number}")) for number in range(SIBLINGS)))
    tasks = []
    for number in range(SIBLINGS):
        tasks.append(asyncio.create_task(writing.write(first(f"b{number}"))))
        await asyncio.sleep(0.002)
    await asyncio.gather(*tasks)
    assert [len(group) for group in writing.store.groups] == [SIBLINGS, SIBLINGS]


async def test_the_stop_does_not_wait_for_more_callers(
    writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.gather(*(writing.write(first(f"a{number}")) for number in range(SIBLINGS)))
    monkeypatch.setattr(commit_delay, "DELAY_S", 3600.0)
    writing.writer.add(later("a0"))
    async with asyncio.timeout(writer_module.CLOSE_S / 2):
        await writing.writer.close()
    assert writing.store.committed()[-1] == "a0"


async def test_groups_have_a_largest_size(stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "MAX_GROUP", 2)
    writing = await begin(stack)
    for number in range(5):
        writing.writer.add(later(f"c{number}"))
    await wait_for(lambda: len(writing.store.committed()) == 5)
    assert [len(group) for group in writing.store.groups] == [2, 2, 1]


async def test_a_lost_claim(writing: Writing) -> None:
    writing.store.lost = {"b"}
    results = await asyncio.gather(*(writing.write(claiming(call)) for call in "abc"))
    assert results == [True, False, True]
    assert writing.refused == []


async def test_when_a_commit_fails_waiting_callers_are_refused_and_others_are_kept(writing: Writing) -> None:
    writing.store.failure = DOWN
    writing.writer.add(later("kept"))
    writing.writer.offer(first("read"))
    with pytest.raises(GatewayError) as caught:
        await writing.write(first("c"))
    assert is_unavailable(caught.value)
    assert writing.writer.is_failing
    assert writing.condition() == (Status.DEGRADED, "changes are refused: disk full")
    assert writing.refused == [("c", False)]
    writing.store.failure = None
    await wait_for(lambda: not writing.writer.is_failing)
    assert writing.store.committed() == ["kept", "read"]
    assert writing.condition() == (Status.OK, "")
    assert await writing.write(first("d"))


async def test_during_a_failure_changes_are_refused_at_once_and_recorded(writing: Writing) -> None:
    writing.store.failure = DOWN
    for call in ("c", "d"):
        with pytest.raises(GatewayError) as caught:
            await writing.write(first(call))
        assert is_unavailable(caught.value)
    assert writing.refused == [("c", False), ("d", False)]


async def test_after_a_failure_all_waiting_entries_are_committed(
    stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that do not fit into the first group, and without a further call."""
    monkeypatch.setattr(writer_module, "MAX_GROUP", 2)
    writing = await begin(stack, capacity=10)
    writing.store.failure = DOWN
    for number in range(7):
        writing.writer.offer(first(f"c{number}"))
    await wait_for(lambda: writing.writer.is_failing)
    writing.store.failure = None
    await wait_for(lambda: len(writing.store.committed()) == 7)
    assert writing.store.committed() == [f"c{number}" for number in range(7)]


async def test_without_entries_the_writer_tries_by_itself(writing: Writing) -> None:
    writing.store.failure = DOWN
    with pytest.raises(GatewayError):
        await writing.write(first("c"))
    writing.refused.clear()
    writing.store.failure = None
    await wait_for(lambda: writing.condition()[0] is Status.OK)
    assert any("next_seq" in sql for sql in writing.store.statements)


async def test_an_unexpected_error_is_a_failure_like_others(writing: Writing) -> None:
    """Otherwise the task of the writer would end, and changes would time out for ever."""
    writing.store.failure = RuntimeError("surprise")
    with pytest.raises(GatewayError) as caught:
        await writing.write(first("c"), 5)
    assert is_unavailable(caught.value)
    assert writing.condition()[0] is Status.DEGRADED
    writing.store.failure = None
    await wait_for(lambda: not writing.writer.is_failing)
    assert await writing.write(first("d"))


async def test_one_bad_entry_does_not_stop_the_others(writing: Writing) -> None:
    await hold(writing)
    writing.store.bad = "bad"
    writing.writer.add(later("x", kind="bad"))
    good = asyncio.create_task(writing.write(first("good")))
    await asyncio.sleep(0)
    writing.store.free.set()
    assert await good
    assert writing.store.committed() == ["held", "good"]
    assert writing.lost() == 1
    assert writing.condition()[0] is Status.OK


async def test_a_caller_with_a_bad_entry_is_refused(writing: Writing) -> None:
    writing.store.bad = "decision"
    with pytest.raises(GatewayError) as caught:
        await writing.write(first("c"))
    assert is_unavailable(caught.value)
    assert writing.refused == [("c", False)]


async def test_a_caller_waits_until_its_deadline(writing: Writing) -> None:
    await hold(writing)
    with pytest.raises(GatewayError) as caught:
        await writing.write(first("c"), 0.02)
    assert is_unavailable(caught.value)
    writing.store.free.set()
    assert await writing.write(first("next"))
    assert writing.store.committed() == ["held", "next"]
    assert writing.refused == [("c", False)]


async def test_a_caller_whose_deadline_passes_during_its_commit_is_refused(writing: Writing) -> None:
    writing.store.free.clear()
    with pytest.raises(GatewayError) as caught:
        await writing.write(first("c"), 0.02)
    assert is_unavailable(caught.value)
    writing.store.free.set()
    await wait_for(lambda: writing.refused == [("c", False)])


async def test_a_deadline_that_has_passed(writing: Writing) -> None:
    await hold(writing)
    with pytest.raises(GatewayError):
        await writing.write(first("c"), -1)


async def test_a_caller_that_leaves_before_its_commit_is_recorded_as_refused(writing: Writing) -> None:
    await hold(writing)
    task = asyncio.create_task(writing.write(first("c")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    writing.store.free.set()
    await wait_for(lambda: writing.refused == [("c", False)])
    assert await writing.write(first("next"))
    assert writing.store.committed() == ["held", "next"]


async def test_a_caller_that_leaves_during_its_commit_is_recorded_as_refused(writing: Writing) -> None:
    writing.store.free.clear()
    task = asyncio.create_task(writing.write(first("c")))
    await wait_for(lambda: writing.store.waiting)
    task.cancel()
    await asyncio.wait([task])
    writing.store.free.set()
    await wait_for(lambda: writing.refused == [("c", False)])


async def test_a_caller_that_leaves_just_after_its_commit_is_recorded_as_refused(writing: Writing) -> None:
    """The entry is committed, but the cancellation arrives before the task of the caller runs again."""
    task = asyncio.create_task(writing.write(first("c")))
    writing.store.on_commit = lambda: asyncio.get_running_loop().call_soon(task.cancel)
    await asyncio.wait([task])
    assert task.cancelled()
    assert writing.refused == [("c", True)]
    assert writing.store.committed() == ["c"]


async def test_a_caller_that_leaves_while_its_claim_is_lost_is_recorded_as_refused(writing: Writing) -> None:
    writing.store.lost = {"c"}
    writing.store.free.clear()
    task = asyncio.create_task(writing.write(claiming("c")))
    await wait_for(lambda: writing.store.waiting)
    task.cancel()
    await asyncio.wait([task])
    writing.store.free.set()
    await wait_for(lambda: writing.refused == [("c", False)])


@pytest.mark.parametrize("when_full", ["drop", "refuse"])
async def test_the_bound_of_what_waits(stack: AsyncExitStack, when_full: str) -> None:
    writing = await begin(stack, when_full=when_full)
    await hold(writing)
    for number in range(4):
        writing.writer.offer(first(f"c{number}"))
    writing.writer.offer_quietly(first("quiet"))
    assert writing.lost() == 1
    if when_full == "drop":
        writing.writer.offer(first("more"))
    else:
        with pytest.raises(GatewayError) as caught:
            writing.writer.offer(first("more"))
        assert is_unavailable(caught.value)
    assert writing.lost() == 2
    writing.writer.add(later("kept"))
    writing.store.free.set()
    assert await writing.write(first("change"))
    assert writing.store.committed() == ["held", "c0", "c1", "c2", "c3", "kept", "change"]


async def test_the_stop_commits_what_waits(writing: Writing) -> None:
    writing.writer.offer(first("a"))
    writing.writer.add(later("a"))
    closed: list[list[str]] = []

    async def before_close() -> None:
        closed.append(writing.store.committed())

    await writing.writer.close(before_close)
    assert closed == [["a", "a"]]
    assert writing.store.is_closed
    assert writing.lost() == 0


async def test_the_stop_does_not_wait_for_a_ledger_that_fails(writing: Writing) -> None:
    writing.store.failure = DOWN
    writing.writer.add(later("a"))
    await wait_for(lambda: writing.writer.is_failing)
    async with asyncio.timeout(5):
        await writing.writer.close()
    assert writing.lost() == 1


async def test_the_stop_does_not_wait_for_a_commit_that_hangs(
    stack: AsyncExitStack, logs: pytest.LogCaptureFixture
) -> None:
    writing = await begin(stack)
    await hold(writing)
    writing.writer.add(later("a"))
    async with asyncio.timeout(5):
        await writing.writer.close()
    assert writing.store.is_closed
    assert "ledger entries lost at the stop" in logs.text
    assert writing.lost() == 2  # the entries of the commit that was cancelled too


async def test_postgresql_that_cannot_be_reached_at_the_start(stack: AsyncExitStack) -> None:
    store = HeldStore("postgresql")
    store.open_failure = DOWN
    writing = await begin(stack, store)
    assert writing.condition() == (Status.FAILED, "changes are refused: disk full")
    opened: list[bool] = []

    async def on_open() -> None:
        opened.append(True)

    writing.writer.on_open = on_open
    with pytest.raises(GatewayError) as caught:
        await writing.write(first("c"))
    assert is_unavailable(caught.value)
    writing.writer.offer(first("read"))
    store.open_failure = StoreFormatError("newer")
    await wait_for(lambda: writing.condition() == (Status.FAILED, "changes are refused: newer"))
    store.open_failure = None
    await wait_for(lambda: "read" in store.committed())
    assert opened == [True]
    assert writing.condition() == (Status.OK, "")


@pytest.mark.parametrize(
    ("dialect", "error"),
    [("sqlite", StoreError("x")), ("sqlite", StoreFormatError("x")), ("postgresql", StoreFormatError("x"))],
    ids=["sqlite", "sqlite-format", "postgresql-format"],
)
async def test_databases_that_stop_the_start(dialect: Any, error: Exception) -> None:
    store = HeldStore(dialect)
    store.open_failure = error
    with pytest.raises(type(error)):
        await Writing(store).writer.start()


async def test_a_fault_of_the_callback_does_not_end_the_writer(writing: Writing) -> None:
    def fail(_entry: Entry, _is_uncertain: bool) -> None:  # noqa: FBT001 - the writer's callback
        raise KeyError("target")

    writing.writer.on_refused = fail
    writing.store.failure = DOWN
    with pytest.raises(GatewayError):
        await writing.write(first("a"))
    with pytest.raises(GatewayError):
        await writing.write(first("b"))
    writing.store.failure = None
    await wait_for(lambda: writing.condition() == (Status.OK, ""))
    assert await writing.write(first("c"))
