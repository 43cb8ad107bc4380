"""A line of a decision log: a record, another line, or neither."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gateway.audit.record import RecordError
from gateway.policy_tools.record_line import NotJsonError, read_line
from tests.policy.making import CREATE, binding_text, policy_text
from tests.policy_tools.test_replay import make, record

if TYPE_CHECKING:
    from gateway.schema import Schema


@pytest.fixture
def line(schema: Schema) -> str:
    return record(schema, make(schema, policy_text("false"), binding_text()), name="n")


def test_a_record_is_read(schema: Schema, line: str) -> None:
    recorded = read_line(line, schema)
    assert recorded is not None
    assert (recorded.input.method, recorded.outcome) == (CREATE, "deny")


@pytest.mark.parametrize(
    "text", ["{}", "[]", "1", '"text"', "null", '{"kind": "another"}', '{"level": "INFO"}']
)
def test_other_json_is_no_record(schema: Schema, text: str) -> None:
    assert read_line(text, schema) is None


@pytest.mark.parametrize("text", ["", "name: n", "{", "[" * 100_000])
def test_what_is_not_json_is_an_error_of_its_own(schema: Schema, text: str) -> None:
    with pytest.raises(NotJsonError):
        read_line(text, schema)


def test_a_record_that_cannot_be_evaluated_is_an_error(schema: Schema, line: str) -> None:
    with pytest.raises(RecordError, match="no known method"):
        read_line(json.dumps(json.loads(line) | {"method": "s/None"}), schema)


def test_half_of_a_surrogate_pair_is_an_error(schema: Schema, line: str) -> None:
    with pytest.raises(RecordError, match="half of a surrogate pair"):
        read_line(
            line.replace('"name":"n"', '"name":"\\ud83d"').replace('"name": "n"', '"name": "\\ud83d"'), schema
        )
