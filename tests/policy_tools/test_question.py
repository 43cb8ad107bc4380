"""A request that somebody wrote, or a line of the decision log."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gateway.faults import FaultsError
from gateway.policy_tools import Question, read_question_or_record
from tests.policy.making import CREATE, NOW, binding_text, policy_text
from tests.policy_tools.test_replay import make, record

if TYPE_CHECKING:
    from gateway.schema import Schema

LATER = "2027-01-01T00:00:00Z"


def read(schema: Schema, text: str) -> Question:
    return read_question_or_record(text, "f.json", schema, CREATE, LATER)


@pytest.fixture
def line(schema: Schema) -> str:
    return record(schema, make(schema, policy_text("false"), binding_text()), name="n")


def test_reads_a_record_as_it_is(schema: Schema, line: str) -> None:
    question = read(schema, line)
    assert question.recorded is not None
    assert (question.recorded.id, question.recorded.outcome) == ("id", "deny")
    assert question.input is question.recorded.input
    assert (question.input.method, question.input.now) == (CREATE, NOW)
    assert question.input.request == schema.known[CREATE].request(name="n")


def test_reads_a_record_that_is_laid_out(schema: Schema, line: str) -> None:
    assert read(schema, json.dumps(json.loads(line), indent=2)).recorded is not None


@pytest.mark.parametrize("text", ["name: n", '{"name": "n"}', '{"request": {"name": "n"}}'])
def test_reads_a_request(schema: Schema, text: str) -> None:
    question = read(schema, text)
    assert question.recorded is None
    assert question.input.request == schema.known[CREATE].request(name="n")
    assert question.input.now == datetime.fromisoformat(LATER).astimezone(UTC)


def test_reads_one_record_and_not_a_log(schema: Schema, line: str) -> None:
    with pytest.raises(FaultsError) as caught:
        read(schema, line * 3)
    assert (
        str(caught.value)
        == "f.json: one record is expected, and there are 3 lines; choose one, for example with grep ID"
    )


def test_reports_why_a_record_cannot_be_used(schema: Schema, line: str) -> None:
    with pytest.raises(FaultsError) as caught:
        read(schema, line.replace(CREATE, "s/Unheard"))
    assert str(caught.value).startswith("f.json: the record cannot be used: 's/Unheard' is no known method")
