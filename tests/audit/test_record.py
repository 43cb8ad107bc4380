"""Records of decisions: what they contain, and what they leave out."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from gateway.audit.record import _expiries
from gateway.audit.record_reader import _restore, _texts, read_record
from gateway.call import Caller
from gateway.object_storage import DEFAULT_HOSTS, Hosts
from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.redaction import redact_value
from tests.audit.conftest import LINK, decide, record_of
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text
from tests.signed import SIGNATURE, sign_link

if TYPE_CHECKING:
    from gateway.schema import Schema


def test_a_record_tells_the_whole_decision(record: dict[str, Any]) -> None:
    assert record.pop("bundle").startswith("sha256:")
    assert record.pop("violations") == [
        {
            "policy": "p",
            "rule": "r0",
            "binding": "b",
            "action": "deny",
            "severity": "high",
            "field": "name",
            "value": '"n"',
            "message": "no",
            "fix": "yes",
            "error": False,
        },
        {
            "policy": "p",
            "rule": "r1",
            "binding": "b",
            "action": "deny",
            "severity": "medium",
            "field": "",
            "value": "",
            "message": 'the rule cannot be evaluated: NOT_FOUND: Key not found in map : "x"',
            "fix": "",
            "error": True,
        },
    ]
    (waived,) = record.pop("waived")
    assert (waived["rule"], waived["waiver"]) == ("r2", "w")
    assert record == {
        "kind": "decision",
        "time": "2026-01-01T00:00:00Z",
        "id": "id",
        "call_id": "call",
        "trace_id": "trace",
        "idempotency_key": "",
        "method": CREATE,
        "caller": {
            "id": "me",
            "kind": "jwt",
            "groups": ["a", "b"],
            "address": "192.0.2.1",
            "claims": {"iss": "https://id.example"},
        },
        "decision": "deny",
        "waivers": ["w"],
        "mutations": [
            {
                "policy": "p",
                "name": "set[0]",
                "binding": "b",
                "field": "description",
                "before": "not set",
                "after": '"d"',
                "made": True,
            }
        ],
        "request": {"name": "n", "uri": LINK},
        "signed_until": {},
        "is_masked": False,
        "left_out": [],
        "duration_us": 12,
    }


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (NOW, "2026-01-01T00:00:00Z"),
        (datetime(2026, 1, 1, 3, tzinfo=timezone(timedelta(hours=3))), "2026-01-01T00:00:00Z"),
        (datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC), "2026-01-01T00:00:00.000005Z"),
    ],
)
def test_times_are_utc(schema: Schema, now: datetime, text: str) -> None:
    decision = decide(schema, policy_text("true"), binding_text())
    policy_input = decision.input._replace(now=now)
    record = record_of(
        schema, replace(decision, mutated_request=decision.mutated_request._replace(input=policy_input))
    )
    assert record["time"] == text
    assert read_record(record, schema).input.now == now


SECRETS: dict[str, dict[str, Any]] = {
    "a link": {"uri": sign_link(LINK)},
    "a link with user info": {"uri": "https://user:pa55word@storage.yandexcloud.net/b/a.iso"},
    "a link in a text": {"description": f"see '{sign_link(LINK)}'"},
    "a signature alone": {"description": SIGNATURE},
    "a label": {"labels": {"link": sign_link(LINK)}},
    "the name of a label": {"labels": {sign_link(LINK): "x", SIGNATURE: "y"}},
    "a token": {"description": "Bearer pa55word.pa55word"},
}


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_of_a_request_is_recorded(schema: Schema, name: str) -> None:
    rules = [
        {"assert": "false", "field": field, "message": f"request.{field}", "fix": f"request.{field}"}
        for field in ("uri", "description")
    ]
    settings = [{"field": "name", "value": "request.description + request.uri"}]
    lookups = ["request.labels[request.uri] == ''", "request.labels[request.description] == ''"]
    decision = decide(schema, policy_text(*rules, *lookups, set=settings), binding_text(), **SECRETS[name])
    record = record_of(schema, decision)
    for text in (json.dumps(record, ensure_ascii=False), repr(decision), repr(read_record(record, schema))):
        assert SIGNATURE not in text
        assert "pa55word" not in text
    assert record["is_masked"]


def test_no_secret_that_an_author_pasted_is_recorded(schema: Schema) -> None:
    pasted = (
        "https://u:hun/ter2@h/ Api-Key hunter22 password=hunter2 SECRET_ACCESS_KEY=hunter2 //h?token=hunter2"
    )
    message = "'has ' + request.description"
    decision = decide(
        schema,
        policy_text({"assert": "false", "message": message, "field": 'labels["db-password"]'}),
        binding_text(),
        description=pasted,
        labels={"db-password": "hunter2", "owner": "me"},
    )
    record = record_of(schema, decision)
    assert "hunter2" not in json.dumps(record)
    assert "hun/ter2" not in json.dumps(record)
    assert record["request"]["labels"] == {"db-password": "…", "owner": "me"}
    assert record["violations"][0]["message"].startswith("has https://…@h/ Api-Key … password=… ")


def test_no_secret_of_a_caller_is_recorded(schema: Schema) -> None:
    caller = Caller(
        id="Bearer pa55word.pa55word", groups=("t1.pa55word.pa55word",), claims={"a": LINK + "?b"}
    )
    text = json.dumps(record_of(schema, decide(schema, policy_text("true"), binding_text(), caller=caller)))
    assert "pa55word" not in text
    assert "?b" not in text


def test_a_signed_link_of_other_hosts_is_known_as_one(schema: Schema) -> None:
    hosts = Hosts(storage=("s3.example.com",), website=())
    decision = decide(
        schema, policy_text("true"), binding_text(), uri=sign_link("https://s3.example.com/abc/a.iso")
    )
    assert record_of(schema, decision, hosts)["signed_until"] == {"/uri": "2026-01-01T01:00:00+00:00"}
    assert record_of(schema, decision)["signed_until"] == {}


def test_a_signed_link_may_stand_anywhere(schema: Schema) -> None:
    labels = {"a/b~c": sign_link(LINK), "plain": "x"}
    decision = decide(schema, policy_text("true"), binding_text(), labels=labels)
    record = record_of(schema, decision)
    assert record["signed_until"] == {"/labels/a~1b~0c": "2026-01-01T01:00:00+00:00"}
    again = read_record(record, schema).input.request.labels  # type: ignore[attr-defined]
    assert again["plain"] == "x"
    assert again["a/b~c"].startswith(f"{LINK}?X-Amz-Algorithm=")


UPDATE = "yandex.cloud.baremetal.v1alpha.ImageService/Update"


@pytest.mark.parametrize("path", ["folderId", "a__b", "a_1", sign_link(LINK)])
def test_a_request_without_a_json_form_is_recorded_as_far_as_it_has_one(schema: Schema, path: str) -> None:
    """Only a client of gRPC can send it: JSON has no such path of a mask."""
    request = schema.known[UPDATE].request(image_id="i", name="n", update_mask={"paths": ["name", path]})
    bundle = load_bundle(BundleFiles({"b": policy_text("true", methods=[UPDATE]) + binding_text()}), schema)
    decision = Decider(bundle).decide(PolicyInput(UPDATE, request, UNKNOWN_CALLER, NOW))
    record = record_of(schema, decision)
    assert record["request"] == {"imageId": "i", "name": "n"}
    assert (record["left_out"], record["is_masked"]) == (["updateMask"], True)
    assert SIGNATURE not in json.dumps(record)
    assert read_record(record, schema).is_altered


def test_a_signed_link_in_a_list() -> None:
    value = {"list": ["x", sign_link(LINK)], "number": 1}
    signed = dict(_expiries(value, "", DEFAULT_HOSTS))
    masked = redact_value(value)
    assert masked == {"list": ["x", f"{LINK}?…"], "number": 1}
    assert list(signed) == ["/list/1"]
    until = {"/list/1": datetime.fromisoformat(signed["/list/1"])}
    restored = _restore(masked, "", until)
    assert (restored["number"], restored["list"][0]) == (1, "x")
    assert restored["list"][1].startswith(f"{LINK}?X-Amz-")
    assert list(_texts(masked)) == ["list", "x", f"{LINK}?…", "number"]
