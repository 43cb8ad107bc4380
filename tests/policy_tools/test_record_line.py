"""Lines of a decision log."""

from __future__ import annotations

import json

import pytest

from gateway.audit.record import CALL
from gateway.audit.record_reader import RecordError
from gateway.policy import BundleFiles, Decider, PolicyInput, load_bundle
from gateway.policy_tools.record_line import NotJsonError, read_line
from gateway.schema import Schema
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text
from tests.records import make_record


def record(schema: Schema) -> str:
    bundle = load_bundle(BundleFiles({"b.yaml": policy_text("true") + binding_text()}), schema)
    request = schema.known[CREATE].request(name="n")
    decision = Decider(bundle).decide(PolicyInput(CREATE, request, UNKNOWN_CALLER, NOW))
    return json.dumps(make_record(decision, schema))


def test_a_decision_is_read(schema: Schema) -> None:
    read = read_line(record(schema), schema)
    assert read is not None
    assert (read.outcome, read.input.method, read.input.request.name) == ("allow", CREATE, "n")  # type: ignore[attr-defined]


@pytest.mark.parametrize("line", ["{}", "[]", "1", json.dumps({"kind": CALL}), json.dumps({"kind": "log"})])
def test_other_lines_are_passed_over(schema: Schema, line: str) -> None:
    assert read_line(line, schema) is None


@pytest.mark.parametrize("line", ["", "started", "[" * 100_000])
def test_what_is_not_json_is_told_apart(schema: Schema, line: str) -> None:
    with pytest.raises(NotJsonError, match="not JSON"):
        read_line(line, schema)


def test_half_a_character_is_refused(schema: Schema) -> None:
    broken = record(schema).replace('"n"', '"\\ud800"')
    with pytest.raises(RecordError, match="half of a surrogate pair"):
        read_line(broken, schema)
