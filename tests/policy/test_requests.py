from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gateway.faults import FaultsError
from gateway.policy import PolicyInput, read_policy_input
from gateway.policy.requests import InputDocument, RequestError, read_request, to_caller
from gateway.policy.suite_model import CallerFacts
from tests.policy.making import CREATE, NOW, SERVICE
from tests.signed import SIGNATURE, sign_link

if TYPE_CHECKING:
    from gateway.schema import Schema

MESSAGE = "yandex.cloud.baremetal.v1alpha.CreateImageRequest"
FIELDS = "fields: folderId, name, description, uri, labels"
TIME = "a date as 2026-12-31, or a time with its zone as 2026-12-31T18:00:00Z"


def ask(schema: Schema, text: str, now: str | None = "2026-01-01T00:00:00Z") -> PolicyInput:
    return read_policy_input(text, "q.json", schema, CREATE, now)


def refuse(schema: Schema, text: str, now: str | None = "2026-01-01T00:00:00Z") -> list[str]:
    with pytest.raises(FaultsError) as caught:
        ask(schema, text, now)
    return [str(fault) for fault in caught.value.faults]


FORMS = {
    "json": '{"folderId": "f", "name": "n"}',
    "json with tabs": '{\n\t"folderId": "f",\n\t"name": "n"\n}\n',
    "yaml": "folderId: f\nname: n\n",
    "names of protobuf": '{"folder_id": "f", "name": "n"}',
    "with what stands around it": '{"request": {"folderId": "f", "name": "n"}}',
    "yaml with what stands around it": "request:\n  folderId: f\n  name: n\ncaller: {id: me}\n",
    "with the method": f'{{"request": {{"folderId": "f", "name": "n"}}, "method": "{CREATE}"}}',
}


@pytest.mark.parametrize("name", FORMS)
def test_reads_a_request_in_each_form(schema: Schema, name: str) -> None:
    policy_input = ask(schema, FORMS[name])
    assert (policy_input.method, policy_input.now) == (CREATE, NOW)
    assert policy_input.request == schema.known[CREATE].request(folder_id="f", name="n")


@pytest.mark.parametrize("text", ["💿", "a\u2028b", "\x7f", 'q"\\/', "a\tb\nc"])
@pytest.mark.parametrize("is_ascii", [True, False])
def test_reads_what_a_json_library_writes(schema: Schema, text: str, *, is_ascii: bool) -> None:
    """Escaped in two halves, a character beyond the basic plane is JSON though no YAML."""
    written = json.dumps({"description": text}, ensure_ascii=is_ascii)
    assert ask(schema, written).request == schema.known[CREATE].request(description=text)


def test_the_text_overrides_the_options(schema: Schema) -> None:
    text = json.dumps(
        {
            "request": {"imageId": "x"},
            "method": f"{SERVICE}/Get",
            "now": "2027-02-03T04:05:06+07:00",
            "caller": {"id": "me", "kind": "jwt", "groups": ["a"], "address": "::1", "claims": {"k": "v"}},
        }
    )
    policy_input = ask(schema, text)
    assert policy_input.method == f"{SERVICE}/Get"
    assert policy_input.now == datetime(2027, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=7)))
    assert (policy_input.caller.id, policy_input.caller.groups, dict(policy_input.caller.claims)) == (
        "me",
        ("a",),
        {"k": "v"},
    )


def test_without_a_time_it_is_now(schema: Schema) -> None:
    before = datetime.now(UTC)
    assert before <= ask(schema, "{}", None).now <= datetime.now(UTC)


def test_a_date_is_its_first_moment(schema: Schema) -> None:
    assert ask(schema, "{}", "2026-01-01").now == NOW


