"""Records that are read again, to be replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.audit.record_reader import RecordError, read_record
from gateway.object_storage import MAX_LENGTH
from gateway.policy import PolicyInput
from tests.audit.conftest import CALLER, FACTS, LINK, decide, record_of
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text
from tests.signed import SIGNATURE, sign_link

if TYPE_CHECKING:
    from gateway.schema import Schema


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
