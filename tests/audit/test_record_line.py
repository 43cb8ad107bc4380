"""A line is the encoding of the record that to_record() returns."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.audit.record import to_record
from gateway.audit.record_line import RecordLines
from gateway.call import Caller
from gateway.errors.mode import ObserveMode
from gateway.object_storage import DEFAULT_HOSTS
from gateway.quoting import encode_json
from gateway.transcode import JsonWriter
from tests.audit.conftest import CALLER, LINK, decide
from tests.policy.making import UNKNOWN_CALLER, binding_text, policy_text
from tests.policy.test_waivers import waiver_text
from tests.signed import sign_link

if TYPE_CHECKING:
    from gateway.policy import Decision
    from gateway.schema import Schema

UUID, TRACE = "1d1a1b7e-6c1f-4bd5-9a52-0d4b8f2f6b11", "0af7651916cd43dd8448eb211c80319c"
RULES = policy_text({"assert": "false", "field": "name", "message": "'no'"}, "false")


def check(schema: Schema, lines: RecordLines, decision: Decision, **facts: Any) -> dict[str, Any]:
    facts = {"call_id": UUID, "trace_id": TRACE, "idempotency_key": UUID} | facts
    to_tree = JsonWriter(schema.pool, refuses_unknown=True).to_tree
    expected = to_record(decision, to_tree, DEFAULT_HOSTS, **facts)
    line = lines.encode(decision, **facts)
    assert line == encode_json(expected)
    record: dict[str, Any] = json.loads(line)
    return record


@pytest.fixture
def lines(schema: Schema) -> RecordLines:
    return RecordLines(JsonWriter(schema.pool, refuses_unknown=True).to_tree, DEFAULT_HOSTS)


REQUESTS: dict[str, dict[str, Any]] = {
    "empty": {},
    "plain": {"name": "n", "uri": LINK, "labels": {"env": "prod"}},
    "signed": {"uri": sign_link(LINK)},
    "secret": {"description": "password: hunter2"},
    "not ASCII": {"name": "жж", "description": '\u202e\x7f\n"\\'},
    "quotes": {"labels": {"a": 'b"c'}},
}


@pytest.mark.parametrize("fields", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("caller", [UNKNOWN_CALLER, CALLER, Caller(address="192.0.2.7")])
def test_a_line_is_the_encoded_record(
    schema: Schema, lines: RecordLines, fields: dict[str, Any], caller: Caller
) -> None:
    for action in ("deny", "warn", "audit"):
        decision = decide(schema, RULES, binding_text(action=action), caller=caller, **fields)
        for _ in range(2):  # the second one is made of what was kept
            check(schema, lines, decision)


def test_waivers_and_mutations_are_in_the_line(schema: Schema, lines: RecordLines) -> None:
    policy = policy_text("false", "false", set=[{"field": "description", "value": "'d'"}])
    decision = decide(schema, policy, binding_text(), waiver_text(rules=["r1"]), name="n")
    record = check(schema, lines, decision)
    assert (len(record["waived"]), len(record["mutations"])) == (1, 1)


def test_decisions_that_differ_in_anything_have_other_lines(schema: Schema, lines: RecordLines) -> None:
    first = decide(schema, RULES, binding_text(), name="n")
    (one, *others) = first.violations
    for changed in (
        replace(first, violations=(replace(one, value="other"), *others)),
        replace(first, violations=(one,)),
        replace(first, violations=()),
        replace(first, waived=(replace(one, waiver="w"),)),
        replace(first, bundle="sha256:other"),
    ):
        check(schema, lines, first)
        check(schema, lines, changed)


def test_the_mode_observe_is_in_the_line(schema: Schema, lines: RecordLines) -> None:
    decision = decide(schema, RULES, binding_text(), name="n")
    mode = ObserveMode(lambda *_: None)
    assert check(schema, lines, decision, mode=mode)["mode"] == "observe"


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call_id=st.text(max_size=40), key=st.text(max_size=40), name=st.text(max_size=20))
def test_any_text_is_quoted_as_in_a_record(
    schema: Schema, lines: RecordLines, call_id: str, key: str, name: str
) -> None:
    decision = decide(
        schema, policy_text("true"), binding_text(), name=name.encode(errors="replace").decode()
    )
    check(schema, lines, decision, call_id=call_id, idempotency_key=key)


def test_what_is_kept_is_bounded(schema: Schema, lines: RecordLines) -> None:
    decision = decide(schema, RULES, binding_text(), name="n")
    for number in range(3000):
        lines.encode(replace(decision, bundle=f"sha256:{number}"), call_id=UUID, trace_id=TRACE)
    (kept,) = [one for one in vars(lines).values() if isinstance(one, dict)]
    assert 0 < len(kept) <= 1024
    lines.encode(replace(decision, bundle="x" * 5000), call_id=UUID, trace_id=TRACE)
    assert max(map(len, kept.values())) <= 4096
