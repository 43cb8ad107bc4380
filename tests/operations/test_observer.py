"""What responses that pass through show about operations and creates."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty

from gateway.config.ledger import LedgerSection
from gateway.ledger.batch import Store, StoreError
from gateway.ledger.service import open_store
from gateway.ledger.work import Work
from gateway.operations.following import Follower
from gateway.operations.observer import Observer
from gateway.operations.settlement import Settler
from gateway.schema import Schema
from gateway.telemetry import Tracing
from tests.ledger.records import begun, ended, running_operation
from tests.operations.making import (
    IMAGE_ID,
    OPERATION_ID,
    SERVICE,
    CollectingWriter,
    ScriptedCalls,
    image_of,
    listed,
    make_metrics,
    operation_of,
)
from tests.waiting import wait_for


class Observing:
    """An observer that runs, with its ledger."""

    def __init__(self, schema: Schema, store: Store) -> None:
        self.store = store
        self.work = Work(store, "me")
        self.writer = CollectingWriter()
        calls = ScriptedCalls(schema)
        settler = Settler(self.work, calls, self.writer, make_metrics(), Tracing(), 3600)
        follower = Follower(calls, self.writer, make_metrics(), Tracing())
        self.observer = Observer(self.work, self.writer, settler, follower)
        self.task = asyncio.create_task(self.observer.run())

    async def refresh(self) -> None:
        """Wait until the observer has read the open calls again."""
        looked = asyncio.Event()
        listing = self.work.list_open

        async def list_open(limit: int) -> Any:
            found = await listing(limit)
            looked.set()
            return found

        self.work.list_open = list_open  # type: ignore[method-assign]
        async with asyncio.timeout(20):
            await looked.wait()
            await asyncio.sleep(0)
        self.work.list_open = listing  # type: ignore[method-assign]
        await asyncio.sleep(0.02)

    def recorded(self) -> list[tuple[str, str, str]]:
        """Return the kind, the call and the way of each recorded event."""
        bodies = [json.loads(entry.event.body) for entry in self.writer.added]
        return [(body["kind"], body["id"], body.get("by", "")) for body in bodies]


@pytest.fixture
async def observing(
    schema: Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Observing]:
    monkeypatch.setattr("gateway.operations.observer.REFRESH_S", 0.05)
    store = open_store(LedgerSection(url=f"sqlite:///{tmp_path / 'ledger.db'}", durability="process"))
    await store.open()
    made = Observing(schema, store)
    yield made
    is_running = not made.task.done()
    made.task.cancel()
    await asyncio.wait([made.task])
    await store.close()
    assert is_running


async def test_the_end_of_an_operation_is_recorded_once(observing: Observing, schema: Schema) -> None:
    await observing.store.commit([begun("call-1"), running_operation("call-1", OPERATION_ID)])
    observing.observer.observe(operation_of(schema))  # it runs
    for _ in range(3):
        observing.observer.observe(operation_of(schema, done=True))
    await wait_for(lambda: observing.writer.added)
    observing.observer.observe(operation_of(schema, done=True))
    await asyncio.sleep(0.2)
    assert observing.recorded() == [("operation", "call-1", "")]


async def test_an_operation_of_a_list_is_recorded(observing: Observing, schema: Schema) -> None:
    await observing.store.commit([begun("call-1"), running_operation("call-1", OPERATION_ID)])
    reply: Any = schema.methods[f"{SERVICE}/ListOperations"].reply
    observing.observer.observe(reply(operations=[operation_of(schema, done=True)]))
    await wait_for(lambda: observing.writer.added)
    assert observing.recorded() == [("operation", "call-1", "")]


async def test_the_progress_of_an_operation_is_recorded(observing: Observing, schema: Schema) -> None:
    await observing.store.commit([begun("call-1"), running_operation("call-1", OPERATION_ID)])
    running = operation_of(schema)
    observing.observer.observe(running)  # it was not modified since it was created
    modified = operation_of(schema)
    modified.modified_at.seconds = modified.created_at.seconds + 1
    for _ in range(2):
        observing.observer.observe(modified)
    await wait_for(lambda: observing.writer.added)
    observing.observer.observe(modified)
    await asyncio.sleep(0.1)
    assert observing.recorded() == [("operation", "call-1", "")]
    assert "done" not in json.loads(observing.writer.added[0].event.body)["operation"]


async def test_an_operation_that_appears_in_the_ledger_later_is_recorded(
    observing: Observing, schema: Schema
) -> None:
    observing.observer.observe(operation_of(schema, done=True))
    await asyncio.sleep(0.1)
    assert observing.recorded() == []
    await observing.store.commit([begun("call-1"), running_operation("call-1", OPERATION_ID)])
    await asyncio.sleep(0.1)
    observing.observer.observe(operation_of(schema, done=True))
    await wait_for(lambda: observing.writer.added)


async def test_an_image_settles_the_create_of_its_name(observing: Observing, schema: Schema) -> None:
    await observing.store.commit([begun("call-1", due_us=None)])
    await observing.refresh()
    observing.observer.observe(listed(schema, image_of(schema, name="other"), image_of(schema)))
    await wait_for(lambda: observing.writer.added)
    assert observing.recorded() == [("settlement", "call-1", "evidence")]
    (entry,) = observing.writer.added
    assert entry.fence == 0
    assert entry.row is not None
    assert getattr(entry.row, "resource_id", "") == IMAGE_ID


@pytest.mark.parametrize("changes", [{"name": "image-2"}, {"folder_id": "other"}, {"created_us": 1}])
async def test_other_images_settle_nothing(
    observing: Observing, schema: Schema, changes: dict[str, Any]
) -> None:
    await observing.store.commit([begun("call-1", due_us=None)])
    await observing.refresh()
    observing.observer.observe(image_of(schema, **changes))
    observing.observer.observe(Empty())
    await asyncio.sleep(0.2)
    assert observing.recorded() == []


async def test_an_image_that_another_create_has_made_settles_nothing(
    observing: Observing, schema: Schema
) -> None:
    other = ended("call-2", outcome="ok", code="OK", resource={"id": IMAGE_ID})
    await observing.store.commit([begun("call-1", due_us=None), begun("call-2", due_us=None), other])
    await observing.refresh()
    observing.observer.observe(image_of(schema))
    await asyncio.sleep(0.2)
    assert observing.recorded() == []


async def test_a_create_that_a_live_replica_carries_out_is_left_alone(
    observing: Observing, schema: Schema
) -> None:
    async with observing.store.transaction() as session:
        await session.fetch(
            "INSERT INTO ledger_leases (name, owner, epoch, until_us) VALUES (?, ?, 1, ?)",
            "replica:other",
            "other",
            2**62,
        )
    await observing.store.commit([begun("call-1", owner="other")])
    await observing.refresh()
    observing.observer.observe(image_of(schema))
    await asyncio.sleep(0.2)
    assert observing.recorded() == []


async def test_after_a_failure_of_the_database_observations_are_recorded(
    observing: Observing, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    await observing.store.commit([begun("call-1"), running_operation("call-1", OPERATION_ID)])
    finding, failures = observing.work.find_running, [StoreError("down"), StoreError("down")]

    async def find_running(operation_id: str) -> Any:
        if failures:
            raise failures.pop()
        return await finding(operation_id)

    monkeypatch.setattr(observing.work, "find_running", find_running)
    observing.observer.observe(operation_of(schema, done=True))
    await wait_for(lambda: observing.writer.added)
    assert failures == []


async def test_an_event_that_cannot_be_read_does_not_end_the_observer(
    observing: Observing, schema: Schema
) -> None:
    await observing.store.commit([begun("call-0", due_us=None)])
    async with observing.store.transaction() as session:
        await session.fetch("UPDATE ledger_events SET body = 'x'")
    await asyncio.sleep(0.2)
    async with observing.store.transaction() as session:
        await session.fetch("DELETE FROM ledger_calls")
    await observing.store.commit([begun("call-1"), running_operation("call-1", OPERATION_ID)])
    observing.observer.observe(operation_of(schema, done=True))
    await wait_for(lambda: observing.writer.added)


async def test_nothing_is_read_while_the_ledger_cannot_be_written(
    observing: Observing, schema: Schema
) -> None:
    observing.writer.is_broken = True
    await observing.store.commit([begun("call-1"), running_operation("call-1", OPERATION_ID)])
    await asyncio.sleep(0.2)
    observing.observer.observe(operation_of(schema, done=True))
    await asyncio.sleep(0.2)
    assert observing.recorded() == []
    observing.writer.is_broken = False
    await wait_for(lambda: observing.writer.added)


def test_the_number_of_observations_that_wait_is_bounded(schema: Schema) -> None:
    class Unused:
        is_failing = False

    unused: Any = Unused()
    observer = Observer(unused, unused, unused, unused)

    async def observe() -> None:
        for number in range(1500):
            operation = operation_of(schema, done=True)
            operation.id = f"operation-{number}"
            observer.observe(operation)

    asyncio.run(observe())
    assert len(observer._operations) == 1000  # noqa: SLF001 - the memory that is used
