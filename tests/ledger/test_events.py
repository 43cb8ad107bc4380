"""The events, and the rows that they create or change."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.events import (
    FIRST_KINDS,
    from_us,
    make_event,
    make_first_event,
    read_event,
    to_call_row,
    to_text,
    to_update,
    to_us,
)
from tests.rounds import examples

_FIRST, _LAST = (datetime(year, 1, 1) for year in (1970, 2200))  # noqa: DTZ001 - hypothesis wants it so
RECORD: dict[str, Any] = {
    "kind": "decision",
    "id": "c",
    "time": "2026-01-02T03:04:05.000006Z",
    "call_id": "r",
    "trace_id": "t",
    "idempotency_key": "k",
    "method": "m",
    "caller": {"id": "me"},
    "decision": "allow",
    "target": {},
    "outcome": "pending",
    "code": None,
}


@given(st.datetimes(_FIRST, _LAST))
@examples(50, 5000)
def test_times(naive: datetime) -> None:
    time = naive.replace(tzinfo=UTC)
    assert from_us(to_us(time)) == time
    assert datetime.fromisoformat(to_text(time)) == time
    assert to_text(time.astimezone(timezone(timedelta(hours=3)))) == to_text(time)


def test_the_text_of_a_time_has_one_width() -> None:
    assert to_text(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00.000000Z"


def test_an_event_repeats_its_body() -> None:
    event = make_event("outcome", "c", {"code": "OK", "text": "\0é"})
    body = json.loads(event.body)
    assert (body["kind"], body["id"], body["text"]) == ("outcome", "c", "\0é")
    assert event == read_event(event.body)
    assert "\0" not in event.body


def test_a_first_event_is_its_record() -> None:
    event = make_first_event(RECORD)
    assert event.kind in FIRST_KINDS
    assert json.loads(event.body) == RECORD
    assert from_us(event.time_us) == datetime.fromisoformat(RECORD["time"])
    assert read_event(event.body) == event


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "1",
        "{}",
        '{"kind":"x","id":"y"}',
        '{"kind":"x","id":"y","time":5}',
        '{"kind":"x","id":"y","time":"x"}',
    ],
)
def test_other_texts_are_no_events(body: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of json too
        read_event(body)


def test_the_row_of_a_call() -> None:
    target = {"folder_id": "f", "name": "n\0", "labels": {"a": "\0"}, "resource_id": "i"}
    row = to_call_row(RECORD | {"target": target, "bundle": "b"}, owner="o", due_us=5)
    assert (row.folder_id, row.name, row.labels, row.resource_id) == ("f", "n\ufffd", '{"a":"\\u0000"}', "i")
    assert (row.owner, row.due_us, row.bundle, row.caller_id, row.outcome) == ("o", 5, "b", "me", "pending")
    bare = to_call_row(RECORD)
    assert (bare.folder_id, bare.name, bare.labels, bare.resource_id, bare.bundle) == (
        None,
        None,
        "{}",
        None,
        "",
    )


def test_no_column_holds_what_databases_refuse() -> None:
    odd = "a\0\ud800b"
    target = {"folder_id": odd, "name": odd, "resource_id": odd} | {"labels": {odd: odd}}
    row = to_call_row(RECORD | {"target": target, "idempotency_key": odd, "caller": {"id": odd}})
    for value in row:
        assert "\0" not in str(value)
        str(value).encode()


def test_the_change_of_a_later_event() -> None:
    operation = {"id": "o", "done": True, "code": "OK", "resource_id": "i", "resource": {"checksum": "s"}}
    update = to_update({"id": "c", "outcome": "ok", "code": "OK", "operation": operation}, due_us=5)
    assert update == ("c", "ok", "OK", "o", True, "OK", "i", "s", None, 5)
    assert to_update({"id": "c"}) == ("c", *[None] * 9)
    assert to_update({"id": "c", "operation": {"id": "o", "done": False}}).operation_done is False
