"""The parts that work on calls after their responses, started together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.call import Reply
from gateway.config import Config
from gateway.config.ledger import LedgerSection
from gateway.ledger.service import LedgerService
from gateway.operations import OperationsService
from gateway.schema import Schema
from gateway.telemetry import Health, Metrics, Telemetry, Tracing
from tests.ledger.records import CREATE, begun, intent_of
from tests.operations.making import operation_of
from tests.operations.test_own_calls import ServedMethods
from tests.waiting import wait_for


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[LedgerService]:
    section = LedgerSection(url=f"sqlite:///{tmp_path / 'ledger.db'}", durability="process")
    service = LedgerService(section, Metrics(Resource.create()), Health({}), Tracing())
    yield service
    await service.stop()


async def test_a_call_that_is_due_is_settled_and_the_ledger_stops_the_work(
    ledger: LedgerService, schema: Schema
) -> None:
    served = ServedMethods(schema, Reply(message=operation_of(schema, done=True), metadata={}))
    telemetry = Telemetry(Tracing(), Metrics(Resource.create()))
    operations = OperationsService(ledger, lambda: served, Config(), telemetry)
    await ledger.start()
    request = schema.methods[CREATE].request(name="image-1")
    await ledger.store.commit([begun("call-1", intent=intent_of(request))])
    operations.start()
    await wait_for(lambda: served.calls)
    assert [call.idempotency_key for call in served.calls] == ["key-call-1"]
    operations.observer.observe(operation_of(schema))

    async def outcome() -> str:
        async with ledger.store.transaction() as session:
            ((found,),) = await session.fetch("SELECT outcome FROM ledger_calls")
        return str(found)

    for _ in range(200):
        if await outcome() == "ok":
            break
    assert await outcome() == "ok"
    await ledger.stop()
    assert len(served.calls) == 1
