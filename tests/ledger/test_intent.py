"""The intent of a change: its attempts, its end, and what is left to do."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.call import Reply
from gateway.errors import Code, GatewayError
from gateway.ledger.batch import Entry
from gateway.ledger.intent import FIRST_POLL_US, Intent, describe_reply
from gateway.ledger.writer import LedgerWriter
from gateway.schema import Schema
from gateway.telemetry import Health, Metrics
from tests.ledger.stores import HeldStore
from tests.ledger.test_operation_facts import SECRET, image, make


class Ending:
    """An intent, and the entries that it makes."""

    def __init__(self, **options: Any) -> None:
        writer = LedgerWriter(
            HeldStore(), Metrics(Resource.create()), Health(), capacity=10, when_full="drop"
        )
        self._queue = writer._queue  # noqa: SLF001 - nothing is committed here
        self.ended: list[tuple[Reply | None, BaseException | None]] = []
        given: dict[str, Any] = {"is_followed": True} | options
        self.intent = Intent(
            writer, "c", "key", on_end=lambda reply, error: self.ended.append((reply, error)), **given
        )

    def entry(self) -> tuple[Entry, dict[str, Any]]:
        (entry,) = self._queue
        return entry, json.loads(entry.event.body)


def reply_of(message: Any) -> Reply:
    return Reply(message=message, metadata={})


def test_the_end_with_an_operation(schema: Schema) -> None:
    ending, operation = Ending(has_own_key=True), make(schema)
    reply = reply_of(operation)
    ending.intent.end(reply, None)
    entry, event = ending.entry()
    assert (event["kind"], event["id"], event["outcome"], event["code"]) == ("outcome", "c", "ok", "OK")
    assert type(operation).FromString(b64decode(event["reply"])) == operation
    row: Any = entry.row
    assert (row.outcome, row.operation_id, row.operation_done, row.owner) == ("ok", "op-1", False, None)
    assert row.due_us == pytest.approx(entry.event.time_us + FIRST_POLL_US, abs=1_000_000)
    assert (entry.is_kept, entry.frees_key, ending.ended) == (True, False, [(reply, None)])


def test_a_reply_that_no_caller_can_ask_for_again_is_not_kept(schema: Schema) -> None:
    ending = Ending()
    ending.intent.end(reply_of(make(schema)), None)
    _, event = ending.entry()
    assert event["operation"] == {"id": "op-1", "done": False, "resource_id": "image-1"}
    assert "reply" not in event


@pytest.mark.parametrize(("is_followed", "is_done"), [(False, False), (True, True), (False, True)])
def test_operations_that_are_not_followed(schema: Schema, *, is_followed: bool, is_done: bool) -> None:
    ending = Ending(is_followed=is_followed)
    ending.intent.end(reply_of(make(schema, image(schema) if is_done else None)), None)
    row: Any = ending.entry()[0].row
    assert (row.due_us, row.operation_done) == (None, is_done)


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (GatewayError(Code.NOT_FOUND, "", "no"), "error", "NOT_FOUND"),
        (GatewayError(Code.UNAVAILABLE, "", "no", may_have_acted=True), "pending", "UNAVAILABLE"),
        (RuntimeError(SECRET), "pending", "UNKNOWN"),
        (KeyboardInterrupt(), "pending", "UNKNOWN"),
    ],
    ids=["refused", "acted", "bug", "interrupt"],
)
def test_the_end_with_an_error(error: BaseException, outcome: str, code: str) -> None:
    ending = Ending()
    ending.intent.end(None, error)
    entry, event = ending.entry()
    row: Any = entry.row
    assert (event["outcome"], event["code"]) == (row.outcome, row.code) == (outcome, code)
    assert entry.frees_key is (outcome == "error")
    assert (row.due_us is not None) is (outcome == "pending")
    assert SECRET not in entry.event.body
    assert ending.ended == [(None, error)]


def test_the_message_of_an_error_is_redacted() -> None:
    ending = Ending()
    ending.intent.end(None, GatewayError(Code.NOT_FOUND, "REASON", f"no {SECRET}"))
    _, event = ending.entry()
    assert (event["reason"], SECRET in str(event)) == ("REASON", False)


def test_an_attempt_that_failed() -> None:
    ending = Ending()
    ending.intent.note_attempt(1, GatewayError(Code.UNAVAILABLE, "", f"down {SECRET}"))
    entry, event = ending.entry()
    assert (event["kind"], event["attempt"], event["code"]) == ("attempt", 1, "UNAVAILABLE")
    assert SECRET not in str(event)
    assert (entry.row, entry.frees_key, entry.is_kept) == (None, False, False)


def test_the_settlement_of_an_earlier_call(schema: Schema) -> None:
    ending = Ending(kind="settlement", by="repeat")
    ending.intent.end(reply_of(make(schema)), None)
    _, event = ending.entry()
    assert (event["kind"], event["by"]) == ("settlement", "repeat")


def test_only_small_operations_without_secrets_are_kept(schema: Schema) -> None:
    assert "reply" in describe_reply(make(schema))
    assert describe_reply(image(schema, id="i")) == {}
    for description in (SECRET, "words " * 4000):
        assert "reply" not in describe_reply(make(schema, image(schema, description=description)))
