"""Settlement of one change: what each reply to a resend, and each image, says about its outcome."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config.ledger import LedgerSection
from gateway.errors import Code
from gateway.ledger.batch import StoreError
from gateway.ledger.columns import CallUpdate
from gateway.ledger.service import open_store
from gateway.ledger.work import Work
from gateway.operations.settlement import FIRST_WAIT_S, LONGEST_WAIT_S, Settler
from gateway.schema import Schema
from tests.ledger.records import CREATE, begun, ended, intent_of
from tests.operations.making import (
    IMAGE_ID,
    OPERATION_ID,
    SERVICE,
    CollectingWriter,
    ScriptedCalls,
    error_of,
    image_of,
    listed,
    make_metrics,
    make_tracing,
    metric,
    open_call,
    operation_of,
    operations_listed,
)

DAY_S = 86400.0


class Settling:
    """A settler whose calls are answered to order."""

    def __init__(self, schema: Schema, work: Work) -> None:
        self.schema = schema
        self.calls = ScriptedCalls(schema)
        self.writer = CollectingWriter()
        self.metrics = make_metrics()
        tracing, self.exporter = make_tracing()
        self.settler = Settler(work, self.calls, self.writer, self.metrics, tracing, 3600)

    async def settle(self, *answers: Any, is_kept: bool = True, method: str = CREATE, **changes: Any) -> Any:
        """Settle a call, and return the time of the next attempt.

        Args:
            answers: the answers of the upstream.
            is_kept: whether the ledger has the whole request.
            method: the method of the call.
            changes: other facts about the call.
        """
        self.calls.answers = list(answers)
        request = self.schema.methods[method].request() if is_kept else None
        record = {"intent": intent_of(request), "method": method} | changes.pop("record", {})
        return await self.settler.settle(open_call(record=record, **changes))

    def recorded(self) -> dict[str, Any]:
        (entry,) = self.writer.added
        assert (entry.event.kind, entry.fence) == ("settlement", 3)
        facts: dict[str, Any] = json.loads(entry.event.body)
        assert entry.frees_key == (facts["outcome"] == "error")
        return facts


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[Work]:
    store = open_store(LedgerSection(url=f"sqlite:///{tmp_path / 'ledger.db'}", durability="process"))
    await store.open()
    await store.commit([begun("call-1", due_us=None)])
    yield Work(store, "me")
    await store.close()


@pytest.fixture
def settling(schema: Schema, work: Work) -> Settling:
    return Settling(schema, work)


async def test_a_resend_that_succeeds_settles_the_call(settling: Settling, schema: Schema) -> None:
    assert await settling.settle(operation_of(schema)) is None
    facts = settling.recorded()
    assert (facts["outcome"], facts["code"], facts["by"]) == ("ok", "OK", "resend")
    assert (facts["operation"]["id"], facts["operation"]["resource_id"]) == (OPERATION_ID, IMAGE_ID)
    assert [(name, key) for name, _, key in settling.calls.made] == [("Create", "key-call-1")]
    (entry,) = settling.writer.added
    assert entry.row is not None
    assert entry.row.due_us is not None  # the operation is followed
    assert metric(settling.metrics, 'gateway_settlements_total{by="resend",outcome="ok"}') == "1.0"
    assert [span.name for span in settling.exporter.get_finished_spans()] == ["settle"]


async def test_an_operation_that_has_ended_is_not_followed(settling: Settling, schema: Schema) -> None:
    assert await settling.settle(operation_of(schema, done=True)) is None
    (entry,) = settling.writer.added
    assert isinstance(entry.row, CallUpdate)
    assert (entry.row.due_us, entry.row.operation_done, entry.row.operation_code) == (None, True, "OK")


@pytest.mark.parametrize("code", [Code.INVALID_ARGUMENT, Code.OUT_OF_RANGE, Code.UNIMPLEMENTED])
async def test_a_refused_resend_settles_the_call_as_an_error(settling: Settling, code: Code) -> None:
    assert await settling.settle(error_of(code)) is None
    facts = settling.recorded()
    assert (facts["outcome"], facts["code"], facts["by"]) == ("error", code.name, "resend")


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.FAILED_PRECONDITION])
async def test_what_a_create_needs_is_not_removed_by_itself(settling: Settling, code: Code) -> None:
    assert await settling.settle(error_of(code)) is None
    assert settling.recorded()["outcome"] == "error"


@pytest.mark.parametrize(
    "code",
    [
        Code.UNAVAILABLE,
        Code.RESOURCE_EXHAUSTED,
        Code.ABORTED,
        Code.UNAUTHENTICATED,
        Code.PERMISSION_DENIED,
    ],
)
async def test_a_resend_that_is_not_looked_at_is_repeated(settling: Settling, code: Code) -> None:
    assert await settling.settle(error_of(code)) == FIRST_WAIT_S
    assert settling.writer.added == []


async def test_a_resend_that_may_have_acted_is_repeated(settling: Settling) -> None:
    error = error_of(Code.INTERNAL, may_have_acted=True)
    assert await settling.settle(error, tries=3) == 8 * FIRST_WAIT_S
    assert await settling.settle(error, tries=1000) == LONGEST_WAIT_S
    assert settling.writer.added == []


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.ALREADY_EXISTS])
@pytest.mark.parametrize("method", ["Delete", "Update"])
async def test_another_change_may_itself_be_the_cause_of_a_refusal(
    settling: Settling, method: str, code: Code
) -> None:
    assert await settling.settle(error_of(code), method=f"{SERVICE}/{method}") is None
    facts = settling.recorded()
    assert (facts["outcome"], facts["by"]) == ("unknown", "gateway")


async def test_an_image_that_exists_is_evidence(settling: Settling, schema: Schema) -> None:
    answers = (
        error_of(Code.ALREADY_EXISTS),
        listed(schema, image_of(schema)),
        operations_listed(schema, operation_of(schema, done=True)),
    )
    assert await settling.settle(*answers) is None
    facts = settling.recorded()
    assert (facts["outcome"], facts["code"], facts["by"]) == ("ok", "OK", "evidence")
    assert (facts["resource"]["id"], facts["operation"]["id"]) == (IMAGE_ID, OPERATION_ID)


async def test_a_request_that_was_not_kept_is_looked_for(settling: Settling, schema: Schema) -> None:
    answers = (listed(schema, image_of(schema)), operations_listed(schema))
    assert await settling.settle(*answers, is_kept=False) is None
    assert settling.recorded()["by"] == "evidence"
    assert "Create" not in [name for name, _, _ in settling.calls.made]


async def test_an_image_that_another_create_has_made_is_no_evidence(
    settling: Settling, schema: Schema, work: Work
) -> None:
    other = ended("call-2", outcome="ok", code="OK", resource={"id": IMAGE_ID})
    await work._store.commit([begun("call-2", due_us=None), other])  # noqa: SLF001 - as another call
    found = (listed(schema, image_of(schema)), operations_listed(schema))
    assert await settling.settle(*found, is_kept=False) == FIRST_WAIT_S
    assert settling.writer.added == []
    assert await settling.settle(error_of(Code.ALREADY_EXISTS), *found) is None
    facts = settling.recorded()
    assert (facts["outcome"], facts["code"], facts["by"]) == ("error", "ALREADY_EXISTS", "resend")


async def test_two_creates_of_one_name_wait_until_one_is_known(
    settling: Settling, schema: Schema, work: Work
) -> None:
    await work._store.commit([begun("call-2", due_us=None)])  # noqa: SLF001 - as another call
    found = (listed(schema, image_of(schema)), operations_listed(schema))
    assert await settling.settle(error_of(Code.ALREADY_EXISTS), *found) == FIRST_WAIT_S
    assert settling.writer.added == []


async def test_without_an_image_a_create_is_looked_for_again(settling: Settling, schema: Schema) -> None:
    assert await settling.settle(listed(schema), is_kept=False, tries=1) == 2 * FIRST_WAIT_S
    assert await settling.settle(error_of(Code.UNAVAILABLE), is_kept=False) == FIRST_WAIT_S
    assert settling.writer.added == []


async def test_an_old_change_is_not_sent_again(settling: Settling, schema: Schema) -> None:
    assert await settling.settle(listed(schema), age_s=DAY_S) is None
    assert settling.recorded()["outcome"] == "unknown"
    assert [name for name, _, _ in settling.calls.made] == ["List"]


async def test_an_old_change_is_still_settled_by_its_image(settling: Settling, schema: Schema) -> None:
    answers = (listed(schema, image_of(schema)), operations_listed(schema))
    assert await settling.settle(*answers, age_s=DAY_S) is None
    assert settling.recorded()["by"] == "evidence"


async def test_an_old_change_whose_upstream_fails_is_unknown(settling: Settling) -> None:
    assert await settling.settle(error_of(Code.UNAVAILABLE), age_s=DAY_S) is None
    assert settling.recorded()["outcome"] == "unknown"


@pytest.mark.parametrize("intent", [{}, {"traceparent": "00-1-2-3"}])
async def test_a_call_with_credentials_is_unknown_at_once(settling: Settling, intent: dict[str, str]) -> None:
    assert await settling.settle(record={"intent": intent}) is None
    assert settling.recorded()["outcome"] == "unknown"
    assert settling.calls.made == []


async def test_a_call_is_recorded_as_unknown_only_once(settling: Settling) -> None:
    assert await settling.settle(record={"intent": {}}, outcome="unknown") is None
    assert settling.writer.added == []


async def test_a_request_that_cannot_be_read_any_more_is_not_sent(settling: Settling, schema: Schema) -> None:
    intent = {"is_followed": True, "request": "/////w=="}
    assert await settling.settle(listed(schema), record={"intent": intent}) == FIRST_WAIT_S
    assert [name for name, _, _ in settling.calls.made] == ["List"]


async def test_a_method_that_is_no_longer_served_is_not_called(settling: Settling, schema: Schema) -> None:
    settling.calls.forget(f"/{CREATE}")
    assert await settling.settle(listed(schema)) == FIRST_WAIT_S


async def test_a_database_that_fails_is_asked_again(
    settling: Settling, schema: Schema, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreError("down")

    monkeypatch.setattr(work, "find_other_create", fail)
    answers = (listed(schema, image_of(schema)), operations_listed(schema))
    assert await settling.settle(*answers, is_kept=False) == FIRST_WAIT_S


async def test_messages_of_the_upstream_are_redacted(settling: Settling) -> None:
    error = error_of(Code.INVALID_ARGUMENT)
    error.message = "bad link https://h/b?X-Amz-Signature=0123"
    assert await settling.settle(error) is None
    assert "0123" not in str(settling.recorded())
