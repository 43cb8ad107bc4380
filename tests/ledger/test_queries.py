"""The queries of the audit commands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.ledger.queries import CallFilter, find_calls, list_calls
from gateway.ledger.reader import open_reader
from tests.ledger.making import Database
from tests.ledger.records import CREATE, begun, ended

DELETE = CREATE.replace("Create", "Delete")


async def find(database: Database, **conditions: Any) -> list[str]:
    """Return the request IDs of the calls that meet conditions."""
    labels = conditions.pop("labels", {})
    async with open_reader(database.url) as reader:
        calls = await list_calls(reader, CallFilter(labels=labels, **conditions))
    return [call["call_id"].removeprefix("request-") for call in calls]


@pytest.fixture
async def filled(database: Database) -> Database:
    store = await database.open()
    caller = {"id": "other", "kind": "mtls", "groups": [], "address": "::1", "claims": {}}
    target = {"folder_id": "other", "name": "x", "labels": {"env": "prod", "a": "%_"}}
    await store.commit(
        [
            begun("a", time="2026-01-01T00:00:00.000000Z"),
            begun("b", time="2026-01-02T00:00:00.000000Z", caller=caller, outcome="ok", code="OK"),
            begun("c", time="2026-01-03T00:00:00.000000Z", method=DELETE, target=target),
            begun("d", time="2026-01-04T00:00:00.000000Z", decision="deny", outcome="denied"),
        ]
    )
    return database


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, "abcd"),
        ({"method": "Create"}, "abd"),
        ({"method": "Delete"}, "c"),
        ({"method": DELETE}, "c"),
        ({"method": "ImageService/Delete"}, ""),
        ({"method": "eate"}, ""),
        ({"method": "create"}, ""),
        ({"method": "%"}, ""),
        ({"method": ""}, "abcd"),
        ({"method": "x" * 200}, ""),
        ({"caller": "other"}, "b"),
        ({"caller": ""}, ""),
        ({"folder": "other"}, "c"),
        ({"decision": "deny"}, "d"),
        ({"outcome": "pending"}, "ac"),
        ({"labels": {"env": "prod"}}, "c"),
        ({"labels": {"env": "prod", "a": "%_"}}, "c"),
        ({"labels": {"env": "prod", "b": ""}}, ""),
        ({"since": datetime(2026, 1, 2, tzinfo=UTC)}, "bcd"),
        ({"until": datetime(2026, 1, 2, tzinfo=UTC)}, "ab"),
        ({"since": datetime(2026, 1, 2, 0, 0, 1, tzinfo=UTC), "outcome": "pending"}, "c"),
        ({"since": datetime(1, 1, 1, tzinfo=UTC), "until": datetime(9999, 12, 31, tzinfo=UTC)}, "abcd"),
        ({"limit": 2}, "cd"),
        ({"limit": 0}, "abcd"),
        ({"limit": 1, "labels": {"env": "dev"}}, "d"),
    ],
)
async def test_the_conditions_of_a_list(filled: Database, conditions: dict[str, Any], expected: str) -> None:
    assert "".join(await find(filled, **conditions)) == expected


async def test_what_a_list_shows(filled: Database) -> None:
    async with open_reader(filled.url) as reader:
        (call,) = await list_calls(reader, CallFilter(caller="other", labels={}))
    assert list(call)[:3] == ["call_id", "time", "caller"]
    assert (call["time"], call["caller"]["address"]) == ("2026-01-02T00:00:00.000000Z", "::1")
    assert (call["outcome"], call["code"], call["operation_done"]) == ("ok", "OK", None)
    assert "id" not in call


async def test_a_call_is_found_by_each_of_its_ids(database: Database) -> None:
    store = await database.open()
    operation = {"id": "op-1", "done": True, "code": "OK", "resource_id": "image-id"}
    await store.commit([begun("a"), begun("b"), ended("b", outcome="ok", code="OK", operation=operation)])
    for key in ("b", "request-b", "op-1", "image-id"):
        async with open_reader(database.url) as reader:
            (call,) = await find_calls(reader, key)
        assert (call["id"], call["operation_done"], call["labels"]) == ("b", True, {"env": "dev"})
        assert [(event["seq"], event["kind"]) for event in call["events"]] == [
            (1, "decision"),
            (2, "outcome"),
        ]
    async with open_reader(database.url) as reader:
        assert await find_calls(reader, "key-a") == []
        assert await find_calls(reader, "") == []
        assert await find_calls(reader, "' OR ''='") == []


async def test_calls_with_one_request_id_are_shown_in_their_order(database: Database) -> None:
    store = await database.open()
    await store.commit([begun("b", call_id="same"), begun("a", call_id="same"), ended("b", outcome="ok")])
    async with open_reader(database.url) as reader:
        found = await find_calls(reader, "same")
    assert [(call["id"], len(call["events"])) for call in found] == [("b", 2), ("a", 1)]
