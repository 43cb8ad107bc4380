from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from gateway.audit.record import _expiries, to_record
from gateway.audit.record_reader import RecordError, _restore, _texts, read_record
from gateway.call import Caller
from gateway.object_storage import DEFAULT_HOSTS, MAX_LENGTH, Hosts
from gateway.policy import Decider, Decision, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.redaction import redact_value
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text
from tests.policy.test_waivers import waiver_text
from tests.signed import SIGNATURE, sign_link

if TYPE_CHECKING:
    from gateway.schema import Schema

LINK = "https://storage.yandexcloud.net/golden-images/a.iso"
CALLER = Caller(
    id="me", kind="jwt", groups=("a", "b"), address="192.0.2.1", claims={"iss": "https://id.example"}
)
# Rules that tell every fact of a link.
FACTS = [
    "objectStorage(request.uri).problem == ''",
    "objectStorage(request.uri).presigned",
    "objectStorage(request.uri).expires > now + duration('30m')",
    "objectStorage(request.uri).bucket == 'golden-images'",
    "objectStorage(request.uri).key == 'a.iso'",
    "objectStorage(request.uri).scheme == 'https'",
    "objectStorage(request.uri).style == 'path'",
]


def decide(schema: Schema, *documents: str, caller: Caller = CALLER, **fields: Any) -> Decision:
    bundle = load_bundle(BundleFiles({"b.yaml": "".join(documents)}), schema)
    request = schema.known[CREATE].request(**fields)
    return Decider(bundle).decide(PolicyInput(CREATE, request, caller, NOW))


def record_of(schema: Schema, decision: Decision, hosts: Hosts = DEFAULT_HOSTS) -> dict[str, Any]:
    record = to_record(decision, schema.pool, hosts, call_id="call", trace_id="trace")
    read: dict[str, Any] = json.loads(json.dumps(record, ensure_ascii=False))
    assert read == record  # JSON values only
    return read


@pytest.fixture
def record(schema: Schema) -> dict[str, Any]:
    policy = policy_text(
        {"assert": "false", "field": "name", "message": "'no'", "fix": "'yes'", "severity": "high"},
        "request.labels['x'] == 'y'",
        "false",
        set=[{"field": "description", "value": "'d'"}],
    )
    decision = decide(schema, policy, binding_text(), waiver_text(rules=["r2"]), name="n", uri=LINK)
    return record_of(schema, replace(decision, id="id", duration_ns=12_345))


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


def test_a_record_is_read_again(schema: Schema, record: dict[str, Any]) -> None:
    recorded = read_record(record, schema)
    assert (recorded.id, recorded.outcome, recorded.is_altered) == ("id", "deny", False)
    assert recorded.broken == {"deny p/r0", "deny p/r1"}
    assert recorded.fields == {"description": '"d"'}
    assert recorded.input == PolicyInput(
        CREATE, schema.known[CREATE].request(name="n", uri=LINK), CALLER, NOW
    )


def test_a_mutation_that_is_only_told_is_no_field_that_was_set(
    schema: Schema, record: dict[str, Any]
) -> None:
    record["mutations"][0]["made"] = False
    assert read_record(record, schema).fields == {}


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


SIGNED = {
    "of path style": sign_link(LINK),
    "virtual-hosted": sign_link("https://golden-images.storage.yandexcloud.net/a.iso"),
    "expired": sign_link(LINK, "20251231T220000Z"),
    "soon": sign_link(LINK, "20251231T232000Z"),
    "another bucket": sign_link("https://storage.yandexcloud.net/other/a.iso"),
    "no encryption": sign_link(LINK.replace("https", "http")),
    "a single second": sign_link(LINK, expires_s=1),
    "as long as a link may be": sign_link(LINK.replace("a.iso", "k" * 650 + ".iso")),
    "malformed": sign_link(LINK) + "&x=y",
    "no link": "https://example.com/?X-Amz-Signature=" + SIGNATURE,
    "not signed": LINK,
    "an empty query": LINK + "?",
}


@pytest.mark.parametrize("name", SIGNED)
def test_a_signed_link_is_judged_again_as_it_was(schema: Schema, name: str) -> None:
    documents = [policy_text(*FACTS), binding_text()]
    decision = decide(schema, *documents, uri=SIGNED[name])
    recorded = read_record(record_of(schema, decision), schema)
    again = decide(schema, *documents, uri=recorded.input.request.uri)  # type: ignore[attr-defined]
    assert SIGNATURE not in recorded.input.request.uri  # type: ignore[attr-defined]
    is_whole = name not in {"malformed", "no link", "an empty query"}
    assert recorded.is_altered is not is_whole
    if is_whole:
        assert [one.rule for one in again.violations] == [one.rule for one in decision.violations]


def test_a_stand_in_makes_no_link_too_long(schema: Schema) -> None:
    """The shortest signature there is, before a key that leaves no room for a longer one."""
    date, digits = "20260101", "0" * 64
    query = (
        f"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=y/{date}/r/s3/aws4_request"
        f"&X-Amz-Date={date}T000000Z&X-Amz-Expires=9&X-Amz-SignedHeaders=host&X-Amz-Signature={digits}"
    )
    link = LINK.replace("a.iso", "k" * (MAX_LENGTH - len(LINK) - len(query) + 1) + ".iso") + query
    assert len(link) == MAX_LENGTH
    documents = [policy_text(FACTS[0]), binding_text()]
    decision = decide(schema, *documents, uri=link)
    assert decision.is_allowed
    recorded = read_record(record_of(schema, decision), schema)
    assert decide(schema, *documents, uri=recorded.input.request.uri).is_allowed  # type: ignore[attr-defined]


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


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"id": None}, "no record of a decision: id: input should be a valid string"),
    ({"time": "2026-01-01T00:00:00"}, "no record of a decision: time: value error, a date as 2026-12-31"),
    ({"time": "soon"}, "no record of a decision: time: "),
    ({"request": []}, "no record of a decision: request: input should be a valid dictionary"),
    ({"left_out": 1}, "no record of a decision: left_out: input should be a valid list"),
    ({"violations": [{}]}, "no record of a decision: violations.0.policy: field required"),
    ({"caller": {"kind": 1}}, "no record of a decision: caller.kind: input should be a valid string"),
    ({"method": "a/B"}, "'a/B' is no known method"),
    ({"request": {"nam": "n"}}, "there is no field 'nam' in CreateImageRequest; did you mean name?"),
    ({"signed_until": {"/uri": "soon"}}, "no record of a decision: signed_until./uri: "),
    ({"signed_until": {"/uri": "0001-01-01T00:00:00Z"}}, "signed_until holds a time that no link can have"),
    ({"signed_until": {"/uri": "9999-12-31T23:59:59-05:00"}}, "signed_until holds a time that no link"),
]


@pytest.mark.parametrize(
    ("change", "message"), [pytest.param(*row, id=str(number)) for number, row in enumerate(REFUSED)]
)
def test_refuses_what_is_no_record(
    schema: Schema, record: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecordError) as caught:
        read_record(record | change, schema)
    assert message in str(caught.value)


def test_a_record_of_few_words_is_enough(schema: Schema) -> None:
    """What older and newer gateways write beside is passed over."""
    record = {
        "id": "x",
        "time": "2026-01-01T00:00:00Z",
        "method": CREATE,
        "decision": "allow",
        "request": {},
        "new": {"in": ["a", "later", "version"]},
    }
    recorded = read_record(record, schema)
    assert (recorded.broken, recorded.fields, recorded.input.caller) == (frozenset(), {}, UNKNOWN_CALLER)
