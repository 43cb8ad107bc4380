"""The worker: it claims calls that are due, and nothing ends its work."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.config.ledger import LedgerSection
from gateway.ledger.batch import Store, StoreError
from gateway.ledger.leases import Leases
from gateway.ledger.requests import folder_of, write_request
from gateway.ledger.service import open_store
from gateway.ledger.work import OpenCall, Work
from gateway.operations.following import Follower
from gateway.operations.settlement import Settler
from gateway.operations.worker import CONCURRENCY, MOST_SETTLING, Worker
from gateway.schema import Schema
from gateway.telemetry import Tracing
from tests.ledger.records import begun, running_operation
from tests.operations.making import CollectingWriter, ScriptedCalls, make_metrics, metric
from tests.waiting import wait_for

Handle = Callable[[OpenCall], Awaitable[float | None]]


class HeldSettler(Settler):
    """Settles as the test says.

    Attributes:
        settled: the IDs of the calls that were to be settled.
        handle: the function that settles.
    """

    def __init__(self, schema: Schema, work: Work, writer: CollectingWriter) -> None:
        super().__init__(work, ScriptedCalls(schema), writer, make_metrics(), Tracing(), 3600)
        self.settled: list[str] = []
        self.handle: Handle | None = None

    async def settle(self, call: OpenCall) -> float | None:
        self.settled.append(call.id)
        return await self.handle(call) if self.handle else None


class HeldFollower(Follower):
    """Polls as the test says."""

    def __init__(self, schema: Schema, writer: CollectingWriter) -> None:
        super().__init__(ScriptedCalls(schema), writer, make_metrics(), Tracing())
        self.polled: list[str] = []

    async def poll(self, call: OpenCall) -> float | None:
        self.polled.append(call.id)
        return None


class Working:
    """A worker that runs, with its ledger."""

    def __init__(self, schema: Schema, store: Store, path: Path) -> None:
        self.store, self.path = store, path
        self.work = Work(store, "me")
        self.writer = CollectingWriter()
        self.metrics = make_metrics()
        self.settler = HeldSettler(schema, self.work, self.writer)
        self.follower = HeldFollower(schema, self.writer)
        worker = Worker(
            self.work,
            self.writer,
            self.settler,
            self.follower,
            self.metrics,
            longest_s=60,
            requests=path,
        )
        self.task = asyncio.create_task(worker.run())

    async def column(self, name: str) -> list[Any]:
        async with self.store.transaction() as session:
            rows = await session.fetch(f"SELECT {name} FROM ledger_calls ORDER BY seq")  # noqa: S608
        return [row[0] for row in rows]


@pytest.fixture
async def working(schema: Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Working]:
    monkeypatch.setattr("gateway.operations.worker.INTERVAL_S", 0.02)
    monkeypatch.setattr("gateway.operations.worker.COUNT_S", 0.02)
    monkeypatch.setattr("gateway.operations.worker._AFTER_FAULT_S", 0.02)
    path = tmp_path / "ledger.db"
    store = open_store(LedgerSection(url=f"sqlite:///{path}", durability="process"))
    await store.open()
    await Leases(store, "me", 60).acquire_own()
    made = Working(schema, store, path)
    yield made
    is_running = not made.task.done()
    made.task.cancel()
    await asyncio.wait([made.task])
    await store.close()
    assert is_running


async def test_open_calls_are_settled_and_operations_are_polled(working: Working) -> None:
    await working.store.commit(
        [begun("call-1"), begun("call-2"), running_operation("call-2", "op"), begun("call-3", due_us=None)]
    )
    await wait_for(lambda: working.settler.settled and working.follower.polled)
    await asyncio.sleep(0.1)
    assert (working.settler.settled, working.follower.polled) == (["call-1"], ["call-2"])
    assert await working.column("owner") == ["me", "me", None]


async def test_a_call_whose_work_goes_on_later_is_given_up_until_then(working: Working) -> None:
    async def again(call: OpenCall) -> float | None:
        return 0.01 if call.tries < 2 else 20

    working.settler.handle = again
    await working.store.commit([begun("call-1")])
    await wait_for(lambda: len(working.settler.settled) == 3)
    await asyncio.sleep(0.1)
    assert (len(working.settler.settled), await working.column("tries")) == (3, [3])
    assert await working.column("owner") == [None]


async def test_one_call_that_fails_stops_no_other_call(
    working: Working, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(call: OpenCall) -> float | None:
        if call.id == "call-1":
            raise RuntimeError("a fault")
        return None

    working.settler.handle = fail
    await working.store.commit([begun("call-1"), begun("call-2")])
    await wait_for(lambda: working.settler.settled.count("call-1") > 2)
    assert working.settler.settled.count("call-2") == 1
    assert "work on a call failed" in caplog.text


async def test_the_number_of_calls_that_are_settled_at_the_same_time_is_bounded(working: Working) -> None:
    """The rest is for operations, which are polled even if no settlement ends."""
    free, running, most = asyncio.Event(), 0, 0

    async def wait(_: OpenCall) -> float | None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await free.wait()
        running -= 1
        return None

    working.settler.handle = wait
    await working.store.commit([begun(f"call-{number}") for number in range(3 * CONCURRENCY)])
    await wait_for(lambda: running == MOST_SETTLING)
    await asyncio.sleep(0.1)
    assert running == MOST_SETTLING
    await working.store.commit([begun("operation", outcome="ok", code="OK")])
    await wait_for(lambda: working.follower.polled)
    free.set()
    await wait_for(lambda: len(working.settler.settled) == 3 * CONCURRENCY)
    assert most == MOST_SETTLING
    assert len(set(working.settler.settled)) == 3 * CONCURRENCY


async def test_the_tasks_end_with_the_worker(working: Working) -> None:
    ended = []

    async def wait(call: OpenCall) -> float | None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(call.id)
        return None

    working.settler.handle = wait
    await working.store.commit([begun("call-1")])
    await wait_for(lambda: working.settler.settled)
    working.task.cancel()
    await asyncio.wait([working.task])
    assert ended == ["call-1"]
    working.task = asyncio.create_task(asyncio.sleep(60))


async def test_nothing_is_claimed_while_the_ledger_cannot_be_written(working: Working) -> None:
    working.writer.is_broken = True
    await asyncio.sleep(0.05)
    await working.store.commit([begun("call-1")])
    await asyncio.sleep(0.1)
    assert working.settler.settled == []
    working.writer.is_broken = False
    await wait_for(lambda: working.settler.settled)


@pytest.mark.parametrize("error", [StoreError("down"), ValueError("a fault")])
async def test_a_failure_of_the_database_does_not_end_the_worker(
    working: Working, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    claiming, failures = working.work.claim, [error, error]

    async def claim(limit: int, most_unsettled: int) -> list[OpenCall]:
        if failures:
            raise failures.pop()
        return await claiming(limit, most_unsettled)

    monkeypatch.setattr(working.work, "claim", claim)
    await working.store.commit([begun("call-1")])
    await wait_for(lambda: working.settler.settled)


async def test_the_metrics_show_the_open_calls(working: Working) -> None:
    await working.store.commit(
        [
            begun("call-1", due_us=None),
            begun("call-2", due_us=None, outcome="unknown"),
            begun("call-3"),
            running_operation("call-3", "op"),
        ]
    )
    await wait_for(lambda: metric(working.metrics, 'gateway_ledger_unsettled{outcome="pending"}') == "1.0")
    assert metric(working.metrics, 'gateway_ledger_unsettled{outcome="unknown"}') == "1.0"


# Requests of operators


def ask(working: Working, **changes: Any) -> None:
    request = {"settle": "call-1", "outcome": "ok", "reason": "seen", "user": "root"} | changes
    write_request(working.path, request)


async def test_a_request_of_an_operator_is_carried_out(working: Working) -> None:
    await working.store.commit([begun("call-1", due_us=None, outcome="unknown")])
    ask(working)
    await wait_for(lambda: working.writer.added)
    (entry,) = working.writer.added
    facts = json.loads(entry.event.body)
    assert (facts["kind"], facts["by"], facts["user"]) == ("settlement", "operator", "root")
    assert list(folder_of(working.path).iterdir()) == []
    assert metric(working.metrics, 'gateway_settlements_total{by="operator",outcome="ok"}') == "1.0"


@pytest.mark.parametrize(
    "changes",
    [
        {"settle": "call-7"},
        {"settle": ""},
        {"settle": None},
        {"settle": "\ud800"},
        {"settle": "a\0b"},
        {"outcome": "unknown"},
        {"outcome": None},
        {"reason": "\ud800", "settle": "call-7"},
    ],
)
async def test_a_request_that_is_wrong_is_refused_and_the_next_one_is_carried_out(
    working: Working, changes: dict[str, Any]
) -> None:
    await working.store.commit([begun("call-1", due_us=None, outcome="unknown")])
    ask(working, **changes)
    await wait_for(lambda: not list(folder_of(working.path).iterdir()))
    await asyncio.sleep(0.05)
    assert working.writer.added == []
    ask(working)
    await wait_for(lambda: working.writer.added)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "[" * 16000, "\x00"])
async def test_a_file_that_is_no_request_is_removed(working: Working, text: str) -> None:
    await working.store.commit([begun("call-1", due_us=None, outcome="unknown")])
    folder_of(working.path).mkdir()
    (folder_of(working.path) / "0.json").write_text(text)
    await wait_for(lambda: not list(folder_of(working.path).iterdir()))
    ask(working)
    await wait_for(lambda: working.writer.added)
