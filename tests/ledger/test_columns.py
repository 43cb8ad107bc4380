"""The rows that events change: an update followed by a later one."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.ledger.columns import CALL_COLUMNS, EVENT_COLUMNS, UPDATE_COLUMNS, CallUpdate


@pytest.mark.parametrize(
    ("earlier", "later", "merged"),
    [
        ({"outcome": "pending"}, {"outcome": "ok"}, {"outcome": "ok"}),
        (
            {"outcome": "ok", "code": "OK"},
            {"checksum": "s"},
            {"outcome": "ok", "code": "OK", "checksum": "s"},
        ),
        ({"operation_done": True}, {"operation_done": False}, {"operation_done": False}),
        ({"operation_done": True}, {}, {"operation_done": True}),
        ({"code": "OK"}, {"code": ""}, {"code": ""}),
        ({"owner": "r", "due_us": 5}, {}, {}),
        ({"owner": "r"}, {"owner": "s", "due_us": 0}, {"owner": "s", "due_us": 0}),
    ],
    ids=["later", "both", "false", "true", "empty", "owner", "owners"],
)
def test_a_merged_update(earlier: dict[str, Any], later: dict[str, Any], merged: dict[str, Any]) -> None:
    assert CallUpdate("c", **earlier).merge(CallUpdate("c", **later)) == CallUpdate("c", **merged)


def test_the_tuples_of_columns() -> None:
    assert EVENT_COLUMNS[0] == CALL_COLUMNS[0] == "seq"
    assert UPDATE_COLUMNS[0] == "id"
    for columns in (EVENT_COLUMNS, CALL_COLUMNS, UPDATE_COLUMNS):
        assert len(set(columns)) == len(columns)