FAULTS: dict[str, tuple[str, str]] = {
    "nothing": ("", "q.json: write one request, as an object"),
    "comments": ("# nothing\n", "q.json: write one request, as an object"),
    "a list": ("[{}]", "q.json: write one request, as an object"),
    "a text": ("name", "q.json: write one request, as an object"),
    "two": ("{}\n---\n{}\n", "q.json: write one request, as an object"),
    "no end": ('{"name": ', "q.json:2:1: not valid YAML: "),
    "deep": ("[" * 100, "q.json:1:65: too large: "),
    "deep JSON": ("[" * 100_000, "q.json:1:65: too large: "),
    "JSON list that is no YAML": ('["\\ud83d\\ude00"]', "q.json:1:5: not valid YAML: "),
    "NUL": ('{"name": "\0"}', "q.json: not valid YAML: "),
    "half a character": (
        '{"name": "\\ud83d"}',
        f"q.json: the request does not fit {MESSAGE}: Failed to parse name field: Unpaired surrogate",
    ),
    "unknown field": (
        '\n{"nam": "n"}',
        (
            f"q.json:2:1: the request does not fit {MESSAGE}: there is no field 'nam' in CreateImageRequest; "
            f"did you mean name? {FIELDS}"
        ),
    ),
    "unknown field, nothing near": ('{"x": 1}', f"there is no field 'x' in CreateImageRequest; {FIELDS}"),
    "wrong type": ('{"labels": 1}', "Failed to parse labels field: Map field labels must be in a dict"),
    "unknown method": (
        f'{{"request": {{}}, "method": "{SERVICE}/Creat"}}',
        f"'{SERVICE}/Creat' is no known method; did you mean {CREATE}?",
    ),
    "the end of a method": (
        '{"request": {}, "method": "ImageService/Create"}',
        f"'ImageService/Create' is no known method; did you mean {CREATE}?",
    ),
    "no method": ('{"request": {}, "method": ""}', "'' is no known method"),
    "method of another type": ('{"request": {}, "method": 1}', "q.json:1:17: method: "),
    "time": ('{"request": {}, "now": "soon"}', f"q.json:1:17: now: 'soon': {TIME}"),
    "year": ('{"request": {}, "now": 2026}', f"q.json:1:17: now: 2026: {TIME}"),
    "no zone": ('{"request": {}, "now": "2026-01-01T00:00:00"}', f"now: '2026-01-01T00:00:00': {TIME}"),
    "unknown key": (
        '{"request": {}, "callr": {}}',
        "q.json:1:17: callr: unknown key; did you mean caller? accepted here: caller, method, now, request",
    ),
    "unknown key of the caller": (
        '{"request": {}, "caller": {"grups": []}}',
        "q.json:1:28: caller.grups: unknown key; did you mean groups? accepted here: address, claims, groups",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_says_what_is_wrong_and_where(schema: Schema, name: str) -> None:
    text, message = FAULTS[name]
    (fault,) = refuse(schema, text)
    assert message in fault
    assert "\n" not in fault
    assert len(fault) < 600


def test_the_time_of_the_option_is_checked(schema: Schema) -> None:
    for now in ("soon", "2026", "1", "2026-01-01T00:00:00"):
        assert refuse(schema, "{}", now) == [f"q.json:1:1: now: '{now}': {TIME}"]


@pytest.mark.parametrize(
    "request_",
    [
        {"labels": sign_link("https://storage.yandexcloud.net/b/a.iso")},
        {"labels": f"https://user:pa55word@example.com/?{SIGNATURE}"},
        {sign_link("https://user:pa55word@storage.yandexcloud.net/b/a.iso"): 1},
        {"uri": {SIGNATURE: 1}},
        {"labels": [SIGNATURE]},
    ],
    ids=str,
)
def test_a_refusal_holds_no_secret(schema: Schema, request_: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        read_request(schema, CREATE, request_, CallerFacts(), NOW)
    for text in (str(caught.value), *refuse(schema, yaml.safe_dump(request_, width=100_000))):
        assert SIGNATURE not in text
        assert "pa55word" not in text


def test_a_refusal_is_short(schema: Schema) -> None:
    with pytest.raises(RequestError) as caught:
        read_request(schema, CREATE, {"x-" * 50_000: 1}, CallerFacts(), NOW)
    assert len(str(caught.value)) < 600


def test_a_question_hides_its_request() -> None:
    document = InputDocument(method=CREATE, request={"uri": sign_link("https://a.example/b")}, now=NOW)
    assert SIGNATURE not in repr(document)


def test_an_input_hides_its_request(schema: Schema) -> None:
    link = sign_link("https://storage.yandexcloud.net/b/a.iso")
    policy_input = ask(schema, json.dumps({"uri": link}))
    assert SIGNATURE not in repr(policy_input)
    assert SIGNATURE in str(policy_input.request)


def test_callers() -> None:
    caller = to_caller(CallerFacts())
    assert (caller.id, caller.kind, caller.groups, caller.address, caller.claims) == ("", "none", (), "", {})
