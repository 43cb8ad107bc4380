"""The states of operations, and their IDs."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.operations.waiting.operation_state import read_state, state_id
from gateway.schema import Schema
from tests.operations.waiting.conftest import OPERATION

IMAGE = "yandex.cloud.baremetal.v1alpha.Image"


def make(schema: Schema, seconds: int = 1, **fields: Any) -> Any:
    operation: Any = schema.message(OPERATION)(id="one", **fields)
    operation.modified_at.seconds = seconds
    return operation


def test_the_id_depends_on_the_content_only(served: Schema) -> None:
    assert state_id(make(served)) == state_id(make(served))
    others = [make(served, 2), make(served, done=True), make(served, description="x")]
    assert len({state_id(one) for one in [make(served), *others]}) == 4


def test_the_order_of_a_map_in_an_any_makes_no_difference(served: Schema) -> None:
    parts = [served.message(IMAGE)(labels={key: "v"}).SerializeToString() for key in ("a", "b", "c")]
    found = set()
    for data in (b"".join(parts), b"".join(reversed(parts))):
        operation = make(served, done=True)
        operation.response.type_url = f"type.googleapis.com/{IMAGE}"
        operation.response.value = data
        found.add(state_id(operation))
        assert operation.response.value == data
    assert len(found) == 1


@pytest.mark.parametrize("type_url", ["type.example/some.Unknown", f"type.googleapis.com/{IMAGE}"])
def test_content_that_cannot_be_read_has_an_id_too(served: Schema, type_url: str) -> None:
    operation = make(served)
    operation.metadata.type_url, operation.metadata.value = type_url, b"\xff"
    assert state_id(operation) != state_id(make(served))


def test_the_order_of_states(served: Schema) -> None:
    first, second = read_state(make(served, 1)), read_state(make(served, 2))
    ended = read_state(make(served, 2, done=True))
    assert second.is_newer_than(first)
    assert not first.is_newer_than(second)
    assert not first.is_newer_than(first)
    assert ended.is_newer_than(second)
    assert ended.is_newer_than(read_state(make(served, 3)))
    assert not second.is_newer_than(ended)
    assert (ended.is_done, first.is_done) == (True, False)
