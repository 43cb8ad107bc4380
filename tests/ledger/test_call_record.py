"""The first event of a call."""

from __future__ import annotations

import hashlib

from gateway.errors import Code
from gateway.ledger.call_record import CallRecord, complete_record
from gateway.schema import Schema
from tests.ledger.calls import make_call, make_record


async def test_a_request_gives_the_target_and_the_hash_of_its_bytes(schema: Schema) -> None:
    call = make_call(schema, name="n")
    facts = complete_record(make_record(call), call.request, "pending", None)
    data = call.request.SerializeToString(deterministic=True)
    assert facts["request_sha256"] == hashlib.sha256(data).hexdigest()
    assert (facts["target"]["name"], facts["outcome"], facts["code"]) == ("n", "pending", None)


def test_a_call_without_a_request_has_no_target_and_no_decision() -> None:
    record = CallRecord(facts={"decision": "allow"}, is_evaluated=False)
    facts = complete_record(record, None, "refused", Code.UNAUTHENTICATED)
    assert facts == {"decision": "none", "target": {}, "outcome": "refused", "code": "UNAUTHENTICATED"}
    assert record.facts == {"decision": "allow"}
