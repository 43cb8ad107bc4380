from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.policy.field_path import FieldPathError, compile_field_path
from gateway.schema import descriptor_of
from tests.policy.making import SERVICE

if TYPE_CHECKING:
    from gateway.schema import Schema

DESCRIBED = [
    ("Create", {"uri": "a"}, "uri", '"a"'),
    ("Create", {"uri": "https://u:p@h/a?X-Amz-Signature=5ec4e7"}, "uri", '"https://…@h/a?…"'),
    ("Create", {"description": "a\n\u2028b"}, "description", '"a\\n\\u2028b"'),
    ("Create", {"description": "x" * 500}, "description", f'"{"x" * 120}…"'),
    ("Create", {}, "uri", "not set"),
    ("Create", {}, "", ""),
    ("Create", {"labels": {"env": "prod"}}, 'labels["env"]', '"prod"'),
    ("Create", {"labels": {"env": ""}}, 'labels["env"]', '""'),
    ("Create", {"labels": {"env": "prod"}}, 'labels["owner"]', "not set"),
    ("Create", {"labels": {"env": "prod"}}, "labels", ""),
    ("Update", {}, "update_mask", ""),
    ("Update", {"update_mask": {"paths": ["name"]}}, "update_mask.paths", '["name"]'),
    ("List", {"page_size": 5}, "page_size", "5"),
    ("List", {}, "page_size", "not set"),
]

REFUSED = [
    ("url", "there is no field 'url'; did you mean uri? fields: folder_id, name, description, uri, labels"),
    ("folderId", "there is no field 'folderId'; did you mean folder_id? "),
    ("xyz", "there is no field 'xyz'; fields: folder_id"),
    ("uri.x", "'x' is within a value that has no fields"),
    ("labels.env", 'an entry of a map is written as labels["env"]'),
    ("uri[0]", "a field is written as uri, network.address or"),
    ("labels[env]", "a field is written as"),
    ('labels[""]', "a field is written as"),
    (" uri", "a field is written as"),
    ("uri\n", "a field is written as"),
    ('uri["a"]', "uri is no map with text keys"),
]


@pytest.mark.parametrize(
    ("method", "fields", "text", "described"),
    [pytest.param(*row, id=str(number)) for number, row in enumerate(DESCRIBED)],
)
def test_describes_what_a_field_holds(
    schema: Schema, method: str, fields: dict[str, Any], text: str, described: str
) -> None:
    request = schema.known[f"{SERVICE}/{method}"].request
    assert compile_field_path(text, descriptor_of(request)).show(request(**fields)) == described


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refuses_a_path_that_leads_nowhere(schema: Schema, text: str, message: str) -> None:
    with pytest.raises(FieldPathError) as caught:
        compile_field_path(text, descriptor_of(schema.known[f"{SERVICE}/Create"].request))
    assert message in str(caught.value)


def test_a_map_may_hold_messages() -> None:
    struct = Struct(fields={"a": Value(string_value="b")})
    assert compile_field_path('fields["a"]', descriptor_of(Struct)).show(struct) == ""
    assert compile_field_path('fields["c"]', descriptor_of(Struct)).show(struct) == "not set"


def test_numbers_are_shown_plainly() -> None:
    assert compile_field_path("seconds", descriptor_of(Timestamp)).show(Timestamp(seconds=7)) == "7"
